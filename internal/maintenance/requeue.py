"""Renditions whose worker died are queued again, or failed after the last attempt. Any number of workers may do it at once."""

from functools import partial
from uuid import UUID

import structlog

from internal.domain.errors import Unavailable, WorkerLost
from internal.maintenance.chores import run_batch
from internal.maintenance.quarantine import Quarantine
from internal.observability import metrics
from internal.ports.repository.renditions import StalledRendition
from internal.rendering.transitions import Outcome, Transitions

log = structlog.get_logger(__name__)

STALLED = "requeue_abandoned"
"""The chore's name in metrics and logs."""

BATCH = 100


async def requeue_stalled(transitions: Transitions, quarantine: Quarantine[UUID] | None = None) -> int:
    """End the attempts of dead workers (G1, G3), each in a transaction of its own, so that a bad row does not affect others.

    Returns how many. A row that fails is put in quarantine.
    """
    quarantine = quarantine or Quarantine(STALLED)
    return await run_batch(partial(_end_next, transitions, quarantine), BATCH)


async def _end_next(transitions: Transitions, quarantine: Quarantine[UUID]) -> bool | None:
    """End one attempt whose lease ran out. False: it failed, and is in quarantine; None: there is none."""
    stalled: StalledRendition | None = None
    try:
        async with transitions.repository.transaction() as work:
            stalled = next(iter(await work.renditions.stalled(limit=1, exclude=quarantine.rows())), None)
            if stalled is None:
                return None
            outcome = await transitions.end_stalled(work, stalled)
    except Exception as error:
        if stalled is None:
            raise
        quarantine.add(stalled.rendition_id, error)
        if isinstance(error, Unavailable):
            raise
        return False
    if outcome is Outcome.FAILED:
        metrics.ATTEMPTS.labels(outcome).inc()
    else:
        metrics.REQUEUED.labels("lease").inc()
    metrics.FAILURES.labels(WorkerLost.code).inc()
    log.warning("lease.ran_out", image_id=str(stalled.image_id), rendition=stalled.name, generation=stalled.generation)
    return True
