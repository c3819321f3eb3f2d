"""Comparing the object store with the tables, both ways: what no promise can keep whole is found here (G4).

    store → tables   an object that nothing refers to and nothing lists: a writer was stopped past its deadline, then killed
    tables → store   a row whose object is missing: somebody deleted it, or a disk lost it

Both sides are read in batches, so that memory stays as it is at any number of objects, and nothing is locked. What is younger
than asked is left alone, and each suspicion is looked at once more, on the other side, before it is told.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from uuid import UUID

import structlog
from msgspec import Struct

from internal.errors import NotStored
from internal.images.model import Status
from internal.images.tasks import CHANNEL, task_message
from internal.objectstore.port import ObjectStore
from internal.repository.operators import Reference
from internal.repository.port import Repository

log = structlog.get_logger(__name__)

OBJECTS = 1000
"""Objects that are looked up in one statement."""
IMAGES = 200
"""Images whose objects are looked up in the store at once."""
GRACE_SECONDS = 600.0
"""How long what was listed is left alone: time to see that this was the wrong database."""


class Kind(StrEnum):
    UNREFERENCED = "unreferenced"
    MISSING_ORIGINAL = "missing_original"
    MISSING_RENDITION = "missing_rendition"


class Finding(Struct, frozen=True):
    """One thing that is wrong, and whether it was mended: listed for the sweep, or queued to be made again."""

    kind: Kind
    key: str
    mended: bool
    image_id: UUID | None = None
    rendition: str | None = None


class EmptyDatabase(Exception):
    """The database has no image at all, so that mending would give up every object of the store: is it the right one?"""


class Comparison(Struct, frozen=True):
    """What is compared, and how. `objects` and `rows` are told how many more of them were looked at."""

    repository: Repository
    store: ObjectStore
    older_seconds: float
    mend: bool
    objects: Callable[[int], object]
    rows: Callable[[int], object]


async def reconcile(compared: Comparison) -> AsyncIterator[Finding]:
    """Everything that is wrong, as it is found. Raises StoreUnavailable and DatabaseUnavailable; may then be run again.

    Raises EmptyDatabase instead of mending against one.

    INVARIANT: nothing is deleted here, and nothing that a row refers to stays listed
    (tests/integration/test_reconcile.py::test_what_comes_to_be_referred_to_meanwhile_is_kept).
    """
    if compared.mend and not await compared.repository.references.page(after=None, older_seconds=0, limit=1):
        raise EmptyDatabase
    for one_way in (_unreferenced, _missing):
        async for finding in one_way(compared):
            log.warning("reconcile.found", kind=finding.kind.value, key=finding.key, mended=finding.mended)
            yield finding


async def _unreferenced(compared: Comparison) -> AsyncIterator[Finding]:
    latest = datetime.now(UTC) - timedelta(seconds=compared.older_seconds)
    batch: list[str] = []
    async for stored in compared.store.keys():
        compared.objects(1)
        if stored.modified is not None and stored.modified < latest:
            batch.append(stored.key)
        if len(batch) == OBJECTS:
            for key in await _orphans(batch, compared):
                yield Finding(Kind.UNREFERENCED, key, compared.mend)
            batch = []
    for key in await _orphans(batch, compared):
        yield Finding(Kind.UNREFERENCED, key, compared.mend)


async def _orphans(keys: Sequence[str], compared: Comparison) -> list[str]:
    """Those that are still there, and that the tables don't know; listed for the sweep, if they are to be mended."""
    unknown = sorted(await compared.repository.references.unknown(keys))
    gone = await _not_stored(unknown, compared.store)  # deleted since the store was asked
    orphans = [key for key in unknown if key not in gone]
    if not (compared.mend and orphans):
        return orphans
    await compared.repository.unreferenced.abandon(orphans, seconds=GRACE_SECONDS)
    kept = await compared.repository.references.referred(orphans)  # a writer that slept for a day may have come first
    for key in kept:
        await compared.repository.unreferenced.forget(key)
    return [key for key in orphans if key not in kept]


async def _missing(compared: Comparison) -> AsyncIterator[Finding]:
    after: UUID | None = None
    while page := await compared.repository.references.page(after=after, older_seconds=compared.older_seconds, limit=IMAGES):
        after = page[-1].image_id
        compared.rows(len(page))
        gone = await _not_stored([reference.key for reference in page if reference.old], compared.store)
        still = await compared.repository.references.referred(sorted(gone)) if gone else frozenset()
        without_original = {reference.image_id for reference in page if reference.rendition is None and reference.key in still}
        for reference in page:
            if reference.key in still:
                mendable = compared.mend and reference.image_id not in without_original
                yield _finding(reference, mended=mendable and await _make_again(reference, compared.repository))


def _finding(reference: Reference, *, mended: bool) -> Finding:
    kind = Kind.MISSING_ORIGINAL if reference.rendition is None else Kind.MISSING_RENDITION
    return Finding(kind, reference.key, mended, reference.image_id, reference.rendition)


async def _not_stored(keys: Sequence[str], store: ObjectStore) -> frozenset[str]:
    async def is_missing(key: str) -> bool:
        try:
            await store.stat(key)
        except NotStored:
            return True
        return False

    missing = await asyncio.gather(*(is_missing(key) for key in keys))
    return frozenset(key for key, gone in zip(keys, missing, strict=True) if gone)


async def _make_again(reference: Reference, repository: Repository) -> bool:
    """Queue the rendition as it was asked for; False when it is not there any more."""
    async with repository.transaction() as work:
        locked = await work.images.lock(reference.image_id)
        image = await work.images.find(locked.owner, reference.image_id) if locked else None
        rendition = image.rendition(reference.rendition or "") if image else None
        if rendition is None:
            return False
        if rendition.status in (Status.PROCESSED, Status.FAILED):
            await work.renditions.remake(rendition.id, pipeline=rendition.pipeline, lane=rendition.lane)
            await work.outbox.add(CHANNEL[rendition.lane], task_message(reference.image_id, rendition.lane))
            await work.images.refresh_status(reference.image_id)
    return True
