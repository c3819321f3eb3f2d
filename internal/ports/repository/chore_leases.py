"""The contract of chores' leases. What holds for all tables: repository.py."""

from typing import Protocol
from uuid import UUID


class ChoreLeases(Protocol):
    async def take(self, name: str, worker_id: UUID, *, seconds: float) -> bool:
        """Hold the chore for so long from now, as the only worker; again: longer. False while another holds it."""
