"""The contract of the table of owners. What holds for all tables: repository.py."""

from typing import Protocol

from internal.domain.owner import Owner


class Owners(Protocol):
    """What admins have set for owners. An owner for whom nothing was ever set has no row."""

    async def find(self, owner: str) -> Owner | None:
        """What is set for the owner; None if there is no row."""

    async def lock(self, owner: str) -> Owner:
        """Insert a row unless there is one, and lock it until the transaction ends. Only inside a transaction."""

    async def save(self, owner: Owner) -> None:
        """Store weight and quotas. Only under `lock`."""
