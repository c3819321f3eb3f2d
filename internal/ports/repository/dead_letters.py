"""The contract of the table of dead letters. What holds for all tables: repository.py."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from msgspec import Struct

from internal.domain.dead_letter import DeadLetter
from internal.domain.status import Status
from internal.ports.repository.purged import Purged


class KeptDeadLetter(Struct, frozen=True):
    """A dead letter in its table, and what has become of its rendition: None for a message, or when the image is gone."""

    id: int
    created_at: datetime
    letter: DeadLetter
    rendition_status: Status | None


class DeadLetters(Protocol):
    async def add(self, letter: DeadLetter) -> None:
        """Keep what stopped for good, and export it where dead letters are published.

        All or nothing, also outside a transaction. A letter of a message (it has a `channel`) is kept once: as long as it is
        there the same message from the same source adds nothing, also by two at once. For a rendition, which may fail for good
        more than once, every call adds a letter.
        """

    async def of(self, image_id: UUID) -> list[DeadLetter]:
        """The image's dead letters, oldest first."""

    async def find(self, letter_id: int) -> KeptDeadLetter | None:
        """One letter; None when there is none of that number, or none any more."""

    async def page(self, *, before: int | None, code: str | None, limit: int) -> list[KeptDeadLetter]:
        """Letters newest first: those with a number below `before`, and of one `code` when it is given."""

    async def remove(self, ids: Sequence[int]) -> frozenset[int]:
        """Remove letters; returns the numbers of those that were there, each to one caller only."""

    async def remove_of(self, image_id: UUID, rendition: str) -> None:
        """Remove every letter that tells of this rendition."""

    async def purge(self, *, older_days: int, after: int | None, limit: int) -> Purged[int]:
        """Remove those of the next `limit` letters behind `after`, by their numbers, that are older; None: from the first."""
