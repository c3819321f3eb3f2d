"""Retention: events and dead letters are removed after some days, in small batches beside the normal work."""

import time
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import structlog

from internal.observability import metrics
from internal.ports.repository.purge_result import PurgeResult
from internal.ports.repository.repository import Repository

log = structlog.get_logger(__name__)

BATCH = 1000
"""Rows of one statement. It takes some milliseconds, and holds no lock that others wait for."""

BATCHES = 10
"""Statements of one round, so that the round's other chores need not wait."""

IDLE_SECONDS = 60.0
"""Time until the next purge when nothing old was left."""

RESTART_SECONDS = 3600.0
"""Time after which it begins at the first row again: a process whose clock was behind may have made a lower id."""

LEASE_SECONDS = 2 * IDLE_SECONDS


class Retention:
    """Removes rows of one table that are older than `days`; 0 days: none. One worker at a time does it.

    INVARIANT: no statement removes more than BATCH rows, and none reads what an earlier one has removed
    (tests/integration/test_retention.py::test_old_rows_are_removed_in_batches_by_the_primary_key).
    """

    def __init__(
        self, name: str, repository: Repository, purge: Callable[..., Awaitable[PurgeResult[Any]]], *, days: int
    ) -> None:
        self.name = name
        self._repository = repository
        self._purge = purge
        self._days = days
        self._worker_id = uuid4()
        self._after: Any = None
        self._next_at = 0.0
        self._restart_at = 0.0

    async def run(self) -> int:
        """Remove at most BATCHES batches. Returns how many rows."""
        now = time.monotonic()
        if not self._days or now < self._next_at:
            return 0
        if not await self._repository.chore_leases.take(self.name, self._worker_id, seconds=LEASE_SECONDS):
            self._next_at = now + IDLE_SECONDS
            return 0
        if now >= self._restart_at:
            self._after, self._restart_at = None, now + RESTART_SECONDS
        count = 0
        for _ in range(BATCHES):
            purged = await self._purge(older_days=self._days, after=self._after, limit=BATCH)
            count += purged.count
            self._after = purged.last or self._after
            if not purged.count:
                self._next_at = time.monotonic() + IDLE_SECONDS
                break
        if count:
            metrics.PURGED.labels(self.name).inc(count)
            log.info("rows.purged", chore=self.name, count=count)
        return count


def retentions(repository: Repository, *, events_days: int, dead_letters_days: int) -> tuple[Retention, ...]:
    """The retentions in days. Idempotency keys are kept for some hours: internal/maintenance/gc.py."""
    return (
        Retention("purge_events", repository, repository.events.purge, days=events_days),
        Retention("purge_dead_letters", repository, repository.dead_letters.purge, days=dead_letters_days),
    )
