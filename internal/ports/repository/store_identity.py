"""The contract of the store's identity. What holds for all tables: repository.py."""

from typing import Protocol
from uuid import UUID


class StoreIdentity(Protocol):
    """The id of the object store that this database belongs to."""

    async def find(self) -> UUID | None:
        """The id; None until it is established."""

    async def chosen(self) -> UUID | None:
        """The id, even before it is established; None before one is chosen."""

    async def choose(self, store_id: UUID) -> UUID:
        """Choose the id for the store, unless one is chosen already. Returns the chosen one."""

    async def establish(self, store_id: UUID) -> None:
        """Record that the store holds the chosen id; from now on the store must hold it."""

    async def replace(self, store_id: UUID) -> None:
        """Require this id of the store, whatever was required before."""
