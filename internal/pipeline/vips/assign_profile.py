"""Assigning a colour space to pixels: attaches an ICC profile made from the file's numbers, or converts to sRGB."""

from functools import lru_cache

import pyvips
from msgspec.structs import replace

from internal.pipeline.containers.colour_space import ColourSpace, Curve, Hdr, srgb_value
from internal.pipeline.containers.icc_profile import icc_profile
from internal.pipeline.vips.colour import excluding_alpha
from internal.pipeline.vips.hdr import neutral_to_sdr, to_sdr
from internal.pipeline.vips.pixels import Pixels, PixelsFn
from internal.pipeline.vips.profiles import GREY, PROFILE, without_profile

_STEEP = 1.5
"""Below this gamma, 8 bits resolve dark tones too coarsely, so pixels get 16 bits before anything mixes them."""
_BLACK, _SPAN = 16, 219
"""Black level and span of the narrow (video) range, in 8 bits."""


def assign_profile(pixels: Pixels, space: ColourSpace) -> Pixels:
    """The pixels with a profile of `space` in place of their own, or without one if `space` is sRGB.

    `pixels` are RGB or grey, with 8 or 16 bits per channel. Grey, PQ and HLG are converted to 8 bit sRGB instead: for grey a
    table is more exact than lcms, and few programs support profiles of PQ and HLG.
    """
    bare = without_profile(pixels)
    if space.narrow:
        bare, space = excluding_alpha(_in_full_range)(bare), replace(space, narrow=False)
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
    """Grey in sRGB. Primaries do not affect neutral colours."""
    levels = 256 if grey.format == "uchar" else 65536
    table = pyvips.Image.new_from_memory(_greys(space.transfer, space.peak, levels), levels, 1, 1, "uchar")
    return grey.maplut(table).copy(interpretation="b-w")


@lru_cache(maxsize=4)
def _greys(transfer: Curve | Hdr, peak: float, levels: int) -> bytes:
    def shown(value: float) -> float:
        return neutral_to_sdr(value, peak, transfer) if isinstance(transfer, str) else srgb_value(transfer.light(value))

    return bytes(round(255 * shown(step / (levels - 1))) for step in range(levels))


def _in_full_range(colours: Pixels) -> Pixels:
    """Colours stretched from the narrow to the full range. Alpha has the full range already (PNG 3, section 11.3.2.6)."""
    last, step = (255, 1) if colours.format == "uchar" else (65535, 256)
    stretched = pyvips.Image.identity(ushort=last > 255).linear(last / (_SPAN * step), -_BLACK / _SPAN * last)
    return colours.maplut(stretched.rint().cast(colours.format)).copy(interpretation=colours.interpretation)


def _with_alpha_in_eight_bits(pixels: Pixels, change: PixelsFn) -> Pixels:
    """`change` applied to the colours, which converts them to 8 bits; alpha follows."""
    if not pixels.hasalpha():
        return change(pixels)
    alpha = pixels.extract_band(pixels.bands - 1)
    eight = alpha if alpha.format == "uchar" else (alpha / 257).rint().cast("uchar")
    return change(pixels.extract_band(0, n=pixels.bands - 1)).bandjoin(eight)


def _in_sixteen_bits(pixels: Pixels) -> Pixels:
    return (pixels * 257).cast("ushort").copy(interpretation="rgb16") if pixels.format == "uchar" else pixels
