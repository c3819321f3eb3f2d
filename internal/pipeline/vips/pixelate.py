"""Large squares of one colour."""

from typing import TypeAlias

import pyvips

Pixels: TypeAlias = pyvips.Image


def in_squares(pixels: Pixels, side: int) -> Pixels:
    """Squares of this side in pixels, each the average of what it covers, from the top left corner on. Computes now.

    The averages are few, and kept: libvips would add up a square anew for each of its rows.
    """
    averages = _averages(pixels, side).copy_memory()
    return averages.zoom(side, side).crop(0, 0, pixels.width, pixels.height)


def _averages(pixels: Pixels, side: int) -> Pixels:
    """One pixel a square. What a square at the edge lacks is added as nothing, and makes its sum smaller than its average."""
    across, down = _covered(pixels.width, side), _covered(pixels.height, side)
    if across[-1] == down[-1] == 1:
        return pixels.shrink(side, side)
    sums = pixels.cast("float").embed(0, 0, len(across) * side, len(down) * side).shrink(side, side)
    row = pyvips.Image.new_from_array([across]).replicate(1, len(down))
    column = pyvips.Image.new_from_array([[share] for share in down]).replicate(len(across), 1)
    averages = sums / (row * column)
    return averages.rint().cast(pixels.format).copy(interpretation=pixels.interpretation)


def _covered(length: int, side: int) -> list[float]:
    """How much of each square along a side of the picture lies within it, as shares."""
    whole, rest = divmod(length, side)
    return [1.0] * whole + ([rest / side] if rest else [])
