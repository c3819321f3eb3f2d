"""Marks: 8 bit pixels with alpha that are laid over others."""

from math import ceil
from typing import TypeAlias

import pyvips

Pixels: TypeAlias = pyvips.Image
_BLOCK = 512
"""Pixels: small tiles are joined to blocks of about this size first, or laying millions of them would be the dearest part."""


def faded(pixels: Pixels, opacity: float) -> Pixels:
    """With `opacity`, from 0 to 1, times the alpha it has: 1 everywhere where it has none."""
    mark = pixels if pixels.hasalpha() else pixels.addalpha()
    if opacity == 1:
        return mark
    alpha = mark.extract_band(mark.bands - 1).linear(opacity, 0.5, uchar=True)
    return mark.extract_band(0, n=mark.bands - 1).bandjoin(alpha).copy(interpretation=mark.interpretation)


def tiled(mark: Pixels, size: tuple[int, int], corner: tuple[int, int], gap: int) -> Pixels:
    """`mark` again and again over this size in pixels, `gap` apart, one of them with its top left corner there. Computes now."""
    (wide, high), (left, top) = size, corner
    across, down = mark.width + min(gap, wide), mark.height + min(gap, high)
    block = mark.embed(0, 0, across, down)
    if min(across, down) < _BLOCK:
        block = block.replicate(ceil(_BLOCK / across), ceil(_BLOCK / down)).copy_memory()
    left, top = -left % across, -top % down
    return block.replicate(ceil((left + wide) / block.width), ceil((top + high) / block.height)).crop(left, top, wide, high)


def laid_over(pixels: Pixels, mark: Pixels, left: int, top: int) -> Pixels:
    """`mark`, which lies within them, over `pixels`, which are not grey unless it is. Only pixels with alpha have it afterwards.

    Each row is looked at once, but for those that an opaque mark hides from end to end, and only what is covered is computed.
    """
    if pixels.hasalpha():
        return pixels.composite2(mark, "over", x=left, y=top, compositing_space=pixels.interpretation).cast("uchar")
    size = (pixels.width, pixels.height)
    ink, alpha = mark.extract_band(0, n=mark.bands - 1), mark.extract_band(mark.bands - 1)
    return alpha.embed(left, top, *size).ifthenelse(ink.embed(left, top, *size), pixels, blend=True)
