"""The intake that every door shares: prepare, receive, complete. Doors differ only in what they do before `complete`.

1. `prepare` keeps an upload as a row, with its options. The image reads `pending`. A multipart upload has no row: its request
   holds it, and its options may come after its bytes.
2. `receive` lists the object's key for garbage collection and moves the bytes into the store. By listing the key, it counts the
   upload for its client's rate limits. An upload with a row gets a new key each time, and its row names the latest: a receive
   that is late overwrites and deletes nothing but its own object.
3. `complete` makes the image of the upload, in one transaction with its tasks and its event, and takes the key off the list.

INVARIANT: at no moment is an object neither referred to nor listed (G4): a process may die between any two steps
(tests/integration/test_intake.py::test_nothing_is_left_unlisted_whatever_step_is_the_last).
INVARIANT: a receive that goes on after the upload was completed leaves the image's original as it is
(tests/integration/test_intake.py::test_a_receive_that_meets_a_complete_leaves_the_image_alone).
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Protocol

from msgspec.structs import replace

from internal.domain.errors import DeadlinePassed, NotFound, NotReady, RequestTimeout, ServiceError, StoreUnavailable
from internal.domain.events import Event, EventType, new_event
from internal.domain.ids import new_id
from internal.domain.image import Image, Original
from internal.domain.keys import original_key
from internal.domain.message import MessageContext
from internal.domain.owner import Usage
from internal.domain.rates import UploadCost, UploadLevels
from internal.domain.status import Status
from internal.domain.tasks import CHANNEL, task_message
from internal.domain.upload import ParsedOptions, Upload, UploadKind, UploadState
from internal.intake.inspect import Inspection
from internal.intake.policy import UploadPolicy
from internal.intake.rendition_request import check_references, rendition_of
from internal.limits.upload_rates import UNLIMITED, UploadMeter
from internal.ports.object_store import ObjectStore
from internal.ports.repository.repository import Repository, Tables
from internal.runtime.failpoints import failpoint


class UploadSource(Protocol):
    """The bytes of one upload, as a door reads them."""

    def content(self) -> AsyncIterator[bytes]:
        """The picture's bytes, once. Raises what is wrong with the request."""

    async def finish(self) -> None:
        """Called when all bytes have come, before the store counts the object as complete. An error refuses the upload."""

    async def extend(self) -> None:
        """Called every now and then while bytes come: extend what else the request holds, such as an Idempotency-Key."""


def new_upload(owner: str, kind: UploadKind, options: ParsedOptions) -> Upload:
    """An upload that is nowhere kept yet."""
    upload_id, now = new_id(), datetime.now(UTC)  # the row's times will be the database's
    return Upload(upload_id, owner, kind, options, original_key(upload_id), created_at=now, updated_at=now)


async def prepare(work: Tables, owner: str, kind: UploadKind, options: ParsedOptions, policy: UploadPolicy) -> Upload:
    """Keep a pending upload and its event, in the transaction `work`.

    Raises QuotaExceeded, and InvalidProcessing for an image that is not there. A pending upload is not counted: `complete` counts
    the image.
    """
    await work.usage.require(owner, policy.quotas, Usage(images=1, queued=len(options.renditions)))
    await check_references(options.renditions, work, owner)
    upload = await work.uploads.add(new_upload(owner, kind, options), expires_seconds=policy.upload_expires_seconds)
    names = [request.name for request in options.renditions]
    await work.events.add(new_event(EventType.IMAGE_PENDING, upload.id, owner, kind=kind, renditions=names))
    return upload


async def receive(
    upload: Upload,
    source: UploadSource,
    repository: Repository,
    store: ObjectStore,
    policy: UploadPolicy,
    meter: UploadMeter = UNLIMITED,
) -> Original:
    """Inspect the bytes and move them into the store; again: replaces them.

    Raises the errors of the picture and of the source, RateLimited, NotFound if the upload was completed, was deleted or has
    expired, or is received once more meanwhile, StoreUnavailable and DatabaseUnavailable. Then there is no object, or its key is
    listed for garbage collection.
    """
    meter.check()  # before a byte of the body is asked for
    inspection = Inspection(source.content(), policy)
    await inspection.read_head()
    upload = await _list(upload, meter, repository, policy)  # 1 listed
    failpoint("after-intent")
    try:
        await _put(upload, source, inspection, repository, store, policy)  # 2 stored
    except BaseException as error:
        await asyncio.shield(meter.settle(repository.upload_buckets, inspection.received, error))
        raise
    failpoint("after-put")
    await meter.settle(repository.upload_buckets, inspection.received)
    original = inspection.original(upload.key)
    if upload.has_row:
        try:
            seconds = policy.upload_expires_seconds
            await _extend_row(upload, original.size, repository, policy, state=UploadState.RECEIVED, key_seconds=seconds)
        except NotFound:  # garbage collection may have passed before the put ended
            await repository.pending_objects.mark([upload.key])
            raise
    return original


async def complete(work: Tables, upload: Upload, original: Original, policy: UploadPolicy, context: MessageContext) -> Image:
    """Make the image of a received upload: the image, its renditions, its tasks and its event, or nothing (G1).

    An upload with a row must be completed in a transaction. The row has the last word on its options. Raises NotFound if the
    upload was completed, was deleted or has expired; NotReady if it is received once more since `original`; QuotaExceeded;
    DeadlinePassed if the object's key is no longer listed.
    """
    if upload.has_row:
        taken = await work.uploads.take(upload.owner, upload.id)
        if taken is None:
            raise NotFound
        if taken.key != original.key:
            raise NotReady("The picture's bytes are sent once more, and not all of them are here.")
        upload = taken
    image = _image(upload, original, policy)
    tasks = [(CHANNEL[lane], task_message(image.id, lane, context)) for lane in sorted({r.lane for r in image.renditions})]
    since = upload.created_at if upload.has_row else None  # in lists the image stays where it was pending
    created_at, updated_at = await work.images.add(image, tasks, _uploaded(image), created_at=since, configured=policy.quotas)
    return replace(image, created_at=created_at, updated_at=updated_at)


