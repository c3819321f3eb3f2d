"""Masks: one band of 8 bits, 255 inside of a shape, 0 outside, and in between where its edge crosses a pixel."""

from math import ceil
from typing import TypeAlias

import pyvips

Pixels: TypeAlias = pyvips.Image


def rounded_box(width: int, height: int, across: float, down: float) -> Pixels:
    """A box whose corners are quarters of an ellipse with these radii in pixels: halves of its sides make an ellipse of all."""
    across, down = min(across, width / 2), min(down, height / 2)
    corner = _corner(across, down).copy_memory()
    right, bottom = width - corner.width, height - corner.height
    mask = pyvips.Image.black(width, height).linear(0, 255, uchar=True)
    mask = mask.insert(corner, 0, 0).insert(corner.fliphor(), right, 0)
    return mask.insert(corner.flipver(), 0, bottom).insert(corner.rot180(), right, bottom)


def masked(pixels: Pixels, mask: Pixels) -> Pixels:
    """As opaque as they are and the mask says."""
    if not pixels.hasalpha():
        return pixels.bandjoin(mask)
    alpha = (pixels.extract_band(pixels.bands - 1) * mask).linear(1 / 255, 0.5, uchar=True)
    return pixels.extract_band(0, n=pixels.bands - 1).bandjoin(alpha).copy(interpretation=pixels.interpretation)


def _corner(across: float, down: float) -> Pixels:
    """The top left one. How far a pixel's middle lies outside of the ellipse f = 1 is, near to it, (f - 1) / |gradient of f|."""
    place = pyvips.Image.xyz(ceil(across), ceil(down))
    x = (across - 0.5 - place.extract_band(0)) / across
    y = (down - 0.5 - place.extract_band(1)) / down
    f = x * x + y * y
    gradient = ((x / across) ** 2 + (y / down) ** 2) ** 0.5 * 2
    outside = (f - 1) / (gradient + 1e-9)
    return (0.5 - outside).linear(255, 0.5, uchar=True)
