"""An image: one uploaded original and its metadata."""

from datetime import datetime
from uuid import UUID

from msgspec import Struct

from internal.domain.rendition import Rendition
from internal.domain.status import Status

ANONYMOUS = "anonymous"
"""The owner of every image until there are identities."""


class Original(Struct, frozen=True):
    """What the upload knew about its own bytes, taken from the bytes and never from the client's word.

    `size` in bytes; `sha256` in hexadecimal; `width` and `height` in pixels as stored, and `orientation` the EXIF number (1 to 8)
    that turns them upright; all None where the first bytes do not tell them. `filename` is the client's, cleaned, and used for
    downloads only. From `frames` on it is what the first decode tells, None until then: see sandbox.port.Facts. `animated`: it
    may be an animation, by its first bytes, or where they are gone by its media type.
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
    """One uploaded original, its metadata (the text of a JSON object) and its renditions as they were asked for, in order."""

    id: UUID
    owner: str
    status: Status
    original: Original
    metadata: str
    created_at: datetime
    updated_at: datetime
    renditions: tuple[Rendition, ...] = ()

    def rendition(self, name: str) -> Rendition | None:
        return next((rendition for rendition in self.renditions if rendition.name == name), None)


class ListFilter(Struct, frozen=True):
    """What a list is narrowed to. `limit` in images; `after` is the place of the last image of the page before."""

    limit: int = 50
    after: tuple[datetime, UUID] | None = None
    status: Status | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
