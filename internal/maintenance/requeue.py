"""Requeueing what dead workers held. Any number of workers may do it at once: rows are claimed."""

from uuid import UUID

import structlog

from internal.domain.errors import Unavailable, WorkerLost
from internal.maintenance.quarantine import Quarantine
from internal.observability import metrics
from internal.ports.repository.renditions import StalledRendition
from internal.rendering.transitions import end_abandoned
from internal.rendering.workshop import Workshop

log = structlog.get_logger(__name__)

BATCH = 100


async def requeue_abandoned(workshop: Workshop, set_aside: Quarantine[UUID] | None = None) -> int:
    """Queue again, or fail at the maximum, what dead workers held (G1, G3): one at a time, so that a bad row spoils no other.

    Returns how many; those that can't be ended are set aside.
    """
    aside = set_aside or Quarantine("requeue_abandoned")
    ended = 0
    for _ in range(BATCH):
        if (found := await _end_next_abandoned(workshop, aside)) is None:
            break
        ended += found
    return ended


async def _end_next_abandoned(workshop: Workshop, set_aside: Quarantine[UUID]) -> bool | None:
    """End one attempt whose lease ran out. False: it can't be, and is set aside; None: there is none."""
    rendition: StalledRendition | None = None
    try:
        async with workshop.repository.transaction() as work:
            rendition = next(iter(await work.renditions.abandoned(limit=1, set_aside=set_aside.rows())), None)
            if rendition is None:
                return None
            failed = await end_abandoned(work, rendition, workshop)
    except Exception as error:
        if rendition is None:
            raise
        set_aside.add(rendition.rendition_id, error)
        if isinstance(error, Unavailable):
            raise
        return False
    if failed:
        metrics.ATTEMPTS.labels("failed").inc()
    else:
        metrics.REQUEUED.labels("lease").inc()
    metrics.FAILURES.labels(WorkerLost.code).inc()
    log.warning("lease.ran_out", image_id=str(rendition.image_id), rendition=rendition.name, generation=rendition.generation)
    return True
