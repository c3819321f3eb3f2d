"""Pending uploads whose bytes have not come in time are removed as by DELETE. Any number of workers may do it at once."""

from functools import partial
from uuid import UUID

import structlog

from internal.domain.errors import Unavailable
from internal.domain.events import EventType, new_event
from internal.domain.upload import Upload
from internal.maintenance.chores import run_batch
from internal.maintenance.quarantine import Quarantine
from internal.observability import metrics
from internal.ports.repository.repository import Repository

log = structlog.get_logger(__name__)

NAME = "expire_uploads"
BATCH = 100


async def expire_uploads(repository: Repository, quarantine: Quarantine[UUID] | None = None) -> int:
    """Remove expired uploads, each in a transaction of its own that marks its object for garbage collection too (G4).

    At most BATCH of them; returns how many. A row that fails is put in quarantine.
    """
    quarantine = quarantine or Quarantine(NAME)
    return await run_batch(partial(_expire_next, repository, quarantine), BATCH)


async def _expire_next(repository: Repository, quarantine: Quarantine[UUID]) -> bool | None:
    """Remove one upload. False: it failed and is in quarantine; None: no upload has expired."""
    upload: Upload | None = None
    try:
        async with repository.transaction() as work:
            upload = await work.uploads.take_expired(exclude=quarantine.rows())
            if upload is None:
                return None
            await work.events.add(new_event(EventType.IMAGE_DELETED, upload.id, upload.owner, reason="expired"))
    except Exception as error:
        if upload is None or isinstance(error, Unavailable):
            raise
        quarantine.add(upload.id, error)
        return False
    metrics.PURGED.labels(NAME).inc()
    log.info("upload.expired", image_id=str(upload.id), kind=upload.kind, received=upload.received)
    return True
