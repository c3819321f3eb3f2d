"""A colour space assigned to pixels: what a file says of its colours becomes a profile beside them, or they become sRGB."""

from functools import lru_cache

import pyvips
from msgspec.structs import replace

from internal.pipeline.containers.colour_space import ColourSpace, Curve, Hdr, srgb_value
from internal.pipeline.containers.icc_profile import icc_profile
from internal.pipeline.vips.colour import beside_alpha
from internal.pipeline.vips.hdr import neutral_to_sdr, to_sdr
from internal.pipeline.vips.picture import Pixels, PixelsFn
from internal.pipeline.vips.profiles import GREY, PROFILE, without_profile

_STEEP = 1.5
"""Below this gamma 8 bits are few for what is dark, so that the picture is converted before anything mixes its pixels."""
_BLACK, _SPAN = 16, 219
"""Of the narrow range, in 8 bits."""


def assigned(pixels: Pixels, space: ColourSpace) -> Pixels:
    """The same picture with the profile that says what its numbers mean, in place of its own; without one where they are sRGB.

    `pixels` are RGB or grey, of 8 or 16 bits a channel. Grey becomes 8 bit sRGB by a table, which is exact where lcms is not; so
    do PQ and HLG, for few programs follow a profile of them.
    """
    bare = without_profile(pixels)
    if space.narrow:
        bare, space = beside_alpha(_in_full_range)(bare), replace(space, narrow=False)
    if space.is_srgb:
        return bare
    if bare.interpretation in GREY:
        return _with_alpha_in_eight_bits(bare, lambda grey: _grey_to_srgb(grey, space))
    transfer = space.transfer
    if isinstance(transfer, str):
        return _with_alpha_in_eight_bits(bare, lambda colours: to_sdr(colours, space, transfer))
    noted = (_in_sixteen_bits(bare) if transfer.gamma < _STEEP else bare).copy()
    noted.set_type(pyvips.GValue.blob_type, PROFILE, icc_profile(space.primaries, transfer))
    return noted


def _grey_to_srgb(grey: Pixels, space: ColourSpace) -> Pixels:
    """Primaries don't matter to what is neutral."""
    levels = 256 if grey.format == "uchar" else 65536
    table = pyvips.Image.new_from_memory(_greys(space.transfer, space.peak, levels), levels, 1, 1, "uchar")
    return grey.maplut(table).copy(interpretation="b-w")


@lru_cache(maxsize=4)
def _greys(transfer: Curve | Hdr, peak: float, levels: int) -> bytes:
    def shown(value: float) -> float:
        return neutral_to_sdr(value, peak, transfer) if isinstance(transfer, str) else srgb_value(transfer.light(value))

    return bytes(round(255 * shown(step / (levels - 1))) for step in range(levels))


def _in_full_range(colours: Pixels) -> Pixels:
    """Alpha has the full range already (PNG 3, section 11.3.2.6)."""
    last, step = (255, 1) if colours.format == "uchar" else (65535, 256)
    stretched = pyvips.Image.identity(ushort=last > 255).linear(last / (_SPAN * step), -_BLACK / _SPAN * last)
    return colours.maplut(stretched.rint().cast(colours.format)).copy(interpretation=colours.interpretation)


def _with_alpha_in_eight_bits(pixels: Pixels, change: PixelsFn) -> Pixels:
    """`change` of the colours, which makes 8 bits of them."""
    if not pixels.hasalpha():
        return change(pixels)
    alpha = pixels.extract_band(pixels.bands - 1)
    eight = alpha if alpha.format == "uchar" else (alpha / 257).rint().cast("uchar")
    return change(pixels.extract_band(0, n=pixels.bands - 1)).bandjoin(eight)


def _in_sixteen_bits(pixels: Pixels) -> Pixels:
    return (pixels * 257).cast("ushort").copy(interpretation="rgb16") if pixels.format == "uchar" else pixels
