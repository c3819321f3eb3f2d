"""Overlays: opacity, tiling and compositing of 8 bit pixels with alpha."""

from math import ceil

from internal.pipeline.vips.pixels import Pixels

_BLOCK = 512
"""Pixels: small tiles are first joined to blocks of about this size. Compositing millions of tiles would dominate the cost."""


def apply_opacity(pixels: Pixels, opacity: float) -> Pixels:
    """The pixels with their alpha multiplied by `opacity`, from 0 to 1. Pixels without alpha get one."""
    overlay = pixels if pixels.hasalpha() else pixels.addalpha()
    if opacity == 1:
        return overlay
    alpha = overlay.extract_band(overlay.bands - 1).linear(opacity, 0.5, uchar=True)
    return overlay.extract_band(0, n=overlay.bands - 1).bandjoin(alpha).copy(interpretation=overlay.interpretation)


def tile(overlay: Pixels, size: tuple[int, int], corner: tuple[int, int], gap: int) -> Pixels:
    """`overlay` repeated over an area of `size` pixels, `gap` apart. One tile begins at `corner`. Computes now."""
    (wide, high), (left, top) = size, corner
    across, down = overlay.width + min(gap, wide), overlay.height + min(gap, high)
    block = overlay.embed(0, 0, across, down)
    if min(across, down) < _BLOCK:
        block = block.replicate(ceil(_BLOCK / across), ceil(_BLOCK / down)).copy_memory()
    left, top = -left % across, -top % down
    return block.replicate(ceil((left + wide) / block.width), ceil((top + high) / block.height)).crop(left, top, wide, high)


def composite(pixels: Pixels, overlay: Pixels, left: int, top: int) -> Pixels:
    """`pixels` with `overlay` at this place, which must lie within them. The result has alpha only if `pixels` have it.

    Grey pixels take grey overlays only. Each row is read once, except rows that an opaque overlay covers from end to end. Only
    the covered part is computed.
    """
    if pixels.hasalpha():
        return pixels.composite2(overlay, "over", x=left, y=top, compositing_space=pixels.interpretation).cast("uchar")
    size = (pixels.width, pixels.height)
    ink, alpha = overlay.extract_band(0, n=overlay.bands - 1), overlay.extract_band(overlay.bands - 1)
    return alpha.embed(left, top, *size).ifthenelse(ink.embed(left, top, *size), pixels, blend=True)
