"""Asking for more of an image that is there: a further rendition, a stale one again, or another try.

Everything happens inside the caller's transaction.
"""

from collections.abc import Set
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from internal.domain.errors import NothingToRetry, RenditionExists
from internal.domain.image import Image
from internal.domain.message import MessageContext
from internal.domain.owner import Usage
from internal.domain.rendition import Lane
from internal.domain.status import Status
from internal.domain.tasks import CHANNEL, task_message
from internal.domain.upload import RenditionRequest, Upload
from internal.intake.options import check_count
from internal.intake.policy import UploadPolicy
from internal.intake.rendition_request import check_references, lane_of, rendition_of
from internal.library.lookup import find_image, find_image_or_upload, lock_image_or_upload
from internal.library.staleness import meaning
from internal.ports.repository.repository import Tables


class AddedRendition(Struct, frozen=True):
    """The image as it is now, or the upload of a pending one. `new` is false if it had the rendition already, up to date."""

    image: Image | Upload
    new: bool


async def add_rendition(
    work: Tables, policy: UploadPolicy, owner: str, image_id: UUID, request: RenditionRequest, context: MessageContext
) -> AddedRendition:
    """Ask for one more rendition. The same name and chain again changes nothing; another chain raises RenditionExists.

    A stale rendition is regenerated if the chain is what it was asked for, and its old result is served until then. A pending
    image gets its renditions when its bytes have come. Raises QuotaExceeded.
    """
    found = await lock_image_or_upload(work, owner, image_id)
    known = found.rendition(request.name)
    if known is not None and known.pipeline == request.pipeline:
        return AddedRendition(found, new=False)
    if known is not None and meaning(policy.grammar, known.processing) != request.pipeline:
        raise RenditionExists
    await check_references([request], work, owner)
    if isinstance(found, Upload):
        await _add_to_upload(work, policy, found, request)
    elif known is None:
        await _add(work, policy, found, request, context)
    else:
        await _regenerate(work, policy, found, request, context)
    return AddedRendition(await find_image_or_upload(work, owner, image_id), new=True)


async def _add_to_upload(work: Tables, policy: UploadPolicy, upload: Upload, request: RenditionRequest) -> None:
    """Add the request to the upload's own, or put it in the place of a stale one."""
    others = [other for other in upload.options.renditions if other.name != request.name]
    check_count(len(others) + 1, policy)
    await work.uploads.set_options(upload.id, replace(upload.options, renditions=(*others, request)))


async def _add(work: Tables, policy: UploadPolicy, image: Image, request: RenditionRequest, context: MessageContext) -> None:
    check_count(len(image.renditions) + 1, policy)
    await work.usage.require(image.owner, policy.quotas, Usage(queued=1))
    rendition = rendition_of(image.id, request, image.original, policy)
    await work.renditions.add(rendition)
    await _queue(work, image.id, {rendition.lane}, context)


async def _regenerate(
    work: Tables, policy: UploadPolicy, image: Image, request: RenditionRequest, context: MessageContext
) -> None:
    """INVARIANT: an attempt that is at work on the old chain changes nothing, because the generation rises with the new one
    (tests/integration/test_regenerate.py::test_an_attempt_at_the_old_chain_is_lost).
    """
    stale = next(rendition for rendition in image.renditions if rendition.name == request.name)
    lane = lane_of(request, image.original, policy)
    if stale.is_final:
        await work.usage.require(image.owner, policy.quotas, Usage(queued=1))
    await work.renditions.regenerate(stale.id, pipeline=request.pipeline, lane=lane)
    await _queue(work, image.id, {lane}, context)


async def retry_failed(work: Tables, policy: UploadPolicy, owner: str, image_id: UUID, context: MessageContext) -> Image:
    """Queue the failed renditions again, with all their attempts. Raises QuotaExceeded, and NothingToRetry, also for a pending
    image.
    """
    found = await lock_image_or_upload(work, owner, image_id)
    failed = [r for r in found.renditions if r.status is Status.FAILED] if isinstance(found, Image) else []
    if not failed:
        raise NothingToRetry
    await work.usage.require(owner, policy.quotas, Usage(queued=len(failed)))
    lanes = await work.renditions.retry(image_id)
    await _queue(work, image_id, lanes, context)
    return await find_image(work, owner, image_id)


async def _queue(work: Tables, image_id: UUID, lanes: Set[Lane], context: MessageContext) -> None:
    """Send a task to each lane, and derive the image's status."""
    for lane in sorted(lanes):
        await work.renditions.tag(image_id, lane, context)
        await work.outbox.add(CHANNEL[lane], task_message(image_id, lane, context))
    await work.images.refresh_status(image_id)
