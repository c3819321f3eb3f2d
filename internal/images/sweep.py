"""Housekeeping: what dies is found again. Any number of workers may run it at once: rows are claimed, or it is safe twice."""

import structlog

from internal import metrics
from internal.errors import LeaseLost, StoreUnavailable
from internal.images.idempotency import KEPT_SECONDS
from internal.images.outcome import end_abandoned
from internal.images.ports import Workshop
from internal.images.tasks import CHANNEL, task_message
from internal.repository.port import Tables

log = structlog.get_logger(__name__)

BATCH = 100


async def requeue(workshop: Workshop) -> None:
    """Queue again what nobody works on, in this order: leases that ran out, overdue renditions."""
    await requeue_abandoned(workshop)
    await requeue_overdue(workshop)


async def clear_away(workshop: Workshop) -> None:
    """Remove what nobody needs any more: unreferenced objects, old idempotency keys. A slow store makes this one long."""
    await workshop.repository.idempotency.purge(older_seconds=KEPT_SECONDS)
    await sweep_unreferenced(workshop)


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


async def sweep_unreferenced(workshop: Workshop) -> int:
    """Delete objects that nothing refers to, one at a time, each under its row's lock (G4).

    INVARIANT: an object that a transaction refers to is never deleted: its row is off the list, or the sweep holds the row's lock
    and the transaction finds its deadline passed (tests/integration/test_sweep.py).
    """
    swept = 0
    for _ in range(BATCH):
        async with workshop.repository.transaction() as work:
            key = await work.unreferenced.next_overdue(seconds=workshop.schedule.sweep_seconds)
            if key is None:
                break
            failure = await _delete(key, work, workshop)
        if isinstance(failure, StoreUnavailable):
            raise failure
        if failure is None:
            swept += 1
            metrics.SWEPT.inc()
            log.info("object.swept", key=key)
    return swept


async def _delete(key: str, work: Tables, workshop: Workshop) -> Exception | None:
    """What went wrong: perhaps with this object only, so that the others get their turn before it is tried again."""
    try:
        await workshop.store.delete(key)
    except (StoreUnavailable, ValueError) as error:
        log.warning("object.not_swept", key=key, error=repr(error))
        await work.unreferenced.put_off(key)
        return error
    await work.unreferenced.forget(key)
    return None
