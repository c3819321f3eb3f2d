"""What the colour chunks of a PNG say, in the order of PNG 3, section 4.3: cICP, iCCP, sRGB, then gAMA with cHRM. Pure Python.

A chunk that makes no sense counts as not there, and the next one in the order decides; so does one with a code point that H.273
keeps for later or that says nothing. iCCP itself is read by libvips.
"""

import struct
from collections.abc import Mapping

from msgspec import Struct

from internal.pipeline.containers.colour_space import BT709, PRIMARIES, SRGB_CURVE, TRANSFERS, ColourSpace, Curve, Primaries

COLOUR_CHUNKS = frozenset({b"cICP", b"sRGB", b"gAMA", b"cHRM", b"cLLI", b"mDCV"})
"""What `read_colours` wants to know."""
_GAMMA = 100_000
"""gAMA of 1."""
_SRGB_GAMMA = 45_455
"""What PNG 3 has programs write for sRGB's curve, which is no power."""
_GAMMA_ROUNDING = 5
_GAMMA_NEAR = 0.05
"""A gamma that differs from sRGB's by no more is taken for it, as libpng and Chromium do."""
_GAMMA_LIMITS = (10_000, 1_000_000)
_CHROMATICITY = 100_000
_LUMINANCE = 10_000
_DEFAULT_PEAK = 1000.0
"""cd/m²: what a PQ picture shows at most that says nothing of it. Chromium 156 supposes the same."""


class PngColours(Struct, frozen=True):
    """The colours that the numbers of a PNG stand for, None where no chunk says anything or nothing other than sRGB's.

    `over_profile` holds whether or not the file has a profile; `under_profile` where it has none that can be used.
    """

    over_profile: ColourSpace | None = None
    under_profile: ColourSpace | None = None


def read_colours(chunks: Mapping[bytes, bytes], *, bits: int) -> PngColours:
    """From the contents of COLOUR_CHUNKS, as far as the file has them. `bits` are those of a channel."""
    coded = _coded(chunks, bits)
    if coded is not None or b"sRGB" in chunks:
        return PngColours(over_profile=coded)
    return PngColours(under_profile=_measured(chunks.get(b"gAMA"), chunks.get(b"cHRM")))


def read_palette(entries: bytes, alphas: bytes) -> tuple[bytes, ...]:
    """Red, green, blue and alpha of each entry, from the contents of PLTE and tRNS; an entry without alpha is opaque."""
    starts = range(0, len(entries) - 2, 3)
    return tuple(entries[at : at + 3] + (alphas[at // 3 : at // 3 + 1] or b"\xff") for at in starts)


def _coded(chunks: Mapping[bytes, bytes], bits: int) -> ColourSpace | None:
    """cICP. Its matrix must be 0, for a PNG is RGB; fewer than 8 bits have no narrow range (H.273, section 8.3)."""
    coded = chunks.get(b"cICP", b"")
    if len(coded) != 4 or coded[2] != 0 or coded[3] > 1:
        return None
    primaries, transfer = PRIMARIES.get(coded[0]), TRANSFERS.get(coded[1])
    if primaries is None or transfer is None:
        return None
    return ColourSpace(primaries, transfer, narrow=coded[3] == 0 and bits >= 8, peak=_peak(chunks))


def _peak(chunks: Mapping[bytes, bytes]) -> float:
    """cd/m²: the brightest pixel (cLLI), else the brightest of the display that the picture was made on (mDCV)."""
    level, display = chunks.get(b"cLLI", b""), chunks.get(b"mDCV", b"")
    told = struct.unpack_from(">I", level)[0] if len(level) == 8 else 0
    if not told and len(display) == 24:
        (told,) = struct.unpack_from(">I", display, 16)
    return told / _LUMINANCE if told else _DEFAULT_PEAK


def _measured(gamma: bytes | None, chromaticities: bytes | None) -> ColourSpace | None:
    """gAMA and cHRM; what one of them leaves open is as in sRGB."""
    curve, primaries = _curve(gamma), _primaries(chromaticities)
    if (primaries is None or primaries.are_near(BT709)) and (curve is None or _is_near_srgb(curve)):
        return None
    return ColourSpace(primaries or BT709, curve or SRGB_CURVE)


def _curve(gamma: bytes | None) -> Curve | None:
    (value,) = struct.unpack(">I", gamma) if gamma is not None and len(gamma) == 4 else (0,)
    if not _GAMMA_LIMITS[0] <= value <= _GAMMA_LIMITS[1]:
        return None
    return SRGB_CURVE if abs(value - _SRGB_GAMMA) <= _GAMMA_ROUNDING else Curve(_GAMMA / value)


def _is_near_srgb(curve: Curve) -> bool:
    return curve == SRGB_CURVE or abs(_GAMMA / curve.gamma / _SRGB_GAMMA - 1) <= _GAMMA_NEAR


def _primaries(chromaticities: bytes | None) -> Primaries | None:
    if chromaticities is None or len(chromaticities) != 32:
        return None
    values = [value / _CHROMATICITY for value in struct.unpack(">8I", chromaticities)]
    white, red, green, blue = zip(values[::2], values[1::2], strict=True)
    primaries = Primaries(red, green, blue, white)
    try:
        primaries.to_d50()
    except ValueError:
        return None
    return primaries
