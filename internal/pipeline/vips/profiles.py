"""Colour management: converts pixels to 8 bit sRGB or grey, or leaves them in their own profile when `keep:icc` asks for it."""

from contextlib import suppress

import pyvips

from internal.pipeline.vips.pixels import Pixels

PROFILE = "icc-profile-data"
GREY, _RGB = ("b-w", "grey16"), ("srgb", "rgb16")
_COLOUR_SPACE = slice(16, 20)
"""Position of the colour space signature in a profile."""


def is_plain(pixels: Pixels) -> bool:
    """True if the pixels can be scaled without conversion."""
    plain = pixels.interpretation in ("srgb", "b-w", "cmyk")
    return plain and pixels.format == "uchar" and pixels.coding == "none"


def to_srgb(pixels: Pixels) -> Pixels:
    """The pixels in 8 bit sRGB, or grey if they are grey, by their own profile. A profile that can't be used is ignored."""
    profiled = bool(pixels.get_typeof(PROFILE))
    if _is_converted(pixels) and not profiled:
        return pixels
    grey = pixels.interpretation in GREY
    if profiled:
        with suppress(pyvips.Error):
            pixels = _grey_by_profile(pixels) if grey else pixels.icc_transform("srgb", embedded=True, depth=8)
    return without_profile(_in_eight_bits(without_profile(pixels), grey=grey))


def _grey_by_profile(pixels: Pixels) -> Pixels:
    """The pixels in 8 bit sRGB grey, by a table of all possible values.

    The conversion goes through XYZ: directly to sRGB, lcms in libvips 8.18.7 samples the curve at 33 points, and turns 3 of 255
    in linear light into 19 instead of 28.
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

    libvips leaves its CMYK profile attached after converting to sRGB; using that profile reads freed memory.
    """
    if not pixels.get_typeof(PROFILE):
        return pixels
    bare = pixels.copy()
    bare.remove(PROFILE)
    return bare


def to_eight_bits(pixels: Pixels) -> Pixels:
    """The pixels in 8 bits per channel, still in their own profile. Without a usable profile: as `to_srgb`."""
    if usable_profile(pixels) is None:
        return to_srgb(pixels)
    return pixels if _is_converted(pixels) else _in_eight_bits(pixels, grey=pixels.interpretation in GREY)


def usable_profile(pixels: Pixels) -> bytes | None:
    """The profile of the pixels, if it can be used and matches their kind: RGB or grey, never CMYK."""
    if not pixels.get_typeof(PROFILE) or pixels.interpretation not in (*_RGB, *GREY):
        return None
    profile = bytes(pixels.get(PROFILE))
    return profile if profile_fits(profile, pixels) and _is_writable(profile) else None


def profile_fits(profile: bytes, pixels: Pixels) -> bool:
    """True if `profile` describes as many colour channels as the pixels have."""
    return profile[_COLOUR_SPACE] == (b"GRAY" if pixels.interpretation in GREY else b"RGB ")


def has_readable_profile(pixels: Pixels) -> bool:
    """True if the pixels have a profile of their kind that can convert them to device-independent colours.

    libvips falls back on the profile given as `input_profile`. Here that is one for four channels, so that the fallback fails.
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


def _is_writable(profile: bytes) -> bool:
    """True if colours can be converted into the profile. Reading would not tell: libvips replaces a broken profile by sRGB."""
    probe = pyvips.Image.black(1, 1, bands=3).copy(interpretation="lab")
    probe.set_type(pyvips.GValue.blob_type, PROFILE, profile)
    try:
        probe.icc_export().avg()
    except pyvips.Error:
        return False
    return True


def _is_converted(pixels: Pixels) -> bool:
    bands = (1 if pixels.interpretation == "b-w" else 3) + int(pixels.hasalpha())
    return pixels.interpretation in ("srgb", "b-w") and pixels.format == "uchar" and pixels.bands == bands


def _in_eight_bits(pixels: Pixels, *, grey: bool) -> Pixels:
    if pixels.interpretation == "grey16" and pixels.format == "ushort":  # libvips 8.18.7 would turn an alpha of 1 into 0
        pixels = (pixels >> 8).cast("uchar").copy(interpretation="b-w")
    converted = pixels.colourspace("b-w" if grey else "srgb")
    bands = (1 if grey else 3) + int(converted.hasalpha())
    converted = converted if converted.bands == bands else converted.extract_band(0, n=bands)
    return converted if converted.format == "uchar" else converted.cast("uchar")
