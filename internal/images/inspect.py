"""What a file says of itself: its kind and size from the first bytes, its length and checksum as it passes.

Pure Python, no decoder (G7).
"""

import hashlib
from collections.abc import AsyncIterator
from io import BytesIO

import filetype
import imagesize

from internal.errors import ImageTooLarge, InvalidImage, PayloadTooLarge, UnsupportedMediaType
from internal.images.model import Original
from internal.images.ports import Rules

MEDIA_TYPES = frozenset({"image/jpeg", "image/png", "image/webp", "image/gif", "image/tiff"})

HEIF_MEDIA_TYPES = frozenset({"image/avif", "image/heic"})
"""Taken where the configuration says so."""

_WITH_HEIF = "This is not a picture of a kind that we take. Send a JPEG, PNG, WebP, GIF, TIFF, AVIF or HEIC."

SIZE_COMES_FIRST = frozenset({"image/png", "image/webp", "image/gif"})
"""These have their size in the first bytes. A JPEG may have it later; a TIFF has it anywhere, and a truncated one nowhere."""

HEAD_BYTES = 64 * 1024
"""How much of a file is looked at: enough for the size of nearly every picture; a rare one is learned by the worker."""


def sniff_media_type(head: bytes, rules: Rules) -> str:
    """The media type by magic bytes, never by name or by the client's word. Raises InvalidImage (empty), UnsupportedMediaType."""
    if not head:
        raise InvalidImage("The file is empty.")
    kind = filetype.guess_mime(head)
    if kind not in rules.media_types:
        raise UnsupportedMediaType(_WITH_HEIF if rules.media_types & HEIF_MEDIA_TYPES else None)
    return str(kind)


def read_size(head: bytes, media_type: str, rules: Rules, *, whole: bool) -> tuple[int | None, int | None]:
    """Width and height in pixels as stored, None where `head` does not tell them; `whole`: there is nothing beyond it.

    Raises InvalidImage for a header that is broken, ImageTooLarge for one that promises too much.
    """
    try:
        width, height = imagesize.get(BytesIO(head))
    except Exception:  # a parser of strangers' bytes raises whatever it stumbles over
        width = height = -1
    if width <= 0 or height <= 0:
        if media_type in SIZE_COMES_FIRST or (whole and media_type == "image/jpeg"):
            raise InvalidImage("The picture's header is broken.")
        return None, None
    if width > rules.max_width or height > rules.max_height or width * height > rules.max_pixels:
        raise ImageTooLarge(f"The picture has {width} x {height} pixels. See GET /api/v1/limits.")
    return int(width), int(height)


def is_animated_webp(head: bytes) -> bool:
    """Whether a WebP's first chunk says so (VP8X, RFC 9649 section 2.7)."""
    return head[:4] == b"RIFF" and head[12:16] == b"VP8X" and len(head) > 20 and bool(head[20] & 2)


class Inspection:
    """The picture's bytes on their way into the store: sniffed, measured, counted and hashed as they pass."""

    def __init__(self, chunks: AsyncIterator[bytes], rules: Rules) -> None:
        self._chunks = chunks
        self._rules = rules
        self._head: list[bytes] = []
        self._hash = hashlib.sha256()
        self._size = 0
        self.media_type = ""
        self._pixels: tuple[int | None, int | None] = (None, None)
        self._animated = False

    async def read_head(self) -> None:
        """Read as much as tells the file's kind. Raises InvalidImage, UnsupportedMediaType, ImageTooLarge."""
        held = 0
        while held < HEAD_BYTES and (chunk := await anext(self._chunks, None)) is not None:
            self._count(chunk)
            self._head.append(chunk)
            held += len(chunk)
        head = b"".join(self._head)
        self.media_type = sniff_media_type(head, self._rules)
        self._pixels = read_size(head, self.media_type, self._rules, whole=held < HEAD_BYTES)
        self._animated = self.media_type == "image/gif" or is_animated_webp(head)

    def _count(self, chunk: bytes) -> None:
        self._size += len(chunk)
        if self._size > self._rules.max_upload_bytes:
            raise PayloadTooLarge(f"The picture has more than {self._rules.max_upload_bytes} bytes. See GET /api/v1/limits.")
        self._hash.update(chunk)

    async def chunks(self) -> AsyncIterator[bytes]:
        """The head again, then the rest."""
        while self._head:
            yield self._head.pop(0)
        async for chunk in self._chunks:
            self._count(chunk)
            yield chunk

    def original(self, key: str, filename: str | None) -> Original:
        """What is known of the file when all of it has passed."""
        width, height = self._pixels
        checksum = self._hash.hexdigest()
        return Original(key, self.media_type, self._size, checksum, width, height, filename, animated=self._animated)
