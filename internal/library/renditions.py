"""Asking for more of an image that is there: another rendition, the same one anew, or another try.

All inside a transaction of the caller's.
"""

from uuid import UUID

from msgspec import Struct

from internal.domain.errors import InvalidRequest, NotFound, NothingToRetry, RenditionExists
from internal.domain.image import Image
from internal.domain.message import MessageContext
from internal.domain.rendition import Rendition
from internal.domain.tasks import CHANNEL, task_message
from internal.intake.ports import Ports
from internal.intake.rendition_request import check_name, check_references, lane_of, parse_chain, rendition_of
from internal.library.staleness import meaning
from internal.pipeline.language.chain import Chain
from internal.ports.repository.repository import Tables


class Asked(Struct, frozen=True):
    """The image as it is now; `new` is false when it had the rendition already, and as it should be."""

    image: Image
    new: bool


async def add_rendition(
    work: Tables, ports: Ports, owner: str, image_id: UUID, name: str, processing: str, context: MessageContext
) -> Asked:
    """Ask for one more rendition. The same name and chain again changes nothing; another chain raises RenditionExists.

    But a stale rendition is made anew when the chain is what it was asked for, and is served as it is until then.
    """
    chain = parse_chain(check_name(name), processing, ports)
    image = await _locked(work, owner, image_id)
    known = image.rendition(name)
    if known is not None and known.pipeline == chain.canonical:
        return Asked(image, new=False)
    if known is not None and meaning(ports.grammar, known.processing) != chain.canonical:
        raise RenditionExists
    await check_references({name: (processing, chain)}, work, owner)
    if known is not None:
        await _regenerate(work, ports, image, known, chain, context)
    else:
        rendition = rendition_of(image_id, name, processing, chain, image.original, ports.rules)
        await _add(work, ports, image, rendition, context)
    return Asked(await _locked(work, owner, image_id), new=True)


async def _add(work: Tables, ports: Ports, image: Image, rendition: Rendition, context: MessageContext) -> None:
    if len(image.renditions) >= ports.rules.max_renditions:
        raise InvalidRequest(f"An image may have at most {ports.rules.max_renditions} renditions.")
    await work.renditions.add(rendition)
    await work.outbox.add(CHANNEL[rendition.lane], task_message(image.id, rendition.lane, context))
    await work.images.refresh_status(image.id)


async def _regenerate(
    work: Tables, ports: Ports, image: Image, rendition: Rendition, chain: Chain, context: MessageContext
) -> None:
    """INVARIANT: an attempt that is at work on the old chain changes nothing, because the fence rises with the new one
    (tests/integration/test_regenerate.py::test_an_attempt_at_the_old_chain_is_lost).
    """
    lane = lane_of(image.original, chain, ports.rules)
    await work.renditions.regenerate(rendition.id, pipeline=chain.canonical, lane=lane)
    await work.outbox.add(CHANNEL[lane], task_message(image.id, lane, context))
    await work.images.refresh_status(image.id)


async def retry_failed(work: Tables, owner: str, image_id: UUID, context: MessageContext) -> Image:
    """Queue the failed renditions again, with all their tries. Raises NothingToRetry."""
    await _locked(work, owner, image_id)
    lanes = await work.renditions.retry(image_id)
    if not lanes:
        raise NothingToRetry
    for lane in sorted(lanes):
        await work.outbox.add(CHANNEL[lane], task_message(image_id, lane, context))
    await work.images.refresh_status(image_id)
    return await _locked(work, owner, image_id)


async def _locked(work: Tables, owner: str, image_id: UUID) -> Image:
    """The image under its lock: nobody else adds, retries, finishes or deletes until the transaction ends."""
    await work.images.lock(image_id)
    image = await work.images.find(owner, image_id)
    if image is None:
        raise NotFound
    return image
