"""Visual similarity of two pictures: the mean CIEDE2000 difference of the whole and of its parts."""

from math import ceil, sqrt

from msgspec import Struct

from internal.pipeline.vips.pixels import Pixels

_PART = 4
"""Samples: the side of the parts that are compared besides the whole."""


class Tolerance(Struct, frozen=True):
    """The largest mean CIEDE2000 difference of the whole and of any part of it. 1 is just noticeable.

    A part has 4 by 4 samples. At fine edges, a palette of 256 colours differs by 5 to 8.
    """

    whole: float
    part: float


def are_similar(one: Pixels, other: Pixels, tolerance: Tolerance, samples: int = 1 << 15) -> bool:
    """True if two stills of one size differ by no more than `tolerance`, on a grid of about `samples` pixels.

    Transparent pictures are compared over white and over black.
    """
    step = max(1, ceil(sqrt(one.width * one.height / samples)))
    some, others = (pixels.subsample(min(step, pixels.width), min(step, pixels.height)).copy_memory() for pixels in (one, other))
    for ground in (255, 0) if _is_transparent(some) or _is_transparent(others) else (255,):
        difference = _lab(some, ground).dE00(_lab(others, ground)).copy_memory()
        if difference.avg() > tolerance.whole or difference.shrink(_PART, _PART, ceil=True).max() > tolerance.part:
            return False
    return True


def _is_transparent(pixels: Pixels) -> bool:
    """True if any pixel is not opaque."""
    return bool(pixels.hasalpha() and pixels[pixels.bands - 1].min() < 255)


def _lab(pixels: Pixels, ground: int) -> Pixels:
    opaque = pixels.flatten(background=ground) if pixels.hasalpha() else pixels
    return opaque.copy(interpretation="b-w" if opaque.bands == 1 else "srgb").colourspace("lab")
