"""Scaling at the speed of libvips' own thumbnail: steps before and after the resampling itself.

Colours are multiplied by alpha before neighbours are mixed, so that the colour of a transparent pixel has no weight, and divided
by it afterwards. Intermediate pixels have 8 bits, as in libvips' thumbnail; floating point would take twice the time. Over any
background, a plain colour is then right to one step of 255. Lanczos overshoots beside an edge of alpha as beside any other edge;
alpha itself is clipped at 255.
"""

from itertools import product
from typing import NamedTuple, TypeAlias

from internal.pipeline.vips.pixels import Pixels

CoveredArea: TypeAlias = tuple[float, float]
"""Columns and rows of pixels that a picture covers. The last ones may be covered in part."""
_MAX_REPEATED = 3
_MIN_GAIN = 0.01
_TIE = 1e-6


def premultiply(pixels: Pixels) -> Pixels:
    """The pixels with colours multiplied by alpha, rounded to their own format."""
    return pixels.premultiply().rint().cast(pixels.format)


def unpremultiply(pixels: Pixels) -> Pixels:
    """The inverse of `premultiply`. Rounds before it casts: 199.99 becomes 200."""
    return pixels.unpremultiply().rint().cast(pixels.format)


class Placement(NamedTuple):
    """How to reduce a row of pixels whose last one lies partly outside the picture: see `placement`."""

    before: int
    after: int
    dropped: int
    shift: float


def placement(pixels: int, covered: float, wanted: int) -> Placement:
    """How to reduce a row of `pixels`, of which the picture covers the first `covered`, to `wanted` pixels.

    libvips' reduceh and reducev (as of 8.18.7) round the number of pixels that fit and centre the result: half of the excess is
    cut at either end. So the edge pixels are repeated `before` and `after` the row and the first `dropped` pixels of the result
    are cut, such that the picture is displaced by the smallest fraction of a result pixel: `shift`.
    """
    shrink = covered / wanted
    best = Placement(0, 0, 0, float("inf"))
    for before, after in product(range(_MAX_REPEATED + 1), repeat=2):
        fit = (before + pixels + after) / shrink
        if abs(fit % 1 - 0.5) < _TIE:
            continue
        produced = int(fit + 0.5)
        start = (before + pixels + after - produced * shrink) / 2 - before  # of the first result pixel, in pixels of the row
        for dropped in range(produced - wanted + 1):
            shift = abs(start / shrink + dropped)
            if shift < best.shift - _MIN_GAIN:
                best = Placement(before, after, dropped, shift)
    return best


def shrink_partial(pixels: Pixels, size: tuple[int, int], covered: CoveredArea) -> Pixels:
    """The pixels resampled to `size`, width and height in pixels, where the picture fills only `covered` of them."""
    across, down = placement(pixels.width, covered[0], size[0]), placement(pixels.height, covered[1], size[1])
    if across[:2] != (0, 0) or down[:2] != (0, 0):
        width, height = pixels.width + across.before + across.after, pixels.height + down.before + down.after
        pixels = pixels.embed(across.before, down.before, width, height, extend="copy")
    resized = pixels.resize(size[0] / covered[0], vscale=size[1] / covered[1])
    return resized.crop(across.dropped, down.dropped, *size)
