"""APNG walker: reads the frames of an animated PNG and extracts each as a PNG (PNG 3, section 11.3.6). Pure Python.

An invalid animation is ignored and the static picture remains, as PNG 3 (section 4.9) recommends. Invalid means that the chunks
contradict each other or the standard; damaged pixels of a frame show when it is decoded.
"""

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Literal

from msgspec import Struct

from internal.domain.errors import InvalidImage
from internal.pipeline.containers.png_chunks import SIGNATURE, chunk_content, iter_chunks, png_chunk

_ACTL, _FCTL = struct.Struct(">II"), struct.Struct(">IIIIHHBB")
_MAX_INT = 2**31 - 1
"""The largest integer in a PNG."""
_IHDR = 13
"""Bytes in IHDR."""
_OVERHEAD = 12
"""Bytes of a chunk besides its content: length, type, checksum."""
_DEFAULT_DIVISOR = 100
"""The divisor of a delay if the file says 0."""
Disposal = Literal["none", "background", "previous"]
_DISPOSALS: tuple[Disposal, ...] = ("none", "background", "previous")


class ApngFrame(Struct):
    """One frame: its rectangle on the canvas in pixels, its delay in milliseconds, and the position of its data in the file.

    `over`: composited over the canvas, else it replaces the rectangle. `disposal`: the change of the canvas before the next
    frame.
    """

    left: int
    top: int
    width: int
    height: int
    delay: int
    disposal: Disposal
    over: bool
    pieces: list[tuple[int, int]]
    """Start and total length in bytes of each IDAT or fdAT chunk."""


class Animation(Struct):
    """All frames of a file, in order. `plays` is the number of plays, 0 for endless.

    `separate_still`: the static picture is not one of the frames.
    """

    header: bytes
    """Content of IHDR. It applies to all frames, except for the size."""
    shared: bytes
    """The chunks that every frame needs: palette and transparency."""
    frames: list[ApngFrame]
    plays: int
    separate_still: bool


class _InvalidAnimation(Exception):
    """The chunks of an animation contradict each other or the standard."""


def read_animation(source: Path) -> Animation | None:
    """The animation of a PNG; None if it has none, only one frame, or an invalid one.

    Reads the chunks once and keeps a few numbers of each. Raises InvalidImage for a truncated file.
    """
    with source.open("rb") as file:
        try:
            walker = _Walker(file)
            for chunk in iter_chunks(file, source.stat().st_size):
                walker.take(*chunk)
            animation = walker.animation()
        except _InvalidAnimation:
            return None
    return animation if animation is not None and len(animation.frames) > 1 else None


def frame_png(file: BinaryIO, animation: Animation, frame: ApngFrame) -> bytes:
    """`frame` as a PNG of its own size. Raises InvalidImage if its data are damaged."""
    header = struct.pack(">II", frame.width, frame.height) + animation.header[8:]
    parts = [SIGNATURE, png_chunk(b"IHDR", header), animation.shared, *_pixels(file, frame), png_chunk(b"IEND", b"")]
    return b"".join(parts)


def _pixels(file: BinaryIO, frame: ApngFrame) -> Iterator[bytes]:
    """The frame's data as IDAT chunks. The sequence number of fdAT is removed.

    Checksums are verified here, because the new chunks get new ones.
    """
    for start, length in frame.pieces:
        file.seek(start + 4)
        kind = file.read(4)
        number = file.read(4) if kind == b"fdAT" else b""
        data, checksum = file.read(length - _OVERHEAD - len(number)), file.read(4)
        if zlib.crc32(data, zlib.crc32(kind + number)) != int.from_bytes(checksum, "big"):
            raise InvalidImage("A frame of the animated PNG is damaged.")
        yield png_chunk(b"IDAT", data)


class _Walker:
    """State machine over the chunks of a PNG, in file order."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._header = self._shared = b""
        self._frames: list[ApngFrame] = []
        self._declared: tuple[int, int] | None = None
        self._sequence = 0
        self._static_apart: bool | None = None
        """None before the first IDAT."""

    def take(self, kind: bytes, start: int, length: int) -> None:
        """Raises _InvalidAnimation."""
        if kind == b"IDAT":
            self._take_static(start, length)
        elif kind == b"fdAT":
            self._take_pixels(start, length)
        elif kind == b"fcTL":
            self._begin_frame(_FCTL.unpack(self._numbered(start, length)))
        elif self._static_apart is None and kind in (b"IHDR", b"PLTE", b"tRNS", b"acTL"):
            self._take_shared(kind, self._content(start, length))

    def animation(self) -> Animation | None:
        """The animation; None without acTL before the pixels. Raises _InvalidAnimation if something is missing at the end."""
        if self._declared is None or self._static_apart is None:
            return None
        declared, plays = self._declared
        if declared != len(self._frames) or not self._frames[-1].pieces:
            raise _InvalidAnimation
        return Animation(self._header, self._shared, self._frames, plays, self._static_apart)

    def _take_shared(self, kind: bytes, content: bytes) -> None:
        if kind == b"acTL":
            if self._declared is not None or len(content) != _ACTL.size:
                raise _InvalidAnimation
            self._declared = _ACTL.unpack(content)
            if max(self._declared) > _MAX_INT:
                raise _InvalidAnimation
        elif kind == b"IHDR":
            if len(content) != _IHDR:
                raise _InvalidAnimation
            self._header = content
        else:
            self._shared += png_chunk(kind, content)

    def _begin_frame(self, control: tuple[int, ...]) -> None:
        width, height, left, top, numerator, divisor, disposal, blend = control
        canvas = struct.unpack_from(">II", self._header) if self._header else (0, 0)
        whole = (left, top, width, height) == (0, 0, *canvas)
        if (self._static_apart is None and (self._frames or not whole)) or (self._frames and not self._frames[-1].pieces):
            raise _InvalidAnimation
        if not (0 < width <= canvas[0] - left and 0 < height <= canvas[1] - top and disposal < len(_DISPOSALS) and blend < 2):
            raise _InvalidAnimation
        known = _DISPOSALS[disposal]
        if known == "previous" and not self._frames:  # there is no previous canvas
            known = "background"
        delay = round(1000 * numerator / (divisor or _DEFAULT_DIVISOR))
        self._frames.append(ApngFrame(left, top, width, height, delay, known, blend == 1, []))

    def _take_static(self, start: int, length: int) -> None:
        if self._static_apart is None:
            self._static_apart = not self._frames
        if len(self._frames) != (0 if self._static_apart else 1):
            raise _InvalidAnimation
        if not self._static_apart:
            self._frames[0].pieces.append((start, length))

    def _take_pixels(self, start: int, length: int) -> None:
        if len(self._frames) < (1 if self._static_apart else 2):  # it has no frame, or one whose data are in IDAT
            raise _InvalidAnimation
        if length < 4 + _OVERHEAD:
            raise _InvalidAnimation
        self._file.seek(start + 8)
        self._count(self._file.read(4))
        self._frames[-1].pieces.append((start, length))

    def _numbered(self, start: int, length: int) -> bytes:
        content = self._content(start, length)
        if len(content) != 4 + _FCTL.size:
            raise _InvalidAnimation
        self._count(content[:4])
        return content[4:]

    def _count(self, number: bytes) -> None:
        """Check the sequence number. fcTL and fdAT share one sequence."""
        if int.from_bytes(number, "big") != self._sequence:
            raise _InvalidAnimation
        self._sequence += 1

    def _content(self, start: int, length: int) -> bytes:
        content = chunk_content(self._file, start, length)
        if content is None:
            raise _InvalidAnimation
        return content
