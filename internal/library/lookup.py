"""Looking images up, and waiting for one that is still in work."""

import asyncio
import contextlib
from uuid import UUID

from internal.domain.errors import InvalidRequest, NotFound, NotReady, ProcessingFailed
from internal.domain.image import Image
from internal.domain.rendition import Rendition, Result
from internal.domain.status import Status
from internal.intake.rendition_request import DEFAULT_RENDITION
from internal.ports.repository.repository import Repository
from internal.ports.signals import Signals

IMAGE_SIGNAL = "image"


async def find_image(repository: Repository, owner: str, image_id: UUID) -> Image:
    """Raises NotFound, and the same for another owner's image (G8)."""
    image = await repository.images.find(owner, image_id)
    if image is None:
        raise NotFound
    return image


def choose_rendition(image: Image, name: str | None) -> Rendition:
    """The named rendition; without a name `default`, or the only one. Raises NotFound, or InvalidRequest that lists the names."""
    if name is not None:
        if (rendition := image.rendition(name)) is None:
            raise NotFound("The image has no rendition of this name.")
        return rendition
    if (rendition := image.rendition(DEFAULT_RENDITION)) is not None:
        return rendition
    if len(image.renditions) == 1:
        return image.renditions[0]
    names = ", ".join(rendition.name for rendition in image.renditions)
    raise InvalidRequest(f"The image has several renditions. Choose one with ?rendition=NAME: {names}.")


def result_of(rendition: Rendition) -> Result:
    """The finished result. Raises NotReady or ProcessingFailed."""
    if rendition.result is not None:
        return rendition.result
    if rendition.status == Status.FAILED and rendition.failure is not None:
        raise ProcessingFailed(f"The picture could not be processed: {rendition.failure.detail}")
    raise NotReady


async def wait_for_rendition(
    repository: Repository, signals: Signals, ending: asyncio.Event, owner: str, image_id: UUID, name: str | None, seconds: float
) -> tuple[Image, Rendition]:
    """The image and its chosen rendition: at once when it is final, else as it is after `seconds`, or when the process ends.

    The notification only says that something changed: the tables are asked again each time, so that none can be missed.
    """
    changed = asyncio.Event()
    with signals.subscribed(IMAGE_SIGNAL, lambda _: changed.set(), payload=str(image_id)), contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while not ending.is_set():
                changed.clear()
                image = await find_image(repository, owner, image_id)
                rendition = choose_rendition(image, name)
                if rendition.status in (Status.PROCESSED, Status.FAILED):
                    return image, rendition
                await _first_of(changed, ending)
    image = await find_image(repository, owner, image_id)
    return image, choose_rendition(image, name)


async def _first_of(*events: asyncio.Event) -> None:
    waiting = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()
