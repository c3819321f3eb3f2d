"""Scaling: as fast as libvips' own thumbnail. What is done to the pixels before and after it.

Colours are multiplied by alpha before neighbours are mixed, so that the colour of a transparent pixel counts for nothing, and
divided by it afterwards. As in libvips' thumbnail, what lies between is held in 8 bits; floating point would take twice the time.
Laid over any ground, a plain colour is then right to one step of 255. Beside an edge of alpha Lanczos' overshoot is seen, as
beside any other edge: alpha itself ends at 255.
"""

from typing import TypeAlias

import pyvips

Pixels: TypeAlias = pyvips.Image


def multiplied(pixels: Pixels) -> Pixels:
    """Colours times alpha, rounded to the format that they had."""
    return pixels.premultiply().rint().cast(pixels.format)


def divided(pixels: Pixels) -> Pixels:
    """The way back; a colour that comes out as 199.99 is 200."""
    return pixels.unpremultiply().rint().cast(pixels.format)
