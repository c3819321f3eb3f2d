"""Pixelation: the picture as large blocks of one colour."""

import pyvips

from internal.pipeline.vips.pixels import Pixels


def pixelate(pixels: Pixels, block: int) -> Pixels:
    """The pixels as square blocks with sides of `block` pixels, from the top left corner. Each block has its average colour.

    The averages are computed now and kept in memory: libvips would compute a block again for each of its rows.
    """
    averages = _averages(pixels, block).copy_memory()
    return averages.zoom(block, block).crop(0, 0, pixels.width, pixels.height)


def _averages(pixels: Pixels, block: int) -> Pixels:
    """One pixel per block. A block that crosses the edge is padded with zeros, and its sum divided by the share inside."""
    across, down = _shares_inside(pixels.width, block), _shares_inside(pixels.height, block)
    if across[-1] == down[-1] == 1:
        return pixels.shrink(block, block)
    sums = pixels.cast("float").embed(0, 0, len(across) * block, len(down) * block).shrink(block, block)
    row = pyvips.Image.new_from_array([across]).replicate(1, len(down))
    column = pyvips.Image.new_from_array([[share] for share in down]).replicate(len(across), 1)
    averages = sums / (row * column)
    return averages.rint().cast(pixels.format).copy(interpretation=pixels.interpretation)


def _shares_inside(length: int, block: int) -> list[float]:
    """For each block along a side of the picture, the share of it that lies inside, from 0 to 1."""
    whole, rest = divmod(length, block)
    return [1.0] * whole + ([rest / block] if rest else [])
