"""Whether two pictures look the same: the mean CIEDE2000 of their pixels, of the whole and of its parts."""

from math import ceil, sqrt

from msgspec import Struct

from internal.pipeline.vips.picture import Pixels

_PART = 4
"""Samples: the side of the parts, none of which may look different where the whole looks the same."""


class Limit(Struct, frozen=True):
    """The largest mean difference, in CIEDE2000, of the whole and of any part of it; 1 is just noticeable.

    A part has 4 by 4 samples. At a fine edge, colours that are as near as a palette of 256 comes are 5 to 8 apart.
    """

    whole: float
    part: float


def look_the_same(one: Pixels, other: Pixels, limit: Limit, samples: int = 1 << 15) -> bool:
    """Whether two stills of one size differ by no more than `limit`, on a grid of about `samples` pixels.

    Transparency is looked at over white and over black.
    """
    step = max(1, ceil(sqrt(one.width * one.height / samples)))
    some, others = (pixels.subsample(min(step, pixels.width), min(step, pixels.height)).copy_memory() for pixels in (one, other))
    for ground in (255, 0) if _is_clear(some) or _is_clear(others) else (255,):
        difference = _lab(some, ground).dE00(_lab(others, ground)).copy_memory()
        if difference.avg() > limit.whole or difference.shrink(_PART, _PART, ceil=True).max() > limit.part:
            return False
    return True


def _is_clear(pixels: Pixels) -> bool:
    """Whether any pixel can be seen through."""
    return bool(pixels.hasalpha() and pixels[pixels.bands - 1].min() < 255)


def _lab(pixels: Pixels, ground: int) -> Pixels:
    opaque = pixels.flatten(background=ground) if pixels.hasalpha() else pixels
    return opaque.copy(interpretation="b-w" if opaque.bands == 1 else "srgb").colourspace("lab")