@asynccontextmanager
async def listed_unless_committed(key: str, repository: Repository) -> AsyncIterator[None]:
    """Around the transaction of `complete`: if it comes too late, list the object's key again: gc may have passed it."""
    try:
        yield
    except DeadlinePassed:
        await repository.pending_objects.mark([key])
        raise


@asynccontextmanager
async def time_limit(seconds: float) -> AsyncIterator[None]:
    """Raises RequestTimeout if the block takes longer."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise RequestTimeout from error


async def _put(
    upload: Upload,
    source: UploadSource,
    inspection: Inspection,
    repository: Repository,
    store: ObjectStore,
    policy: UploadPolicy,
) -> None:
    """Put the bytes as they come."""

    async def content() -> AsyncIterator[bytes]:
        held, received = time.monotonic(), 0
        async for chunk in inspection.chunks():
            if time.monotonic() - held > policy.intent_seconds / 4:
                await _hold(upload, received, repository, policy)
                await source.extend()
                held = time.monotonic()
            received += len(chunk)
            yield chunk
        await source.finish()

    try:
        await store.put(upload.key, content(), content_type=inspection.media_type)
    except StoreUnavailable:
        raise  # the store may have the object: the key stays listed
    except asyncio.CancelledError:
        await asyncio.shield(_delete(upload, store))  # the key stays listed: the put that was cut off may still arrive
        raise
    except BaseException:
        await asyncio.shield(discard(upload, repository, store))
        raise


async def _list(upload: Upload, meter: UploadMeter, repository: Repository, policy: UploadPolicy) -> Upload:
    """List the key for the bytes to come; with a row, a new key. Raises NotFound if the row is gone, and RateLimited."""
    if upload.has_row:
        upload = replace(upload, key=original_key(new_id()))
    if meter.cost is None:
        await _begin(upload, repository, policy)
        return upload
    levels = await _begin_counted(upload, meter.cost, repository, policy)
    if levels is None:
        raise meter.refuse(meter.cost, await repository.upload_buckets.levels(meter.cost))
    meter.accept(levels)
    return upload


async def _begin(upload: Upload, repository: Repository, policy: UploadPolicy) -> None:
    if not upload.has_row:
        await repository.pending_objects.reserve(upload.key, seconds=policy.intent_seconds)
        return
    times = {"expires_seconds": policy.upload_expires_seconds, "key_seconds": policy.intent_seconds}
    if not await repository.uploads.begin(upload.id, upload.key, **times):
        raise NotFound


async def _begin_counted(upload: Upload, cost: UploadCost, repository: Repository, policy: UploadPolicy) -> UploadLevels | None:
    if not upload.has_row:
        return await repository.pending_objects.reserve_counted(upload.key, cost, seconds=policy.intent_seconds)
    times = {"expires_seconds": policy.upload_expires_seconds, "key_seconds": policy.intent_seconds}
    return await repository.uploads.begin_counted(upload.id, upload.key, cost, **times)


async def _hold(upload: Upload, received: int, repository: Repository, policy: UploadPolicy) -> None:
    """Extend the key's deadline, and the row's. Raises NotFound if the row is gone or names another key."""
    if upload.has_row:
        await _extend_row(upload, received, repository, policy, state=UploadState.PENDING, key_seconds=policy.intent_seconds)
    else:
        await repository.pending_objects.reserve(upload.key, seconds=policy.intent_seconds)


async def _extend_row(
    upload: Upload, received: int, repository: Repository, policy: UploadPolicy, *, state: UploadState, key_seconds: float
) -> None:
    seconds = policy.upload_expires_seconds
    extend = repository.uploads.extend
    if not await extend(upload.id, upload.key, state, received, expires_seconds=seconds, key_seconds=key_seconds):
        raise NotFound


async def _delete(upload: Upload, store: ObjectStore) -> None:
    with contextlib.suppress(StoreUnavailable):
        await store.delete(upload.key)


async def discard(upload: Upload, repository: Repository, store: ObjectStore) -> None:
    """Delete what a refused upload may have left, then take its key off the list. What can't be deleted now stays listed."""
    with contextlib.suppress(ServiceError):
        await store.delete(upload.key)
        await repository.pending_objects.unmark(upload.key)


def _image(upload: Upload, original: Original, policy: UploadPolicy) -> Image:
    return Image(
        id=upload.id,
        owner=upload.owner,
        status=Status.UPLOADED,
        original=replace(original, filename=upload.options.filename),
        metadata=upload.options.metadata,
        created_at=upload.created_at,
        updated_at=upload.updated_at,
        renditions=tuple(rendition_of(upload.id, request, original, policy) for request in upload.options.renditions),
        visibility=upload.options.visibility,
    )


def _uploaded(image: Image) -> Event:
    names = [rendition.name for rendition in image.renditions]
    facts = {"size": image.original.size, "content_type": image.original.media_type, "renditions": names}
    return new_event(EventType.IMAGE_UPLOADED, image.id, image.owner, **facts)
