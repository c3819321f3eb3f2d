"""The contract of the table of events. What holds for all tables: repository.py."""

from typing import Protocol
from uuid import UUID

from internal.domain.events import Event
from internal.ports.repository.purged import Purged


class Events(Protocol):
    async def add(self, *events: Event) -> None:
        """Write the events into their images' history, and into the outbox where events are published."""

    async def of(self, image_id: UUID) -> list[Event]:
        """The image's history, oldest first; it outlives the image."""

    async def purge(self, *, older_days: int, after: UUID | None, limit: int) -> Purged[UUID]:
        """Remove those of the next `limit` events behind `after`, in order of their ids, that are older; None: from the first."""
