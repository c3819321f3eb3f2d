"""Changing what an image is filed with: its visibility and its metadata."""

from collections.abc import Callable
from uuid import UUID

from msgspec.structs import replace

from internal.domain.events import EventType, new_event
from internal.domain.image import Image
from internal.domain.upload import Upload
from internal.domain.visibility import Visibility
from internal.library.lookup import find_image_or_upload, lock_image_or_upload
from internal.ports.repository.repository import Repository


async def change_image(
    repository: Repository,
    owner: str,
    image_id: UUID,
    *,
    visibility: Visibility | None,
    metadata: str | None,
    check: Callable[[Image | Upload], None] | None = None,
) -> Image | Upload:
    """Set what is given, with its event, in one transaction; the image as it is then, or the upload of a pending one.

    What is so already changes nothing, and is no event. Raises NotFound. `check` sees the image under its lock; what it raises
    leaves everything as it is. The event names what has changed and not the metadata: who listens sees every owner's events.
    """
    async with repository.transaction() as work:
        found = await lock_image_or_upload(work, owner, image_id)
        if check is not None:
            check(found)
        before = found.options if isinstance(found, Upload) else found
        visibility = before.visibility if visibility is None else visibility
        metadata = before.metadata if metadata is None else metadata
        after = {"visibility": visibility, "metadata": metadata}
        changed = [name for name, value in after.items() if value != getattr(before, name)]
        if not changed:
            return found
        if isinstance(found, Upload):
            await work.uploads.set_options(image_id, replace(found.options, visibility=visibility, metadata=metadata))
        else:
            await work.images.update(image_id, visibility=visibility, metadata=metadata)
        await work.events.add(new_event(EventType.IMAGE_UPDATED, image_id, owner, changed=changed, visibility=visibility))
        return await find_image_or_upload(work, owner, image_id)
