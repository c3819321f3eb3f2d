"""The contract of the table of events. What holds for all tables: repository.py."""

from typing import Protocol
from uuid import UUID

from internal.domain.events import Event
from internal.ports.repository.purge_result import PurgeResult


class Events(Protocol):
    async def add(self, *events: Event) -> None:
        """Add events to their images' history, and to the outbox where events are published. All or nothing."""

    async def of(self, image_id: UUID) -> list[Event]:
        """The image's history, oldest first. It outlives the image."""

    async def purge(self, *, older_days: int, after: UUID | None, limit: int) -> PurgeResult[UUID]:
        """Look at the next `limit` events behind id `after` (None: from the first), and remove those that are older."""
