"""The originals of the chains: photographs of every format that is taken, with and without transparency, upright and not, moving.

Made in code and kept, as in bench/pictures.py.
"""

from collections.abc import Callable
from pathlib import Path

import pyvips
from msgspec import Struct

from bench.pictures import QUALITY, SMALL, TWELVE, TWO, Size, kept, photo, picture

FRAME = Size("animation", 480, 360, 3)
FRAMES = 24
FRAME_MS = 60
ON_ITS_SIDE = 6


class Source(Struct, frozen=True):
    """A file to begin with; `pixels` of all its frames together."""

    name: str
    path: Path
    media_type: str
    pixels: int


def jpeg(size: Size) -> Source:
    return Source(f"{size.name} JPEG", picture(size), "image/jpeg", size.width * size.height)


def jpeg_on_its_side() -> Source:
    """Stored lying, as a telephone does; its EXIF says how to turn it."""

    def make() -> bytes:
        pixels = photo(TWO).copy()
        pixels.set_type(pyvips.GValue.gint_type, "orientation", ON_ITS_SIDE)
        return bytes(pixels.jpegsave_buffer(Q=QUALITY, keep="exif"))

    return _of_two("2 MP JPEG on its side", "side.jpg", "image/jpeg", make)


def png_with_alpha() -> Source:
    """A photograph in a soft ellipse."""

    def make() -> bytes:
        x, y = (pyvips.Image.xyz(TWO.width, TWO.height).linear([2 / TWO.width, 2 / TWO.height], -1)).bandsplit()
        alpha = ((x * x + y * y) * -1020 + 1020).cast("uchar")
        return bytes(photo(TWO).bandjoin(alpha).pngsave_buffer(keep="none"))

    return _of_two("2 MP PNG with alpha", "alpha.png", "image/png", make)


def webp() -> Source:
    return _of_two("2 MP WebP", "two.webp", "image/webp", lambda: bytes(photo(TWO).webpsave_buffer(Q=85, keep="none")))


def tiff() -> Source:
    return _of_two(
        "2 MP TIFF",
        "two.tiff",
        "image/tiff",
        lambda: bytes(photo(TWO).tiffsave_buffer(compression="deflate", predictor="horizontal", keep="none")),
    )


def gif() -> Source:
    """A camera that moves over a photograph."""

    def make() -> bytes:
        whole = photo(Size("ground", 2 * FRAME.width, 2 * FRAME.height, FRAME.grain)).copy_memory()
        steps = [whole.crop(number * 18, number * 14, FRAME.width, FRAME.height) for number in range(FRAMES)]
        frames = pyvips.Image.arrayjoin(steps, across=1).copy()
        frames.set_type(pyvips.GValue.gint_type, "page-height", FRAME.height)
        frames.set_type(pyvips.GValue.array_int_type, "delay", [FRAME_MS] * FRAMES)
        return bytes(frames.gifsave_buffer(effort=3, keep="none"))

    name = f"{FRAME.width}x{FRAME.height}-{FRAMES}.gif"
    return Source(f"GIF of {FRAMES} frames", kept(name, make), "image/gif", FRAME.width * FRAME.height * FRAMES)


def every_source() -> list[Source]:
    return [jpeg(SMALL), jpeg(TWO), jpeg(TWELVE), jpeg_on_its_side(), png_with_alpha(), webp(), tiff(), gif()]


def _of_two(name: str, file: str, media_type: str, make: Callable[[], bytes]) -> Source:
    return Source(name, kept(file, make), media_type, TWO.width * TWO.height)
