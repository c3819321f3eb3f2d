"""Housekeeping: what dies is found again. Any number of workers may run it at once: rows are claimed, or it is safe twice.

A round's chores are done one after the other, and none stands still behind another: each does a bounded piece of its work in a
statement or a transaction, and is begun also when those before it failed.
"""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from internal import metrics
from internal.errors import DatabaseUnavailable, LeaseLost, StoreUnavailable
from internal.images.idempotency import KEPT_SECONDS
from internal.images.outcome import end_abandoned
from internal.images.ports import Workshop
from internal.images.tasks import CHANNEL, task_message

log = structlog.get_logger(__name__)

BATCH = 100

KEYS = 1000
"""Idempotency keys that are dropped in one statement."""

DELETE_SECONDS = 30.0
"""How long the sweep waits for the store to delete one object, a wait for one of its threads included."""


async def requeue(workshop: Workshop) -> None:
    """Queue again what nobody works on, in this order: leases that ran out, overdue renditions."""
    await _each(workshop, requeue_abandoned, requeue_overdue)


async def clear_away(workshop: Workshop) -> None:
    """Remove what nobody needs any more: old idempotency keys, unreferenced objects. A slow store makes this one long."""
    await _each(workshop, purge_keys, sweep_unreferenced)


async def _each(workshop: Workshop, *chores: Callable[[Workshop], Awaitable[int]]) -> None:
    """Do one chore after the other, also when one fails. Raises the first failure at the end; of further ones the log tells."""
    failures: list[Exception] = []
    for chore in chores:
        try:
            await chore(workshop)
        except Exception as error:
            if failures:
                log.warning("housekeeping.failed_too", chore=chore.__name__, error=repr(error))
            failures.append(error)
    if failures:
        raise failures[0]


async def requeue_abandoned(workshop: Workshop) -> int:
    """Queue again, or fail at the maximum, what a dead worker held (G1, G3)."""
    async with workshop.repository.transaction() as work:
        found = await work.renditions.abandoned(limit=BATCH)
        failed = [await end_abandoned(work, rendition, workshop) for rendition in found]
    metrics.REQUEUED.labels("lease").inc(failed.count(False))
    metrics.ATTEMPTS.labels("failed").inc(failed.count(True))
    metrics.FAILURES.labels(LeaseLost.code).inc(len(found))
    for rendition in found:
        log.warning("lease.ran_out", image_id=str(rendition.image_id), rendition=rendition.name, attempt=rendition.attempt)
    return len(found)


async def requeue_overdue(workshop: Workshop) -> int:
    """Queue again what has been waiting so long that its message must be lost (G1). Twice is harmless."""
    async with workshop.repository.transaction() as work:
        found = await work.renditions.overdue(seconds=workshop.schedule.overdue_seconds, limit=BATCH)
        for image_id, lane in {(rendition.image_id, rendition.lane) for rendition in found}:
            await work.outbox.add(CHANNEL[lane], task_message(image_id, lane))
    metrics.REQUEUED.labels("overdue").inc(len(found))
    if found:
        log.warning("renditions.overdue", count=len(found))
    return len(found)


async def purge_keys(workshop: Workshop) -> int:
    """Drop all idempotency keys that have been kept long enough, a batch at a time; returns how many."""
    purged = 0
    while True:
        batch = await workshop.repository.idempotency.purge(older_seconds=KEPT_SECONDS, limit=KEYS)
        purged += batch
        if batch < KEYS:
            return purged


async def sweep_unreferenced(workshop: Workshop) -> int:
    """Delete objects that nothing refers to, one at a time, each under its row's lock (G4); returns how many.

    Raises the store's first failure. What it did not delete waits behind the others then: the next round begins with another.

    INVARIANT: an object that a transaction refers to is never deleted: its row is off the list, or the sweep holds the row's lock
    for as long as the delete goes on, and the transaction finds its deadline passed
    (tests/integration/test_sweep.py::test_a_commit_that_meets_the_sweep_loses, and test_sweep_slow_store.py for the lock).
    """
    swept = 0
    for _ in range(BATCH):
        deleted = await _sweep_next(workshop)
        if deleted is None:
            break
        swept += deleted
    return swept


async def _sweep_next(workshop: Workshop) -> bool | None:
    """Delete one object. False: it can't be, and waits behind the others; None: none is overdue."""
    key: str | None = None
    failure: Exception | None = None
    try:
        async with workshop.repository.transaction() as work:
            key = await work.unreferenced.next_overdue(seconds=workshop.schedule.sweep_seconds)
            if key is None:
                return None
            failure = await _delete(key, workshop)
            await (work.unreferenced.put_off(key) if failure else work.unreferenced.forget(key))
    except DatabaseUnavailable:
        if key is None:
            raise
        await workshop.repository.unreferenced.put_off(key)  # else it would be the first of each round, and hold up the others
        if failure is None:
            raise
    if failure is None:
        metrics.SWEPT.inc()
        log.info("object.swept", key=key)
    elif not isinstance(failure, ValueError):
        raise failure
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
