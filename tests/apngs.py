"""Animated PNG files, made chunk by chunk, so that each can be right or wrong in one point."""

import struct
from collections.abc import Sequence
from typing import Any

import pyvips
from msgspec import Struct

from tests import pictures
from tests.pictures import png_chunk

NONE, BACKGROUND, PREVIOUS = range(3)
SOURCE, OVER = range(2)
WIDE, HIGH = 32, 24
"""Pixels: the canvas of the simplest."""


class Drawn(Struct, frozen=True):
    """One frame: its pixels, its place, its delay as a fraction of a second, and how it comes and goes."""

    pixels: pyvips.Image
    left: int = 0
    top: int = 0
    delay: tuple[int, int] = (1, 10)
    dispose: int = NONE
    blend: int = SOURCE


def apng(
    frames: Sequence[Drawn],
    *,
    static: pyvips.Image | None = None,
    plays: int = 0,
    extra: bytes = b"",
    declared: int | None = None,
    **options: Any,
) -> bytes:
    """The first frame is the static picture, unless there is a `static` one apart.

    `extra`: chunks behind the header. `declared`: the number of frames that acTL says. `options` are pngsave's.
    """
    pictures = [_encoded(frame.pixels, **options) for frame in frames]
    first = _encoded(static, **options) if static else pictures[0]
    parts = [chunks_of(first)[0], extra, actl(len(frames) if declared is None else declared, plays)]
    parts += [chunk for chunk in chunks_of(first)[1:] if chunk[4:8] in (b"PLTE", b"tRNS")]
    number = 0
    if static:
        parts += [png_chunk(b"IDAT", data_of(first))]
    for frame, picture in zip(frames, pictures, strict=True):
        parts.append(fctl(number, frame))
        number += 1
        if frame is frames[0] and not static:
            parts.append(png_chunk(b"IDAT", data_of(picture)))
        else:
            parts.append(fdat(number, data_of(picture)))
            number += 1
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts) + png_chunk(b"IEND", b"")


def colour(rgb: tuple[int, ...], width: int = WIDE, height: int = HIGH) -> pyvips.Image:
    plain = pyvips.Image.black(width, height, bands=len(rgb)).linear(0, list(rgb)).cast("uchar")
    return plain.copy(interpretation="srgb" if len(rgb) > 2 else "b-w")


def moving_png(frames: int = 4, **options: Any) -> bytes:
    """Frame n is plain in QUARTERS[n % 4], 32x24, and is seen 50, 100, 150, … ms."""
    colours = (pictures.QUARTERS[number % 4] for number in range(frames))
    plain = (pyvips.Image.black(32, 24, bands=3).linear(0, list(colour)).cast("uchar") for colour in colours)
    drawn = [Drawn(pixels.copy(interpretation="srgb"), delay=(number, 20)) for number, pixels in enumerate(plain, start=1)]
    return apng(drawn, **options)


def actl(frames: int, plays: int = 0) -> bytes:
    return png_chunk(b"acTL", struct.pack(">II", frames, plays))


def fctl(number: int, frame: Drawn) -> bytes:
    place = (frame.pixels.width, frame.pixels.height, frame.left, frame.top)
    return png_chunk(b"fcTL", struct.pack(">IIIIIHHBB", number, *place, *frame.delay, frame.dispose, frame.blend))


def fdat(number: int, data: bytes) -> bytes:
    return png_chunk(b"fdAT", struct.pack(">I", number) + data)


def chunks_of(data: bytes) -> list[bytes]:
    """The chunks of a PNG, whole."""
    at, chunks = 8, []
    while at < len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        chunks.append(data[at:end])
        at = end
    return chunks


def joined(chunks: Sequence[bytes]) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def data_of(data: bytes) -> bytes:
    """What the IDAT chunks of a PNG hold."""
    return b"".join(chunk[8:-4] for chunk in chunks_of(data) if chunk[4:8] == b"IDAT")


def _encoded(pixels: pyvips.Image, **options: Any) -> bytes:
    return bytes(pixels.pngsave_buffer(keep="none", **options))
