"""What a file says of itself: its kind and size from the first bytes, its length and checksum as it passes.

Pure Python, no decoder (G7).
"""

import hashlib
from collections.abc import AsyncIterator
from io import BytesIO

import imagesize
from msgspec import Struct

from internal.domain.errors import ImageTooLarge, InvalidImage, PayloadTooLarge, UnsupportedMediaType
from internal.domain.image import Original
from internal.intake.policy import UploadPolicy
from internal.intake.signatures import kind_of
from internal.pipeline.containers.dimensions import oversized_side
from internal.pipeline.containers.gif_screen import gif_size
from internal.pipeline.containers.isobmff import Boxes
from internal.pipeline.containers.tiff_fields import OutOfReach, TiffFile
from internal.pipeline.containers.tiff_pages import is_full

MEDIA_TYPES = frozenset({"image/jpeg", "image/png", "image/webp", "image/gif", "image/tiff"})

HEIF_MEDIA_TYPES = frozenset({"image/avif", "image/heic"})
"""Taken where the configuration says so."""

SIZE_COMES_FIRST = frozenset({"image/png", "image/webp", "image/gif"})
"""These have their size in the first bytes. A JPEG may have it later; a TIFF has it anywhere, and a truncated one nowhere."""

HEAD_BYTES = 64 * 1024
"""How much of a file is looked at: enough for the size of nearly every picture; a rare one is learned by the worker."""

_WIDTH, _HEIGHT, _ORIENTATION = 256, 257, 274
_MAX_FIELDS = 512


class Measured(Struct, frozen=True):
    """The picture as it is stored, in pixels, and the EXIF orientation (1 to 8) that turns it upright; None where not known."""

    width: int | None = None
    height: int | None = None
    orientation: int | None = None


def sniff_media_type(head: bytes, policy: UploadPolicy) -> str:
    """The media type by magic bytes, never by name or by the client's word.

    Raises InvalidImage (empty), and UnsupportedMediaType, which names the file where it is of a known kind.
    """
    if not head:
        raise InvalidImage("The file is empty.")
    kind = kind_of(head)
    taken = "JPEG, PNG, WebP, GIF, TIFF or AVIF" if policy.media_types & HEIF_MEDIA_TYPES else "JPEG, PNG, WebP, GIF or TIFF"
    if kind is None:
        raise UnsupportedMediaType(f"This is not a picture of a kind that we take. Send a {taken}.")
    if kind.media_type not in policy.media_types:
        raise UnsupportedMediaType(f"This is {kind.name}. {kind.advice} a {taken}.")
    return str(kind.media_type)


def measure(head: bytes, media_type: str, policy: UploadPolicy, *, whole: bool) -> Measured:
    """Size and orientation, as far as `head` tells them; `whole`: there is nothing beyond it.

    Raises InvalidImage for a header that is broken, ImageTooLarge for one that promises too much.
    """
    stored = _measured(head, media_type)
    width, height = stored.width or 0, stored.height or 0
    if width <= 0 or height <= 0:
        if media_type == "image/gif" and len(head) >= 13:  # of 0 x 0, and its first frame, which tells, lies further on
            return stored
        if media_type in SIZE_COMES_FIRST or (whole and (media_type == "image/jpeg" or _is_bare_tiff(head, media_type))):
            raise InvalidImage("The picture's header is broken.")
        return Measured()
    if excess := _excess(width, height, policy):
        raise ImageTooLarge(f"The picture has {width} x {height} pixels; {excess}.")
    return stored


def _excess(width: int, height: int, policy: UploadPolicy) -> str | None:
    """The limit that a picture of this size is beyond, in words."""
    if side := oversized_side(width, height, policy.max_width, policy.max_height):
        return side
    return f"the maximum is {policy.max_pixels} pixels in all" if width * height > policy.max_pixels else None


