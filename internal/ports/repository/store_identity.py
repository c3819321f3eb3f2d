"""The contract of the store's identity. What holds for all tables: repository.py."""

from typing import Protocol
from uuid import UUID


class StoreIdentity(Protocol):
    """The id of the object store that this database belongs to."""

    async def find(self) -> UUID | None:
        """The id; None until it is established."""

    async def chosen(self) -> UUID | None:
        """The id, also before it is established."""

    async def choose(self, store_id: UUID) -> UUID:
        """Choose the id that the store is to get, unless one was chosen before; returns the one that is chosen."""

    async def establish(self, store_id: UUID) -> None:
        """The store holds the chosen id: from now on it is expected of it."""

    async def replace(self, store_id: UUID) -> None:
        """Expect this id of the store, whatever was expected before."""
