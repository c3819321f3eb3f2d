"""What is kept for some days only: events and dead letters are purged in small pieces, beside everything else."""

import time
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import structlog

from internal.observability import metrics
from internal.ports.repository.purged import Purged
from internal.ports.repository.repository import Repository

log = structlog.get_logger(__name__)

BATCH = 1000
"""Rows of one statement: it takes some milliseconds, far from any time limit, and holds no lock that anybody waits for."""

BATCHES = 10
"""Statements of one round, so that the round's other chores are not kept waiting."""

LOOK_SECONDS = 60.0
"""Between two looks, when nothing old was left."""

ANEW_SECONDS = 3600.0
"""So often it begins from the first row again: an id may be lower than one that was purged, when its maker's clock was behind."""

LEASE_SECONDS = 2 * LOOK_SECONDS


class Retention:
    """Purges one table of rows that are older than so many days; 0 days: of none. One worker at a time does it.

    INVARIANT: no statement removes more than BATCH rows, and none reads what an earlier one has removed
    (tests/integration/test_retention.py::test_what_is_old_goes_in_pieces_by_the_primary_key).
    """

    def __init__(self, name: str, repository: Repository, purge: Callable[..., Awaitable[Purged[Any]]], *, days: int) -> None:
        self.name = name
        self._repository = repository
        self._purge = purge
        self._days = days
        self._worker_id = uuid4()
        self._after: Any = None
        self._look_at = 0.0
        self._anew_at = 0.0

    async def run(self) -> int:
        """Purge BATCHES pieces at most; returns how many rows went."""
        now = time.monotonic()
        if not self._days or now < self._look_at:
            return 0
        if not await self._repository.chore_leases.take(self.name, self._worker_id, seconds=LEASE_SECONDS):
            self._look_at = now + LOOK_SECONDS
            return 0
        if now >= self._anew_at:
            self._after, self._anew_at = None, now + ANEW_SECONDS
        count = 0
        for _ in range(BATCHES):
            purged = await self._purge(older_days=self._days, after=self._after, limit=BATCH)
            count += purged.count
            self._after = purged.last or self._after
            if not purged.count:
                self._look_at = time.monotonic() + LOOK_SECONDS
                break
        if count:
            metrics.PURGED.labels(self.name).inc(count)
            log.info("rows.purged", chore=self.name, count=count)
        return count


def retentions(repository: Repository, *, events_days: int, dead_letters_days: int) -> tuple[Retention, ...]:
    """Of each table that has one. Idempotency keys are kept by the hour: internal/maintenance/gc.py."""
    return (
        Retention("purge_events", repository, repository.events.purge, days=events_days),
        Retention("purge_dead_letters", repository, repository.dead_letters.purge, days=dead_letters_days),
    )
