"""Usage: changes are folded into each owner's count, and all is counted anew where that is needed.

A recount reads the images page by page, in order of their ids, each page in one statement: it locks nothing, keeps no snapshot,
and its memory is a number an owner. It is exact beside any traffic: a page leaves out the changes that are not folded yet, and
what remains is what the folded counts should be, whenever the page was read. That holds as long as nothing is folded meanwhile.
"""

import time
from collections import defaultdict
from uuid import UUID

import structlog

from internal.domain.errors import Unavailable
from internal.domain.ids import new_id
from internal.domain.owner import Usage
from internal.ports.repository.repository import Repository

log = structlog.get_logger(__name__)

NAME = "fold_usage"
"""The chore's name in metrics and logs."""

BATCH = 5000
"""Changes that one statement folds: some 50 ms."""

BATCHES = 20
"""Statements of one round, so that the round's other chores need not wait."""

FOLD_SECONDS = 2.0
"""Pause between two folds of one worker."""

HOLD_SECONDS = 60.0
"""How long nothing is folded after a recount was killed."""

IMAGES = 5000
"""Images that one statement counts."""

ROUND_SECONDS = 1.0
"""Time for the recount in one round of chores."""


class RecountDisturbed(Unavailable):
    """Another recount is under way, or this one stood still for too long. Nothing was changed."""


class Recount:
    """One recount. Call `count_page` until it returns False, then `finish`.

    INVARIANT: a recount beside uploads, results and deletions finds no difference where there is none
    (tests/integration/test_recount.py::test_a_recount_beside_traffic_finds_nothing).
    """

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._id = new_id()
        self._after: UUID | None = None
        self._folds: int | None = None
        self._hold_at = 0.0
        self._actual: defaultdict[str, Usage] = defaultdict(Usage)
        self.images = 0
        """Images that were counted."""

    async def count_page(self) -> bool:
        """Count the next page; False if it was the last. Raises RecountDisturbed."""
        await self._hold()
        page = await self._repository.usage.count_page(after=self._after, limit=IMAGES)
        if self._folds is None:
            self._folds = page.folds
        for owner, usage in page.counted.items():
            self._actual[owner] = plus(self._actual[owner], usage)
        self.images += page.images
        self._after = page.last
        return page.last is not None

    async def finish(self, *, fix: bool) -> dict[str, Usage]:
        """By how much the owners' counts are too low (below zero: too high); with `fix` they are corrected.

        Raises RecountDisturbed.
        """
        async with self._repository.transaction() as work:
            folds, counted = await work.usage.lock_counts()
            if folds != self._folds:
                raise RecountDisturbed
            owners = sorted(counted.keys() | self._actual.keys())
            differences = {owner: minus(self._actual[owner], counted.get(owner, Usage())) for owner in owners}
            drift = {owner: usage for owner, usage in differences.items() if usage != Usage()}
            if fix:
                await work.usage.correct(drift)
            await work.usage.release(self._id)
        return drift

    async def cancel(self) -> None:
        """Let changes be folded again."""
        await self._repository.usage.release(self._id)

    async def _hold(self) -> None:
        now = time.monotonic()
        if now < self._hold_at:
            return
        if not await self._repository.usage.hold(self._id, seconds=HOLD_SECONDS):
            raise RecountDisturbed
        self._hold_at = now + HOLD_SECONDS / 4


class UsageFolding:
    """The chore of a worker. First it counts what was there before usage was counted."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._counted = False
        self._recount: Recount | None = None
        self._next_at = 0.0

    async def run(self) -> int:
        """Fold what has changed, unless another worker does. Returns how many changes were folded."""
        if not self._counted and not await self._count():
            return 0
        if time.monotonic() < self._next_at:
            return 0
        self._next_at = time.monotonic() + FOLD_SECONDS
        count = 0
        for _ in range(BATCHES):
            folded = await self._repository.usage.fold(limit=BATCH)
            count += folded
            if folded < BATCH:
                break
        return count

    async def _count(self) -> bool:
        """Count for ROUND_SECONDS what was there before. True if all is counted."""
        if self._recount is None and await self._repository.usage.is_counted():
            self._counted = True
            return True
        recount = self._recount = self._recount or Recount(self._repository)
        until = time.monotonic() + ROUND_SECONDS
        try:
            while await recount.count_page():
                if time.monotonic() > until:
                    return False
            drift = await recount.finish(fix=True)
        except RecountDisturbed:  # another worker counts
            self._recount = None
            return False
        log.info("usage.counted", images=recount.images, owners=len(drift))
        self._recount, self._counted = None, True
        return True


def plus(one: Usage, other: Usage) -> Usage:
    return Usage(one.images + other.images, one.bytes + other.bytes, one.queued + other.queued)


def minus(one: Usage, other: Usage) -> Usage:
    return Usage(one.images - other.images, one.bytes - other.bytes, one.queued - other.queued)