def _measured(head: bytes, media_type: str) -> Measured:
    """imagesize 2.0.1 reads no AVIF or HEIC that is turned (`irot`), and no big-endian BigTIFF: these are read by us."""
    if media_type == "image/tiff":
        return _measured_tiff(head)
    if media_type in HEIF_MEDIA_TYPES:
        picture = Boxes(BytesIO(head)).dimensions()
        return Measured(picture.width, picture.height, picture.orientation) if picture else Measured()
    if media_type == "image/gif":
        width, height = gif_size(BytesIO(head)) or (None, None)
        return Measured(width, height, 1)
    try:
        found = imagesize.get_info(BytesIO(head), dpi=False, colors=False, channels=False, exif_rotation=False)
    except Exception:  # a parser of strangers' bytes raises whatever it stumbles over
        return Measured()
    return Measured(found.width, found.height, found.rotation if 1 <= found.rotation <= 8 else None)


def _measured_tiff(head: bytes) -> Measured:
    """Of the first directory; nothing where that is a small version or a mask of the picture, which lies elsewhere."""
    try:
        tiff = TiffFile(BytesIO(head))
        directory = tiff.directory(tiff.first, max_fields=_MAX_FIELDS)
        if not is_full(tiff, directory):
            return Measured()
        width, height, orientation = (tiff.number(directory, tag) for tag in (_WIDTH, _HEIGHT, _ORIENTATION))
    except (OutOfReach, ValueError):
        return Measured()
    return Measured(width, height, orientation if orientation and orientation <= 8 else 1)


def _is_bare_tiff(head: bytes, media_type: str) -> bool:
    """Whether there is nothing but the header of a TIFF, or a part of it: 8 bytes, of BigTIFF 16."""
    return media_type == "image/tiff" and len(head) <= (16 if b"+" in head[2:4] else 8)


def is_animated(head: bytes) -> bool:
    """Whether the file may be an animation: a GIF, a WebP whose first chunk says so (RFC 9649 section 2.7), or an APNG."""
    if head[:4] == b"RIFF" and head[12:16] == b"VP8X" and len(head) > 20:
        return bool(head[20] & 2)
    return head[:4] == b"GIF8" or _is_animated_png(head)


def _is_animated_png(head: bytes) -> bool:
    """Whether the chunk acTL comes before the first IDAT (PNG 3)."""
    at = 8
    while head[:4] == b"\x89PNG" and at + 8 <= len(head):
        kind = head[at + 4 : at + 8]
        if kind in (b"acTL", b"IDAT"):
            return kind == b"acTL"
        at += 12 + int.from_bytes(head[at : at + 4], "big")
    return False


class Inspection:
    """The picture's bytes on their way into the store: sniffed, measured, counted and hashed as they pass."""

    def __init__(self, chunks: AsyncIterator[bytes], policy: UploadPolicy) -> None:
        self._chunks = chunks
        self._policy = policy
        self._head: list[bytes] = []
        self._hash = hashlib.sha256()
        self._size = 0
        self.media_type = ""
        self._measured = Measured()
        self._animated = False

    async def read_head(self) -> None:
        """Read as much as tells the file's kind. Raises InvalidImage, UnsupportedMediaType, ImageTooLarge."""
        held = 0
        while held < HEAD_BYTES and (chunk := await anext(self._chunks, None)) is not None:
            self._count(chunk)
            self._head.append(chunk)
            held += len(chunk)
        head = b"".join(self._head)
        self.media_type = sniff_media_type(head, self._policy)
        self._measured = measure(head, self.media_type, self._policy, whole=held < HEAD_BYTES)
        self._animated = is_animated(head)

    def _count(self, chunk: bytes) -> None:
        self._size += len(chunk)
        if self._size > self._policy.max_upload_bytes:
            raise PayloadTooLarge(f"The picture has more than {self._policy.max_upload_bytes} bytes.")
        self._hash.update(chunk)

    async def chunks(self) -> AsyncIterator[bytes]:
        """The head again, then the rest."""
        while self._head:
            yield self._head.pop(0)
        async for chunk in self._chunks:
            self._count(chunk)
            yield chunk

    def original(self, key: str) -> Original:
        """What is known of the file when all of it has passed. Its name is not in its bytes."""
        return Original(
            key=key,
            media_type=self.media_type,
            size=self._size,
            sha256=self._hash.hexdigest(),
            width=self._measured.width,
            height=self._measured.height,
            orientation=self._measured.orientation,
            filename=None,
            animated=self._animated,
        )
