"""The contract of usage: how much each owner has. What holds for all tables: repository.py."""

from typing import Protocol
from uuid import UUID

from msgspec import Struct

from internal.domain.owner import Owner, Quotas, Usage


class OwnerUsage(Struct, frozen=True):
    """What is set for an owner, and what the owner has."""

    owner: Owner
    used: Usage


class CountedPage(Struct, frozen=True):
    """A part of a recount: by owner, what the images of the page count, without those of their changes that are not folded yet.

    `last`: the id with which the page ends; None if it is the last page. `images`: how many it has. `folds`: how often changes
    were folded by then.
    """

    last: UUID | None
    images: int
    folds: int
    counted: dict[str, Usage]


class UsageCounts(Protocol):
    """Usage is counted by the database in the transaction of each change, whatever code makes it.

    INVARIANT: what is counted is what is there, at every moment
    (tests/integration/test_usage.py::test_usage_is_what_a_recount_finds_after_whatever_is_done).
    """

    async def of(self, owner: str) -> OwnerUsage:
        """The owner's usage, and what is set. An owner of whom nothing is known has a usage of 0."""

    async def require(self, owner: str, configured: Quotas, more: Usage) -> None:
        """Hold the owner's quotas against what the transaction is about to add. Only inside a transaction.

        Raises QuotaExceeded, here or with the next statement: the transaction must end then. The owner's lock is held until the
        transaction ends, if the owner has a quota: no other one takes what this one takes.
        """

    async def page(self, *, after: str | None, limit: int) -> list[OwnerUsage]:
        """Owners who have images, had some, or for whom something is set: those behind `after`, by name, at most `limit`."""

    async def fold(self, *, limit: int) -> int:
        """Add the oldest changes, about `limit`, to their owners' counts. Returns how many; 0 also while others fold or hold."""

    async def hold(self, recount_id: UUID, *, seconds: float) -> bool:
        """Let nothing be folded for `seconds` from now; again: extends it. False while another recount does."""

    async def release(self, recount_id: UUID) -> None:
        """End the hold of this recount, if it has one."""

    async def is_counted(self) -> bool:
        """False until the images of before usage was counted are counted."""

    async def count_page(self, *, after: UUID | None, limit: int) -> CountedPage:
        """Count the next `limit` images, in order of their ids, and their renditions."""

    async def lock_counts(self) -> tuple[int, dict[str, Usage]]:
        """How often changes were folded, and every owner's folded count. Nothing is folded until the transaction ends."""

    async def correct(self, drift: dict[str, Usage]) -> None:
        """Add to the folded counts, and record that all is counted. Only under `lock_counts`."""
