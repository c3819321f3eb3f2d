"""The contract of the table of dead letters. What holds for all tables: repository.py."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from msgspec import Struct

from internal.domain.dead_letter import DeadLetter
from internal.domain.status import Status
from internal.ports.repository.purge_result import PurgeResult


class DeadLetterEntry(Struct, frozen=True):
    """An entry of the table: a dead letter, its number, and its rendition's status now.

    `rendition_status` is None for a message without a rendition, and when the image is gone.
    """

    id: int
    created_at: datetime
    dead_letter: DeadLetter
    rendition_status: Status | None


class DeadLetters(Protocol):
    async def add(self, dead_letter: DeadLetter) -> None:
        """Insert a dead letter, and export it where dead letters are published.

        All or nothing, also outside a transaction. A message's dead letter (it has a `channel`) is inserted once: while it is
        there, the same message from the same source adds nothing, also in two calls at once. A rendition may fail for good more
        than once, so every call for one adds a dead letter.
        """

    async def of(self, image_id: UUID) -> list[DeadLetter]:
        """The image's dead letters, oldest first."""

    async def find(self, dead_letter_id: int) -> DeadLetterEntry | None:
        """One entry; None if there is none of that number."""

    async def page(self, *, before: int | None, code: str | None, limit: int) -> list[DeadLetterEntry]:
        """Entries newest first: those with a number below `before`, and of one `code` if it is given."""

    async def remove(self, ids: Sequence[int]) -> frozenset[int]:
        """Remove entries. Returns the numbers of those that were there, each to one caller only."""

    async def remove_of(self, image_id: UUID, rendition: str) -> None:
        """Remove every dead letter of this rendition."""

    async def purge(self, *, older_days: int, after: int | None, limit: int) -> PurgeResult[int]:
        """Look at the next `limit` entries behind number `after` (None: from the first), and remove those that are older."""
