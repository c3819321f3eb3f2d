"""Deleting an image: gone at once, its objects a little later (G5)."""

from collections.abc import Callable
from uuid import UUID

from internal.domain.events import EventType, new_event
from internal.domain.image import Image
from internal.domain.upload import Upload
from internal.library.lookup import lock_image_or_upload
from internal.ports.repository.repository import Repository


async def delete_image(
    repository: Repository, owner: str, image_id: UUID, *, check: Callable[[Image | Upload], None] | None = None
) -> None:
    """Remove the image, or the upload of a pending one, and mark its objects for garbage collection, in one transaction.

    Raises NotFound, also the second time. `check` sees the image under its lock; what it raises leaves everything as it is.

    INVARIANT: delete wins: a result that comes later finds no row, and its key is listed from before it was written
    (tests/integration/test_process.py::test_a_result_that_comes_after_the_delete_is_dropped); an upload that is completed later
    makes no image (tests/integration/test_intake.py::test_a_deleted_upload_makes_no_image).
    """
    async with repository.transaction() as work:
        found = await lock_image_or_upload(work, owner, image_id)
        if check is not None:
            check(found)
        if isinstance(found, Upload):
            await work.uploads.remove(image_id)
        else:
            await work.pending_objects.mark(await work.images.remove(image_id))
        await work.events.add(new_event(EventType.IMAGE_DELETED, image_id, owner))
