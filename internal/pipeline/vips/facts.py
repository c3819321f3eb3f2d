"""What a picture looks like, in a few bytes: its dominant colour and its thumbhash, both from one small copy of it."""

from base64 import b64encode
from collections import defaultdict

from internal.pipeline.containers.dimensions import StoredPicture
from internal.pipeline.vips.load import SMALL
from internal.pipeline.vips.picture import Picture
from internal.pipeline.vips.profiles import to_srgb
from internal.pipeline.vips.thumbhash import thumbhash
from internal.sandbox.port import Facts

_STEP = 5
"""Bits that are left out of a colour when like ones are counted together: 8 shades a channel."""


def facts_of(picture: Picture, stored: StoredPicture, *, has_alpha: bool) -> Facts:
    """The facts of an original; `picture` is what was loaded of it, upright, and held in memory."""
    scale = SMALL / max(picture.width, picture.height)
    small = Picture(picture.first)
    if scale < 1:
        small = small.scaled(max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    pixels = to_srgb(small.pixels).colourspace("srgb")
    rgba = bytes((pixels if pixels.hasalpha() else pixels.bandjoin(255)).write_to_memory())
    return Facts(
        width=stored.width,
        height=stored.height,
        orientation=stored.orientation,
        frames=stored.frames,
        has_alpha=has_alpha,
        dominant_colour=dominant_colour(rgba),
        thumbhash=b64encode(thumbhash(pixels.width, pixels.height, rgba)).decode(),
    )


def dominant_colour(rgba: bytes) -> str:
    """The mean of the colours that are most of the picture, as `#rrggbb`; pixels count as far as they can be seen.

    Colours are counted in 512 cubes; of two that are equally full it is the darker one. Nothing to be seen is black.
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
