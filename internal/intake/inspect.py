"""Inspection of an upload: its media type and its sides from the first bytes, its size and checksum while it streams.

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
"""Accepted if `HEIF_INPUT` is on."""

SIZE_COMES_FIRST = frozenset({"image/png", "image/webp", "image/gif"})
"""Formats whose sides are in the first bytes. In a JPEG they may come later; in a TIFF they may be anywhere, or cut off."""

HEAD_BYTES = 64 * 1024
"""Bytes that are inspected: enough for the sides of nearly every picture. The worker finds the others."""

_WIDTH, _HEIGHT, _ORIENTATION = 256, 257, 274
_MAX_FIELDS = 512


class Measured(Struct, frozen=True):
    """The sides as stored, in pixels, and the EXIF orientation (1 to 8) that turns the picture upright. None: not known."""

    width: int | None = None
    height: int | None = None
    orientation: int | None = None


def sniff_media_type(head: bytes, policy: UploadPolicy) -> str:
    """The media type by magic bytes, never by the file's name or the client's Content-Type.

    Raises InvalidImage for an empty file, and UnsupportedMediaType, which names the kind of file if it is known.
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
    """Sides and orientation, as far as `head` has them. `whole`: `head` is the whole file.

    Raises InvalidImage for a broken header, ImageTooLarge if a side or the number of pixels exceeds the policy.
    """
    stored = _measured(head, media_type)
    width, height = stored.width or 0, stored.height or 0
    if width <= 0 or height <= 0:
        if media_type == "image/gif" and len(head) >= 13:  # a screen of 0 x 0: the first frame has the sides, and comes later
            return stored
        if media_type in SIZE_COMES_FIRST or (whole and (media_type == "image/jpeg" or _is_bare_tiff(head, media_type))):
            raise InvalidImage("The picture's header is broken.")
        return Measured()
    if excess := _excess(width, height, policy):
        raise ImageTooLarge(f"The picture has {width} x {height} pixels; {excess}.")
    return stored


def _excess(width: int, height: int, policy: UploadPolicy) -> str | None:
    """The limit that a picture of this size exceeds, in words; None if there is none."""
    if side := oversized_side(width, height, policy.max_width, policy.max_height):
        return side
    return f"the maximum is {policy.max_pixels} pixels in all" if width * height > policy.max_pixels else None


def _measured(head: bytes, media_type: str) -> Measured:
    """imagesize 2.0.1 reads no AVIF or HEIC with `irot`, and no big-endian BigTIFF. Our own walkers read these."""
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
    except Exception:  # imagesize raises many kinds of errors on broken files
        return Measured()
    return Measured(found.width, found.height, found.rotation if 1 <= found.rotation <= 8 else None)


def _measured_tiff(head: bytes) -> Measured:
    """The sides in the first directory; unknown if that is a thumbnail or a mask, for then the picture is in another one."""
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
    """True for a TIFF that ends within its header, which has 8 bytes, or 16 in a BigTIFF."""
    return media_type == "image/tiff" and len(head) <= (16 if b"+" in head[2:4] else 8)


def is_animated(head: bytes) -> bool:
    """True if the file may be an animation: a GIF, a WebP with the animation flag (RFC 9649 section 2.7), or an APNG."""
    if head[:4] == b"RIFF" and head[12:16] == b"VP8X" and len(head) > 20:
        return bool(head[20] & 2)
    return head[:4] == b"GIF8" or _is_animated_png(head)


def _is_animated_png(head: bytes) -> bool:
    """True if the chunk acTL comes before the first IDAT (PNG 3)."""
    at = 8
    while head[:4] == b"\x89PNG" and at + 8 <= len(head):
        kind = head[at + 4 : at + 8]
        if kind in (b"acTL", b"IDAT"):
            return kind == b"acTL"
        at += 12 + int.from_bytes(head[at : at + 4], "big")
    return False


class Inspection:
    """Inspects the bytes of a picture while they stream into the store: sniffs, measures, counts and hashes them."""

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
        """Read the first HEAD_BYTES and inspect them. Raises InvalidImage, UnsupportedMediaType, ImageTooLarge."""
        held = 0
        while held < HEAD_BYTES and (chunk := await anext(self._chunks, None)) is not None:
            self._count(chunk)
            self._head.append(chunk)
            held += len(chunk)
        head = b"".join(self._head)
        self.media_type = sniff_media_type(head, self._policy)
        self._measured = measure(head, self.media_type, self._policy, whole=held < HEAD_BYTES)
        self._animated = is_animated(head)

    @property
    def received(self) -> int:
        """Bytes that have come so far."""
        return self._size

    def _count(self, chunk: bytes) -> None:
        self._size += len(chunk)
        if self._size > self._policy.max_upload_bytes:
            raise PayloadTooLarge(f"The picture has more than {self._policy.max_upload_bytes} bytes.")
        self._hash.update(chunk)

    async def chunks(self) -> AsyncIterator[bytes]:
        """The head, then the rest. Raises PayloadTooLarge."""
        while self._head:
            yield self._head.pop(0)
        async for chunk in self._chunks:
            self._count(chunk)
            yield chunk

    def original(self, key: str) -> Original:
        """The facts about the original, once all bytes have streamed. `filename` is None: it is not in the bytes."""
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
