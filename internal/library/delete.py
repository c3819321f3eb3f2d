"""Deleting an image: gone at once, its objects a little later (G5)."""

from collections.abc import Callable
from uuid import UUID

from internal.domain.errors import NotFound
from internal.domain.events import EventType, new_event
from internal.domain.image import Image
from internal.ports.repository.repository import Repository


async def delete_image(
    repository: Repository, owner: str, image_id: UUID, *, check: Callable[[Image], None] | None = None
) -> None:
    """Remove the image and list every object of it for the sweep, in one transaction. Raises NotFound, also the second time.

    `check` sees the image as it is under its lock, so that nothing changes in between; what it raises leaves everything as it is.

    INVARIANT: delete wins: a result that comes later finds no row, and its key is still listed from before it was written
    (tests/integration/test_process.py::test_a_result_that_comes_after_the_delete_is_dropped).
    """
    async with repository.transaction() as work:
        image = await work.images.lock(image_id)
        if image is None or image.owner != owner:
            raise NotFound
        if check is not None and (found := await work.images.find(owner, image_id)) is not None:
            check(found)
        await work.pending_objects.mark(await work.images.remove(image_id))
        await work.events.add(new_event(EventType.IMAGE_DELETED, image_id, owner))
