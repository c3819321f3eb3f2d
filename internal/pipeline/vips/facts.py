"""Facts about an original: size, orientation, frames, alpha, and from one small copy its dominant colour and thumbhash."""

from base64 import b64encode
from collections import defaultdict

from internal.pipeline.containers.dimensions import Dimensions
from internal.pipeline.vips.load import SMALL_SIDE
from internal.pipeline.vips.picture import Picture
from internal.pipeline.vips.profiles import to_srgb
from internal.pipeline.vips.thumbhash import thumbhash
from internal.ports.sandbox import Facts

_STEP = 5
"""Low bits that are ignored when similar colours are counted together: 8 shades per channel remain."""


def extract_facts(picture: Picture, dimensions: Dimensions, *, has_alpha: bool) -> Facts:
    """The facts of an original. `picture` is the upright picture that was loaded from it, in memory."""
    scale = SMALL_SIDE / max(picture.width, picture.height)
    small = Picture(picture.first_frame)
    if scale < 1:
        small = small.scaled(max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    pixels = to_srgb(small.pixels).colourspace("srgb")
    rgba = bytes((pixels if pixels.hasalpha() else pixels.bandjoin(255)).write_to_memory())
    return Facts(
        width=dimensions.width,
        height=dimensions.height,
        orientation=dimensions.orientation,
        frames=dimensions.frames,
        has_alpha=has_alpha,
        dominant_colour=dominant_colour(rgba),
        thumbhash=b64encode(thumbhash(pixels.width, pixels.height, rgba)).decode(),
    )


def dominant_colour(rgba: bytes) -> str:
    """The mean of the most frequent group of similar colours, as `#rrggbb`. Pixels are weighted by alpha.

    Colours are counted in 512 cubes. Of two equally frequent cubes the darker one wins. A fully transparent picture is black.
    """
    cubes: defaultdict[tuple[int, int, int], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for red, green, blue, alpha in zip(rgba[::4], rgba[1::4], rgba[2::4], rgba[3::4], strict=True):
        cube = cubes[red >> _STEP, green >> _STEP, blue >> _STEP]
        cube[0] += alpha
        cube[1] += alpha * red
        cube[2] += alpha * green
        cube[3] += alpha * blue
    weight, *sums = max(sorted(cubes.items()), key=lambda cube: cube[1][0])[1]
    return "#" + bytes((value + weight // 2) // weight if weight else 0 for value in sums).hex()
