"""Looking images up, and waiting for one that is not ready."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Protocol, TypeVar
from uuid import UUID

from internal.domain.errors import InvalidRequest, NotFound, NotReady, ProcessingFailed, Unauthenticated
from internal.domain.identity import Reader
from internal.domain.image import Image
from internal.domain.rendition import Rendition, Result
from internal.domain.status import Status
from internal.domain.upload import Upload
from internal.intake.rendition_request import DEFAULT_RENDITION
from internal.ports.repository.repository import Repository, Tables
from internal.ports.signals import Signals

IMAGE_SIGNAL = "image"


class Named(Protocol):
    @property
    def name(self) -> str: ...


N = TypeVar("N", bound=Named)


async def find_image_or_upload(tables: Tables, owner: str, image_id: UUID) -> Image | Upload:
    """The image; while it is pending, its upload. Raises NotFound, and the same for another owner's (G8)."""
    return await _found(partial(tables.images.find, owner, image_id), partial(tables.uploads.find, owner, image_id))


async def find_readable(tables: Tables, reader: Reader, image_id: UUID) -> Image | Upload:
    """The image whose results the reader may see, or its upload: the owner's own, a public one, or the one that a link leads to.

    Raises NotFound; for a reader without a credential Unauthenticated, whether there is such an image or not.
    """
    if reader.linked:
        return await _found_by_link(tables, image_id)
    image, upload = tables.images.find_readable, tables.uploads.find_readable
    try:
        return await _found(partial(image, reader.owner, image_id), partial(upload, reader.owner, image_id))
    except NotFound as error:
        raise (Unauthenticated if reader.owner is None else NotFound) from error


async def find_original(tables: Tables, reader: Reader, image_id: UUID) -> Image:
    """The image whose original the reader may see: the owner's own, or the one that a link leads to. Public is not enough.

    Raises NotFound, Unauthenticated for a reader without a credential, and NotReady while the image is pending.
    """
    if reader.linked:
        return _complete(await _found_by_link(tables, image_id))
    if reader.owner is None:
        raise Unauthenticated
    return await find_image(tables, reader.owner, image_id)


async def _found_by_link(tables: Tables, image_id: UUID) -> Image | Upload:
    return await _found(partial(tables.images.find_linked, image_id), partial(tables.uploads.find_linked, image_id))


async def _found(image: Callable[[], Awaitable[Image | None]], upload: Callable[[], Awaitable[Upload | None]]) -> Image | Upload:
    """The image, or its upload. Raises NotFound.

    The image is looked for once more at the end: its upload may have been completed between the first two looks.
    """
    found = await image() or await upload() or await image()
    if found is None:
        raise NotFound
    return found


async def find_image(tables: Tables, owner: str, image_id: UUID) -> Image:
    """The image. Raises NotFound; NotReady while it is pending."""
    return _complete(await find_image_or_upload(tables, owner, image_id))


def _complete(found: Image | Upload) -> Image:
    if isinstance(found, Upload):
        raise _pending()
    return found


async def lock_image_or_upload(work: Tables, owner: str, image_id: UUID) -> Image | Upload:
    """`find_image_or_upload`, under the row's lock: nobody else changes, completes or deletes it until the transaction ends."""
    return await _found(partial(_locked_image, work, owner, image_id), partial(work.uploads.lock, owner, image_id))


async def _locked_image(work: Tables, owner: str, image_id: UUID) -> Image | None:
    await work.images.hold(image_id)
    return await work.images.find(owner, image_id)


def choose_rendition(image: Image, name: str | None) -> Rendition:
    """The named rendition; without a name `default`, or the only one. Raises NotFound, or InvalidRequest that lists the names."""
    return _chosen(image.renditions, name)


def linked_rendition(image: Image | Upload, name: str | None) -> str:
    """The name of the rendition that a link without a name means. The link keeps it: a later `default` is not in it.

    Raises the errors of choose_rendition.
    """
    renditions = image.options.renditions if isinstance(image, Upload) else image.renditions
    return _chosen(renditions, name).name


def result_of(rendition: Rendition) -> Result:
    """The finished result. Raises NotReady or ProcessingFailed."""
    if rendition.result is not None:
        return rendition.result
    if rendition.status == Status.FAILED and rendition.failure is not None:
        raise ProcessingFailed(f"The picture could not be processed: {rendition.failure.detail}")
    raise NotReady


async def find_rendition(tables: Tables, reader: Reader, image_id: UUID, name: str | None) -> tuple[Image, Rendition]:
    """The image and its chosen rendition. Raises the errors of find_readable and choose_rendition, and NotReady while pending."""
    found = await find_readable(tables, reader, image_id)
    if isinstance(found, Upload):
        _chosen(found.options.renditions, name)
        raise _pending()
    return found, choose_rendition(found, name)


async def wait_for_rendition(
    repository: Repository,
    signals: Signals,
    shutting_down: asyncio.Event,
    reader: Reader,
    image_id: UUID,
    name: str | None,
    seconds: float,
) -> tuple[Image, Rendition]:
    """`find_rendition`, at once if the rendition is final, else as it is after `seconds`, or when the process ends.

    The notification only says that something has changed. The tables are read again each time, so that none can be missed.
    """
    changed = asyncio.Event()
    with signals.subscribed(IMAGE_SIGNAL, lambda _: changed.set(), payload=str(image_id)), contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while not shutting_down.is_set():
                changed.clear()
                with contextlib.suppress(NotReady):
                    image, rendition = await find_rendition(repository, reader, image_id, name)
                    if rendition.is_final:
                        return image, rendition
                await _first_of(changed, shutting_down)
    return await find_rendition(repository, reader, image_id, name)


def _chosen(renditions: Sequence[N], name: str | None) -> N:
    by_name = {rendition.name: rendition for rendition in renditions}
    if name is not None:
        if name not in by_name:
            raise NotFound("The image has no rendition of this name.")
        return by_name[name]
    if DEFAULT_RENDITION in by_name:
        return by_name[DEFAULT_RENDITION]
    if len(renditions) == 1:
        return renditions[0]
    raise InvalidRequest(f"The image has several renditions. Choose one with ?rendition=NAME: {', '.join(by_name)}.")


def _pending() -> NotReady:
    return NotReady("The picture's bytes are not here yet. Ask again after the time in Retry-After, or send `Prefer: wait=30`.")


async def _first_of(*events: asyncio.Event) -> None:
    waiting = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()
