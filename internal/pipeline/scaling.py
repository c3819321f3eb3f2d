"""Scaling: all frames by one factor, as fast as libvips' own thumbnail, and without mixing frames.

Colours are multiplied by alpha before neighbours are mixed, so that the colour of a transparent pixel counts for nothing, and
divided by it afterwards. As in libvips' thumbnail, what lies between is held in 8 bits; floating point would take twice the time.
Laid over any ground, a plain colour is then right to one step of 255. Beside an edge of alpha Lanczos' overshoot is seen, as
beside any other edge: alpha itself ends at 255.
"""

from typing import TypeAlias

import pyvips

Pixels: TypeAlias = pyvips.Image


def scaled(pixels: Pixels, frames: int, width: int, height: int, *, premultiplied: bool = False) -> Pixels:
    """`frames` that lie one below the other in `pixels`, each resampled (Lanczos 3) to exactly this size in pixels.

    `premultiplied`: the colours come multiplied by alpha already. They never leave so.
    """
    tall = int(pixels.height) // frames
    across, down = width / pixels.width, height / tall
    seen = pixels.premultiply().rint().cast(pixels.format) if pixels.hasalpha() and not premultiplied else pixels
    made = seen.resize(across, vscale=down) if frames == 1 else _each(seen, frames, across, down)
    return made.unpremultiply().rint().cast(pixels.format) if pixels.hasalpha() else made


def _each(pixels: Pixels, frames: int, across: float, down: float) -> Pixels:
    """Rows of two frames must not be mixed. Columns are those of one frame anyway: made smaller all at once, they cost less."""
    tall, together = int(pixels.height) // frames, max(across, down) <= 1
    first = 1 if together else across
    each = [pixels.crop(0, number * tall, pixels.width, tall).resize(first, vscale=down) for number in range(frames)]
    joined = pyvips.Image.arrayjoin(each, across=1)
    return joined.resize(across, vscale=1) if together else joined
