"""The pictures that are measured with: made in code, once, and kept in the system's folder for temporary files.

They are as heavy as photographs are: soft light, edges, texture and a sensor's grain, so that a JPEG has as many coefficients to
decode as one from a camera. A flat picture would decode in half the time and flatter whatever is not the decoder.
"""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pyvips
from msgspec import Struct

try:
    from internal.runtime.private_folder import private_folder
except ImportError:  # `make bench COMPARE=revision` runs this file on revisions up to a0cf3c6
    from internal.private_folder import private_folder  # type: ignore[import-not-found, no-redef]

VERSION = 1
"""To be raised when the pictures change: results of different ones can't be compared."""

QUALITY = 91
BIG_FILE_BYTES = (25 * 10**6, 100 * 10**6)


class Size(Struct, frozen=True):
    """A picture's sides in pixels and the strength of its grain, which gives the file its weight."""

    name: str
    width: int
    height: int
    grain: float


TWELVE = Size("12 MP", 4000, 3000, 7)
TWO = Size("2 MP", 1632, 1224, 6.5)
SMALL = Size("100 kB", 640, 480, 6)


def picture(size: Size) -> Path:
    """The JPEG of this size."""
    return kept(f"{size.width}x{size.height}.jpg", lambda: bytes(photo(size).jpegsave_buffer(Q=QUALITY, keep="none")))


def big_file(length: int) -> Path:
    """A JPEG of `length` bytes: a small picture, and after its end bytes that no decoder looks at."""

    def make() -> bytes:
        small = picture(SMALL).read_bytes()
        return small + os.urandom(length - len(small))

    return kept(f"{length}.jpg", make)


def kept(name: str, make: Callable[[], bytes]) -> Path:
    """The file of this name; its bytes are made when it is not there yet."""
    folder = private_folder(Path(tempfile.gettempdir()) / f"image-processor-bench-{os.getuid()}")
    path = folder / f"v{VERSION}-{name}"
    if not path.exists():
        unfinished = path.with_suffix(f".{os.getpid()}")
        unfinished.write_bytes(make())
        unfinished.rename(path)
    return path


def photo(size: Size) -> pyvips.Image:
    """The pixels of a picture of this size, not computed yet."""
    light = _clouds(size, cell=512, strength=70, seed=1)
    texture = _clouds(size, cell=96, strength=30, seed=2) + _clouds(size, cell=16, strength=14, seed=3)
    edges = (_clouds(size, cell=256, strength=1, seed=4) > 0).ifthenelse(25, -25)
    luma = light + texture + edges + _grain(size, size.grain, seed=5) + 128
    bands = [
        luma + _clouds(size, cell=384, strength=25, seed=10 + band) + _grain(size, size.grain / 2, seed=20 + band)
        for band in range(3)
    ]
    return bands[0].bandjoin(bands[1:]).cast("uchar").copy(interpretation="srgb")


def _clouds(size: Size, *, cell: int, strength: float, seed: int) -> pyvips.Image:
    """Perlin noise with cells of so many pixels; the large ones are made small and enlarged, which looks the same."""
    shrink = max(1, cell // 16)
    field = pyvips.Image.perlin(size.width // shrink + 1, size.height // shrink + 1, cell_size=max(8, cell // shrink), seed=seed)
    field = field.resize(shrink, kernel="linear") if shrink > 1 else field
    return field.crop(0, 0, size.width, size.height).linear(strength, 0)


def _grain(size: Size, sigma: float, *, seed: int) -> pyvips.Image:
    return pyvips.Image.gaussnoise(size.width, size.height, mean=0, sigma=sigma, seed=seed)
