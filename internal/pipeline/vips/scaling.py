"""Scaling: as fast as libvips' own thumbnail. What is done to the pixels before and after it.

Colours are multiplied by alpha before neighbours are mixed, so that the colour of a transparent pixel counts for nothing, and
divided by it afterwards. As in libvips' thumbnail, what lies between is held in 8 bits; floating point would take twice the time.
Laid over any ground, a plain colour is then right to one step of 255. Beside an edge of alpha Lanczos' overshoot is seen, as
beside any other edge: alpha itself ends at 255.
"""

from itertools import product
from typing import NamedTuple, TypeAlias

import pyvips

Pixels: TypeAlias = pyvips.Image
Covered: TypeAlias = tuple[float, float]
"""Columns and rows of pixels that a picture covers, the last ones perhaps in part."""
_MOST_REPEATED = 3
_WORTH_IT = 0.01
_TIE = 1e-6


def multiplied(pixels: Pixels) -> Pixels:
    """Colours times alpha, rounded to the format that they had."""
    return pixels.premultiply().rint().cast(pixels.format)


def divided(pixels: Pixels) -> Pixels:
    """The way back; a colour that comes out as 199.99 is 200."""
    return pixels.unpremultiply().rint().cast(pixels.format)


class Placement(NamedTuple):
    """How a row of pixels is reduced whose last one lies partly outside the picture: see `placement`."""

    before: int
    after: int
    dropped: int
    shift: float


def placement(pixels: int, covered: float, wanted: int) -> Placement:
    """How to reduce so many `pixels`, of which the picture covers the first `covered`, to `wanted`.

    libvips' reduceh and reducev (as of 8.18.7) make as many pixels as fit, rounded, and take the middle: half of what is too much
    is left out at either end. So pixels are repeated `before` and `after` the others, and the first `dropped` of the result are
    left out, such that the picture is off by the least part of a result's pixel: `shift`.
    """
    shrink = covered / wanted
    best = Placement(0, 0, 0, float("inf"))
    for before, after in product(range(_MOST_REPEATED + 1), repeat=2):
        fit = (before + pixels + after) / shrink
        if abs(fit % 1 - 0.5) < _TIE:
            continue
        made = int(fit + 0.5)
        start = (before + pixels + after - made * shrink) / 2 - before  # of the first pixel made, in the row's own pixels
        for dropped in range(made - wanted + 1):
            shift = abs(start / shrink + dropped)
            if shift < best.shift - _WORTH_IT:
                best = Placement(before, after, dropped, shift)
    return best


def reduced(pixels: Pixels, size: tuple[int, int], covered: Covered) -> Pixels:
    """Resampled to `size`, width and height in pixels, which is not larger than what the picture covers."""
    across, down = placement(pixels.width, covered[0], size[0]), placement(pixels.height, covered[1], size[1])
    if across[:2] != (0, 0) or down[:2] != (0, 0):
        width, height = pixels.width + across.before + across.after, pixels.height + down.before + down.after
        pixels = pixels.embed(across.before, down.before, width, height, extend="copy")
    made = pixels.resize(size[0] / covered[0], vscale=size[1] / covered[1])
    return made.crop(across.dropped, down.dropped, *size)
