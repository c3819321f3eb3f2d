"""An image: one uploaded original and its metadata."""

from datetime import datetime
from uuid import UUID

from msgspec import Struct

from internal.domain.rendition import Rendition
from internal.domain.status import Status
from internal.domain.visibility import Visibility


class Original(Struct, frozen=True):
    """The facts about an uploaded file. They come from its bytes; only `filename` is the client's, cleaned.

    `size` in bytes; `sha256` in hexadecimal; `width` and `height` in pixels as stored; `orientation` is the EXIF number (1 to 8)
    that turns them upright. These three are None if the first bytes do not have them. The fields from `frames` on are None until
    the first decode (internal.ports.sandbox.Facts). `animated`: the file may be an animation, by its first bytes, or by its media
    type once these are gone.
    """

    key: str
    media_type: str
    size: int
    sha256: str
    width: int | None
    height: int | None
    filename: str | None
    orientation: int | None = None
    frames: int | None = None
    has_alpha: bool | None = None
    dominant_colour: str | None = None
    thumbhash: str | None = None
    animated: bool = False


class Image(Struct, frozen=True):
    """One uploaded original, its metadata (the text of a JSON object), and its renditions in the order of the requests."""

    id: UUID
    owner: str
    status: Status
    original: Original
    metadata: str
    created_at: datetime
    updated_at: datetime
    renditions: tuple[Rendition, ...] = ()
    visibility: Visibility = Visibility.PRIVATE

    def rendition(self, name: str) -> Rendition | None:
        return next((rendition for rendition in self.renditions if rendition.name == name), None)


class ListFilter(Struct, frozen=True):
    """The filter of a list. `limit` in images; `after` is the position of the previous page's last image."""

    limit: int = 50
    after: tuple[datetime, UUID] | None = None
    status: Status | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
