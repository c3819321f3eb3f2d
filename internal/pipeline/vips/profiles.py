"""Colour spaces: what comes in becomes 8 bit sRGB or grey, or stays in its own profile's colours when that is kept."""

from contextlib import suppress

import pyvips

from internal.pipeline.vips.picture import Pixels

PROFILE = "icc-profile-data"
GREY, _RGB = ("b-w", "grey16"), ("srgb", "rgb16")
_COLOUR_SPACE = slice(16, 20)
"""Where a profile says what it describes."""


def is_plain(pixels: Pixels) -> bool:
    """Whether the pixels can be scaled as they are."""
    plain = pixels.interpretation in ("srgb", "b-w", "cmyk")
    return plain and pixels.format == "uchar" and pixels.coding == "none"


def to_srgb(pixels: Pixels) -> Pixels:
    """8 bit sRGB, or grey for what is grey, by the picture's own profile; a profile that can't be used is left out of account."""
    profiled = bool(pixels.get_typeof(PROFILE))
    if _is_done(pixels) and not profiled:
        return pixels
    grey = pixels.interpretation in GREY
    if profiled:
        with suppress(pyvips.Error):
            pixels = _grey_by_profile(pixels) if grey else pixels.icc_transform("srgb", embedded=True, depth=8)
    return without_profile(_in_eight_bits(without_profile(pixels), grey=grey))


def _grey_by_profile(pixels: Pixels) -> Pixels:
    """8 bit sRGB grey, by a table of all values that there are.

    By way of XYZ: straight to sRGB, lcms has 33 points for all of the curve in libvips 8.18.7, and shows 3 of 255 in linear
    light as 19 instead of 28.
    """
    if pixels.format not in ("uchar", "ushort") or pixels.bands > 2:
        return pixels.icc_transform("srgb", embedded=True, depth=8)
    values = pyvips.Image.identity(ushort=pixels.format == "ushort").copy(interpretation=pixels.interpretation)
    values.set_type(pyvips.GValue.blob_type, PROFILE, pixels.get(PROFILE))
    table = values.icc_import(embedded=True, pcs="xyz").colourspace("b-w")
    if pixels.hasalpha():
        last = pyvips.Image.identity(ushort=pixels.format == "ushort")
        table = table.bandjoin((last if pixels.format == "uchar" else last / 257).rint().cast("uchar"))
    return pixels.maplut(table).copy(interpretation="b-w")


def without_profile(pixels: Pixels) -> Pixels:
    """The same pixels without a colour profile.

    libvips leaves its own CMYK profile with what it has turned into sRGB by it; who follows that reads memory that is free.
    """
    if not pixels.get_typeof(PROFILE):
        return pixels
    bare = pixels.copy()
    bare.remove(PROFILE)
    return bare


def in_own_profile(pixels: Pixels) -> Pixels:
    """8 bits a channel in the colours of the picture's own profile, which stays with it; as `to_srgb` without one that fits."""
    if profile_of(pixels) is None:
        return to_srgb(pixels)
    return pixels if _is_done(pixels) else _in_eight_bits(pixels, grey=pixels.interpretation in GREY)


def profile_of(pixels: Pixels) -> bytes | None:
    """The profile that the pixels are in, if it can be used and describes colours of their kind: RGB or grey, and not CMYK."""
    if not pixels.get_typeof(PROFILE) or pixels.interpretation not in (*_RGB, *GREY):
        return None
    profile = bytes(pixels.get(PROFILE))
    return profile if fits(profile, pixels) and _can_be_used(profile) else None


def fits(profile: bytes, pixels: Pixels) -> bool:
    """Whether `profile` describes as many colour channels as the pixels have."""
    return profile[_COLOUR_SPACE] == (b"GRAY" if pixels.interpretation in GREY else b"RGB ")


def can_be_read(pixels: Pixels) -> bool:
    """Whether the pixels have a profile of their kind that says what their numbers mean.

    libvips falls back on a profile that is named beside it: here on one for four channels, which these pixels don't have.
    """
    if not pixels.get_typeof(PROFILE):
        return False
    probe = pyvips.Image.black(1, 1, bands=pixels.bands - int(pixels.hasalpha())).copy(interpretation=pixels.interpretation)
    probe.set_type(pyvips.GValue.blob_type, PROFILE, pixels.get(PROFILE))
    try:
        probe.icc_import(embedded=True, input_profile="cmyk").avg()
    except pyvips.Error:
        return False
    return True


def _can_be_used(profile: bytes) -> bool:
    """Whether colours can be written in it. Reading would not tell: there libvips takes sRGB for one that is broken."""
    probe = pyvips.Image.black(1, 1, bands=3).copy(interpretation="lab")
    probe.set_type(pyvips.GValue.blob_type, PROFILE, profile)
    try:
        probe.icc_export().avg()
    except pyvips.Error:
        return False
    return True


def _is_done(pixels: Pixels) -> bool:
    bands = (1 if pixels.interpretation == "b-w" else 3) + int(pixels.hasalpha())
    return pixels.interpretation in ("srgb", "b-w") and pixels.format == "uchar" and pixels.bands == bands


def _in_eight_bits(pixels: Pixels, *, grey: bool) -> Pixels:
    if pixels.interpretation == "grey16" and pixels.format == "ushort":  # else libvips 8.18.7 makes 0 of an alpha of 1
        pixels = (pixels >> 8).cast("uchar").copy(interpretation="b-w")
    converted = pixels.colourspace("b-w" if grey else "srgb")
    bands = (1 if grey else 3) + int(converted.hasalpha())
    converted = converted if converted.bands == bands else converted.extract_band(0, n=bands)
    return converted if converted.format == "uchar" else converted.cast("uchar")
