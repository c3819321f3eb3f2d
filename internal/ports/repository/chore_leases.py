"""The contract of chores' leases. What holds for all tables: repository.py."""

from typing import Protocol
from uuid import UUID


class ChoreLeases(Protocol):
    async def take(self, name: str, worker_id: UUID, *, seconds: float) -> bool:
        """Hold the chore for `seconds` from now, as the only worker; again: extends it. False while another worker holds it."""
