"""Reconciliation: compares the object store with the tables in both directions (G4).

    store → tables   an object that no row refers to or lists: its writer was stopped past its deadline, then killed
    tables → store   a row whose object is missing or differs from what was stored: a person or a disk deleted or changed it

Sizes are always compared. A changed byte is found only by reading every object, which is optional.

Both sides are read in batches: memory is constant for any number of objects, and nothing is locked. What is younger than a given
age is skipped, and each finding is checked again on the other side before it is reported.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from uuid import UUID

import structlog
from msgspec import Struct

from internal.domain.errors import ObjectNotFound, ObjectUnreadable, StoreUnavailable
from internal.domain.message import NO_REQUEST
from internal.domain.tasks import CHANNEL, task_message
from internal.ports.object_store import ObjectStore
from internal.ports.repository.references import Reference
from internal.ports.repository.repository import Repository

log = structlog.get_logger(__name__)

OBJECTS = 1000
"""Objects looked up in one statement."""
IMAGES = 200
"""Images whose objects are looked up in the store at once."""
READERS = 4
"""Objects read at once, each in blocks of at most 1 MiB."""
GRACE_SECONDS = 600.0
"""Time until a listed object is deleted: time to notice that this was the wrong database."""


class FindingKind(StrEnum):
    UNREFERENCED = "unreferenced"
    MISSING_ORIGINAL = "missing_original"
    MISSING_RENDITION = "missing_rendition"
    DAMAGED_ORIGINAL = "damaged_original"
    DAMAGED_RENDITION = "damaged_rendition"


class Finding(Struct, frozen=True):
    """One difference, and whether it was mended: the object is listed for gc, or the rendition is queued to be made again.

    `detail` says how a damaged object differs from its row.
    """

    kind: FindingKind
    key: str
    mended: bool
    image_id: UUID | None = None
    rendition: str | None = None
    detail: str | None = None


class EmptyDatabase(Exception):
    """The database has no image, so that mending would list every object of the store for removal. Is it the right database?"""


class Comparison(Struct, frozen=True):
    """What is compared, and how. `objects` and `rows` are called with the number that was looked at since the last call.

    With `read` every object that a row refers to is read and its SHA-256 compared; `read` is called with the bytes of each block.
    """

    repository: Repository
    store: ObjectStore
    older_seconds: float
    mend: bool
    objects: Callable[[int], object]
    rows: Callable[[int], object]
    read: Callable[[int], object] | None = None


async def reconcile(compared: Comparison) -> AsyncIterator[Finding]:
    """The differences, as they are found. Raises StoreUnavailable and DatabaseUnavailable; it may be run again then.

    Raises EmptyDatabase when it should mend and the database has no image.

    INVARIANT: nothing is deleted here, and nothing that a row refers to stays listed
    (tests/integration/test_reconcile.py::test_an_object_that_a_row_comes_to_refer_to_meanwhile_is_kept).
    """
    if compared.mend and not await compared.repository.references.page(after=None, older_seconds=0, limit=1):
        raise EmptyDatabase
    for one_way in (_unreferenced, _missing_or_damaged):
        async for finding in one_way(compared):
            detail = {"detail": finding.detail} if finding.detail else {}
            log.warning("reconcile.found", kind=finding.kind.value, key=finding.key, mended=finding.mended, **detail)
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
                yield Finding(FindingKind.UNREFERENCED, key, compared.mend)
            batch = []
    for key in await _orphans(batch, compared):
        yield Finding(FindingKind.UNREFERENCED, key, compared.mend)


async def _orphans(keys: Sequence[str], compared: Comparison) -> list[str]:
    """The keys whose objects exist and which the tables do not know. With `mend` they are listed for gc."""
    unknown = sorted(await compared.repository.references.unknown(keys))
    gone = await _not_stored(unknown, compared.store)  # deleted since the store was asked
    orphans = [key for key in unknown if key not in gone]
    if not (compared.mend and orphans):
        return orphans
    await compared.repository.pending_objects.mark(orphans, seconds=GRACE_SECONDS)
    # A writer that stood still for a day may have referred to one of them meanwhile.
    kept = await compared.repository.references.referred(orphans)
    for key in kept:
        await compared.repository.pending_objects.unmark(key)
    return [key for key in orphans if key not in kept]


async def _missing_or_damaged(compared: Comparison) -> AsyncIterator[Finding]:
    after: UUID | None = None
    readers = asyncio.Semaphore(READERS)
    while page := await compared.repository.references.page(after=after, older_seconds=compared.older_seconds, limit=IMAGES):
        after = page[-1].image_id
        compared.rows(len(page))
        faults = await _faults([reference for reference in page if reference.old], compared, readers)
        still = await compared.repository.references.referred(sorted(faults)) if faults else frozenset()
        no_original = {reference.image_id for reference in page if reference.rendition is None and reference.key in still}
        for reference in page:
            if reference.key in still:
                mendable = compared.mend and reference.image_id not in no_original
                mended = mendable and await _regenerate(reference, compared.repository)
                yield _finding(reference, faults[reference.key], mended=mended)


MISSING = ""
"""The fault of an object that does not exist. Any other fault is a sentence: how the object differs from its row."""
UNREADABLE = "The store answers, but can't read it."


def _finding(reference: Reference, fault: str, *, mended: bool) -> Finding:
    if fault == MISSING:
        kind = FindingKind.MISSING_ORIGINAL if reference.rendition is None else FindingKind.MISSING_RENDITION
    else:
        kind = FindingKind.DAMAGED_ORIGINAL if reference.rendition is None else FindingKind.DAMAGED_RENDITION
    return Finding(kind, reference.key, mended, reference.image_id, reference.rendition, fault or None)


async def _faults(references: Sequence[Reference], compared: Comparison, readers: asyncio.Semaphore) -> dict[str, str]:
    """The faults, by key."""
    found = await asyncio.gather(*(_fault(reference, compared, readers) for reference in references))
    return {reference.key: fault for reference, fault in zip(references, found, strict=True) if fault is not None}


async def _fault(reference: Reference, compared: Comparison, readers: asyncio.Semaphore) -> str | None:
    """How the object differs from its row; None if it does not."""
    try:
        size = (await compared.store.stat(reference.key)).size
        if size != reference.size:
            return f"It has {size:,} bytes and should have {reference.size:,}."
        if compared.read is None:
            return None
        async with readers:
            return await _difference(reference, compared.store, compared.read)
    except ObjectNotFound:
        return MISSING
    except ObjectUnreadable:
        return UNREADABLE


async def _difference(reference: Reference, store: ObjectStore, read: Callable[[int], object]) -> str | None:
    """Compare the object's SHA-256 with its row. If the store answers but can't read the object, it is read once more.

    Raises ObjectNotFound, and StoreUnavailable for a store that does not answer.
    """
    for _ in range(2):
        try:
            sha256 = await _sha256(reference.key, store, read)
            return None if sha256 == reference.sha256 else "Its bytes are not those that were stored: the SHA-256 differs."
        except StoreUnavailable as error:
            if not isinstance(error, ObjectUnreadable):  # then the store was just seen to answer
                await store.check()
            failure = error
    log.warning("reconcile.unreadable", key=reference.key, cause=repr(failure.__cause__))
    return UNREADABLE


async def _sha256(key: str, store: ObjectStore, read: Callable[[int], object]) -> str:
    digest = hashlib.sha256()
    async with store.get(key) as opened:
        async for chunk in opened.chunks:
            digest.update(chunk)
            read(len(chunk))
    return digest.hexdigest()


async def _not_stored(keys: Sequence[str], store: ObjectStore) -> frozenset[str]:
    async def is_missing(key: str) -> bool:
        try:
            await store.stat(key)
        except ObjectNotFound:
            return True
        return False

    missing = await asyncio.gather(*(is_missing(key) for key in keys))
    return frozenset(key for key, gone in zip(keys, missing, strict=True) if gone)


async def _regenerate(reference: Reference, repository: Repository) -> bool:
    """Queue the rendition to be made again; False if it is gone."""
    async with repository.transaction() as work:
        locked = await work.images.lock(reference.image_id)
        image = await work.images.find(locked.owner, reference.image_id) if locked else None
        rendition = image.rendition(reference.rendition or "") if image else None
        if rendition is None:
            return False
        if rendition.is_final:
            await work.renditions.regenerate(rendition.id, pipeline=rendition.pipeline, lane=rendition.lane)
            await work.renditions.tag(reference.image_id, rendition.lane, NO_REQUEST)
            message = task_message(reference.image_id, rendition.lane, NO_REQUEST)
            await work.outbox.add(CHANNEL[rendition.lane], message)
            await work.images.refresh_status(reference.image_id)
    return True
