"""Animated PNG: which frames a file has, and each of them as a PNG by itself (PNG 3, section 11.3.6). Pure Python.

An animation with a fault is none: what is left is the static picture, as PNG 3 (section 4.9) recommends. A fault is whatever the
chunks say that can't be so; whether the pixels of a frame are whole shows when it is decoded.
"""

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Literal

from msgspec import Struct

from internal.errors import InvalidImage
from internal.pipeline.containers.png_chunks import SIGNATURE, chunk_content, iter_chunks, png_chunk

_ACTL, _FCTL = struct.Struct(">II"), struct.Struct(">IIIIHHBB")
_LARGEST = 2**31 - 1
"""PNG's numbers end there."""
_IHDR = 13
"""Bytes of a header."""
_OVERHEAD = 12
"""Bytes of a chunk beside what it holds."""
_HUNDREDTHS = 100
"""What a delay is counted in whose divisor is 0."""
Disposal = Literal["none", "background", "previous"]
_DISPOSALS: tuple[Disposal, ...] = ("none", "background", "previous")


class Frame(Struct):
    """One frame: its place on the canvas in pixels, how long it is seen in milliseconds, and where its pixels lie in the file.

    `over`: laid over what is there, else put in its place. `disposal`: what the canvas becomes before the next frame.
    """

    left: int
    top: int
    width: int
    height: int
    delay: int
    disposal: Disposal
    over: bool
    pieces: list[tuple[int, int]]
    """Start and whole length in bytes of each IDAT or fdAT chunk."""


class Animation(Struct):
    """All frames of a file, in order; `plays` is how often they are shown, 0 for ever.

    `separate_still`: the static picture is not one of the frames.
    """

    header: bytes
    """What IHDR holds: of all frames but for the size."""
    shared: bytes
    """The chunks that each frame needs: palette and transparency."""
    frames: list[Frame]
    plays: int
    separate_still: bool


class _Fault(Exception):
    """The chunks of an animation contradict each other, or the standard."""


def read_animation(source: Path) -> Animation | None:
    """The animation of a PNG, None where it has none, one of a single frame, or one with a fault.

    The walk goes over the chunks once and holds a few numbers of each. Raises InvalidImage for a file that is cut short.
    """
    with source.open("rb") as file:
        try:
            walker = _Walker(file)
            for chunk in iter_chunks(file, source.stat().st_size):
                walker.take(*chunk)
            animation = walker.animation()
        except _Fault:
            return None
    return animation if animation is not None and len(animation.frames) > 1 else None


def frame_png(file: BinaryIO, animation: Animation, frame: Frame) -> bytes:
    """`frame` as a PNG of its own size. Raises InvalidImage where its bytes are damaged."""
    header = struct.pack(">II", frame.width, frame.height) + animation.header[8:]
    parts = [SIGNATURE, png_chunk(b"IHDR", header), animation.shared, *_pixels(file, frame), png_chunk(b"IEND", b"")]
    return b"".join(parts)


def _pixels(file: BinaryIO, frame: Frame) -> Iterator[bytes]:
    """IDAT chunks, made of fdAT by leaving out the sequence number before the data.

    Checksums are looked at here, for those of the new chunks would be right in any case.
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
    """Takes the chunks in their order, and knows what may come next."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._header = self._shared = b""
        self._frames: list[Frame] = []
        self._declared: tuple[int, int] | None = None
        self._sequence = 0
        self._static_apart: bool | None = None
        """None before the first IDAT."""

    def take(self, kind: bytes, start: int, length: int) -> None:
        """Raises _Fault."""
        if kind == b"IDAT":
            self._take_static(start, length)
        elif kind == b"fdAT":
            self._take_pixels(start, length)
        elif kind == b"fcTL":
            self._begin(_FCTL.unpack(self._numbered(start, length)))
        elif self._static_apart is None and kind in (b"IHDR", b"PLTE", b"tRNS", b"acTL"):
            self._take_shared(kind, self._content(start, length))

    def animation(self) -> Animation | None:
        """None where no acTL came before the pixels. Raises _Fault where something is missing at the end."""
        if self._declared is None or self._static_apart is None:
            return None
        declared, plays = self._declared
        if declared != len(self._frames) or not self._frames[-1].pieces:
            raise _Fault
        return Animation(self._header, self._shared, self._frames, plays, self._static_apart)

    def _take_shared(self, kind: bytes, content: bytes) -> None:
        if kind == b"acTL":
            if self._declared is not None or len(content) != _ACTL.size:
                raise _Fault
            self._declared = _ACTL.unpack(content)
            if max(self._declared) > _LARGEST:
                raise _Fault
        elif kind == b"IHDR":
            if len(content) != _IHDR:
                raise _Fault
            self._header = content
        else:
            self._shared += png_chunk(kind, content)

    def _begin(self, told: tuple[int, ...]) -> None:
        width, height, left, top, numerator, divisor, disposal, blend = told
        canvas = struct.unpack_from(">II", self._header) if self._header else (0, 0)
        whole = (left, top, width, height) == (0, 0, *canvas)
        if (self._static_apart is None and (self._frames or not whole)) or (self._frames and not self._frames[-1].pieces):
            raise _Fault
        if not (0 < width <= canvas[0] - left and 0 < height <= canvas[1] - top and disposal < len(_DISPOSALS) and blend < 2):
            raise _Fault
        known = _DISPOSALS[disposal]
        if known == "previous" and not self._frames:  # nothing was there before
            known = "background"
        delay = round(1000 * numerator / (divisor or _HUNDREDTHS))
        self._frames.append(Frame(left, top, width, height, delay, known, blend == 1, []))

    def _take_static(self, start: int, length: int) -> None:
        if self._static_apart is None:
            self._static_apart = not self._frames
        if len(self._frames) != (0 if self._static_apart else 1):
            raise _Fault
        if not self._static_apart:
            self._frames[0].pieces.append((start, length))

    def _take_pixels(self, start: int, length: int) -> None:
        if len(self._frames) < (1 if self._static_apart else 2):  # of no frame, or of the one that IDAT has or will have
            raise _Fault
        if length < 4 + _OVERHEAD:
            raise _Fault
        self._file.seek(start + 8)
        self._count(self._file.read(4))
        self._frames[-1].pieces.append((start, length))

    def _numbered(self, start: int, length: int) -> bytes:
        content = self._content(start, length)
        if len(content) != 4 + _FCTL.size:
            raise _Fault
        self._count(content[:4])
        return content[4:]

    def _count(self, number: bytes) -> None:
        """fcTL and fdAT are counted together."""
        if int.from_bytes(number, "big") != self._sequence:
            raise _Fault
        self._sequence += 1

    def _content(self, start: int, length: int) -> bytes:
        content = chunk_content(self._file, start, length)
        if content is None:
            raise _Fault
        return content
