"""Garbage collection: objects that nothing refers to, and idempotency keys that are old.

Any number of workers may do it at once: rows are claimed.
"""

import asyncio

import structlog

from internal.domain.errors import DatabaseUnavailable, StoreUnavailable, Unavailable
from internal.intake.idempotency import KEPT_SECONDS
from internal.maintenance.quarantine import Quarantine
from internal.observability import metrics
from internal.rendering.workshop import Workshop

log = structlog.get_logger(__name__)

BATCH = 100

KEYS = 1000
"""Idempotency keys that are dropped in one statement."""

DELETE_SECONDS = 30.0
"""How long the sweep waits for the store to delete one object, a wait for one of its threads included."""


async def purge_keys(workshop: Workshop) -> int:
    """Drop all idempotency keys that have been kept long enough, a batch at a time; returns how many."""
    purged = 0
    while True:
        batch = await workshop.repository.idempotency.purge(older_seconds=KEPT_SECONDS, limit=KEYS)
        purged += batch
        if batch < KEYS:
            return purged


async def sweep_unreferenced(workshop: Workshop, quarantine: Quarantine[str] | None = None) -> int:
    """Delete objects that nothing refers to, one at a time, each under its row's lock (G4); returns how many.

    Raises the store's first outage. What it did not delete waits behind the others then: the next round begins with another. A
    row that fails in any other way is set quarantine.

    INVARIANT: an object that a transaction refers to is never deleted: its row is off the list, or the sweep holds the row's lock
    for as long as the delete goes on, and the transaction finds its deadline passed
    (tests/integration/test_gc.py::test_a_commit_that_meets_the_sweep_loses, and test_sweep_slow_store.py for the lock).
    """
    quarantine = quarantine or Quarantine("sweep_unreferenced")
    swept = 0
    for _ in range(BATCH):
        deleted = await _sweep_next(workshop, quarantine)
        if deleted is None:
            break
        swept += deleted
    return swept


async def _sweep_next(workshop: Workshop, quarantine: Quarantine[str]) -> bool | None:
    """Delete one object. False: it can't be, and waits behind the others; None: none is overdue."""
    key: str | None = None
    failure: Exception | None = None
    try:
        async with workshop.repository.transaction() as work:
            key = await work.pending_objects.next_overdue(seconds=workshop.schedule.sweep_seconds, exclude=quarantine.rows())
            if key is None:
                return None
            failure = await _delete(key, workshop)
            await (work.pending_objects.defer(key) if failure else work.pending_objects.unmark(key))
    except DatabaseUnavailable:
        if key is None:
            raise
        await workshop.repository.pending_objects.defer(key)  # else it would be the first of each round, and hold up the others
        if failure is None:
            raise
    except Exception as error:
        if key is None:
            raise
        quarantine.add(key, error)
        return False
    if failure is None:
        metrics.SWEPT.inc()
        log.info("object.swept", key=key)
    elif isinstance(failure, Unavailable):
        raise failure
    elif not isinstance(failure, ValueError):
        quarantine.add(key, failure)
    return failure is None


async def _delete(key: str, workshop: Workshop) -> Exception | None:
    """What went wrong: perhaps with this object only, so that the others get their turn before it is tried again.

    When this returns no thread of ours can delete the object any more: a call that has begun is waited for, also past
    DELETE_SECONDS (internal/objectstore/threads.py), and one that still waits for its thread never begins.
    """
    failure: Exception
    try:
        async with asyncio.timeout(DELETE_SECONDS):
            await workshop.store.delete(key)
            return None
    except TimeoutError:
        failure = StoreUnavailable(f"The object store has not deleted an object within {DELETE_SECONDS:g} seconds.")
    except Exception as error:
        failure = error
    log.warning("object.not_swept", key=key, error=repr(failure))
    return failure
