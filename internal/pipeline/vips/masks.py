"""Masks: one band of 8 bits. 255 is inside of a shape, 0 outside; pixels on the edge lie in between."""

from math import ceil

import pyvips

from internal.pipeline.vips.pixels import Pixels


def rounded_rectangle(width: int, height: int, across: float, down: float) -> Pixels:
    """The mask of a rectangle with elliptic corners of these radii in pixels. Radii of half the sides make it an ellipse."""
    across, down = min(across, width / 2), min(down, height / 2)
    corner = _corner(across, down).copy_memory()
    right, bottom = width - corner.width, height - corner.height
    mask = pyvips.Image.black(width, height).linear(0, 255, uchar=True)
    mask = mask.insert(corner, 0, 0).insert(corner.fliphor(), right, 0)
    return mask.insert(corner.flipver(), 0, bottom).insert(corner.rot180(), right, bottom)


def apply_mask(pixels: Pixels, mask: Pixels) -> Pixels:
    """The pixels with their alpha multiplied by `mask`. Pixels without alpha take the mask as their alpha."""
    if not pixels.hasalpha():
        return pixels.bandjoin(mask)
    alpha = (pixels.extract_band(pixels.bands - 1) * mask).linear(1 / 255, 0.5, uchar=True)
    return pixels.extract_band(0, n=pixels.bands - 1).bandjoin(alpha).copy(interpretation=pixels.interpretation)


def _corner(across: float, down: float) -> Pixels:
    """The top left corner. Near the ellipse f = 1, a pixel's distance from it is about (f - 1) / |gradient of f|."""
    place = pyvips.Image.xyz(ceil(across), ceil(down))
    x = (across - 0.5 - place.extract_band(0)) / across
    y = (down - 0.5 - place.extract_band(1)) / down
    f = x * x + y * y
    gradient = ((x / across) ** 2 + (y / down) ** 2) ** 0.5 * 2
    outside = (f - 1) / (gradient + 1e-9)
    return (0.5 - outside).linear(255, 0.5, uchar=True)
