"""Colour chunks of a PNG, by the precedence of PNG 3, section 4.3: cICP, iCCP, sRGB, then gAMA with cHRM. Pure Python.

An invalid chunk, or one with a reserved or unspecified code point of H.273, counts as absent, and the next one decides. libvips
reads iCCP itself.
"""

import struct
from collections.abc import Mapping

from msgspec import Struct

from internal.pipeline.containers.colour_space import BT709, PRIMARIES, SRGB_CURVE, TRANSFERS, ColourSpace, Curve, Primaries

COLOUR_CHUNKS = frozenset({b"cICP", b"sRGB", b"gAMA", b"cHRM", b"cLLI", b"mDCV"})
"""Chunks that `read_colours` needs."""
_GAMMA = 100_000
"""gAMA of a gamma of 1."""
_SRGB_GAMMA = 45_455
"""gAMA that PNG 3 prescribes for sRGB's curve, which is not a pure power."""
_GAMMA_ROUNDING = 5
_GAMMA_NEAR = 0.05
"""Relative tolerance within which a gamma counts as sRGB's, as in libpng and Chromium."""
_GAMMA_LIMITS = (10_000, 1_000_000)
_CHROMATICITY = 100_000
_LUMINANCE = 10_000
_DEFAULT_PEAK = 1000.0
"""Assumed peak of a PQ picture without one, in cd/m². Chromium 156 assumes the same."""


class PngColours(Struct, frozen=True):
    """Colour space of a PNG. None means that no chunk says anything, or that it is sRGB.

    `over_profile` takes precedence over an embedded profile; `under_profile` applies only without a usable one.
    """

    over_profile: ColourSpace | None = None
    under_profile: ColourSpace | None = None


def read_colours(chunks: Mapping[bytes, bytes], *, bits: int) -> PngColours:
    """The colour space from the contents of COLOUR_CHUNKS. `bits` is the depth of a channel."""
    colour_space = _from_cicp(chunks, bits)
    if colour_space is not None or b"sRGB" in chunks:
        return PngColours(over_profile=colour_space)
    return PngColours(under_profile=_from_gamma(chunks.get(b"gAMA"), chunks.get(b"cHRM")))


def read_palette(entries: bytes, alphas: bytes) -> tuple[bytes, ...]:
    """RGBA of each palette entry, from the contents of PLTE and tRNS. An entry without alpha is opaque."""
    starts = range(0, len(entries) - 2, 3)
    return tuple(entries[at : at + 3] + (alphas[at // 3 : at // 3 + 1] or b"\xff") for at in starts)


def _from_cicp(chunks: Mapping[bytes, bytes], bits: int) -> ColourSpace | None:
    """Colour space from cICP. Its matrix must be 0 (RGB); below 8 bits there is no narrow range (H.273, section 8.3)."""
    code_points = chunks.get(b"cICP", b"")
    if len(code_points) != 4 or code_points[2] != 0 or code_points[3] > 1:
        return None
    primaries, transfer = PRIMARIES.get(code_points[0]), TRANSFERS.get(code_points[1])
    if primaries is None or transfer is None:
        return None
    return ColourSpace(primaries, transfer, narrow=code_points[3] == 0 and bits >= 8, peak=_peak(chunks))


def _peak(chunks: Mapping[bytes, bytes]) -> float:
    """Peak in cd/m²: the brightest pixel (cLLI), else the peak of the mastering display (mDCV)."""
    level, display = chunks.get(b"cLLI", b""), chunks.get(b"mDCV", b"")
    peak = struct.unpack_from(">I", level)[0] if len(level) == 8 else 0
    if not peak and len(display) == 24:
        (peak,) = struct.unpack_from(">I", display, 16)
    return peak / _LUMINANCE if peak else _DEFAULT_PEAK


def _from_gamma(gamma: bytes | None, chromaticities: bytes | None) -> ColourSpace | None:
    """Colour space from gAMA and cHRM. A missing one is taken from sRGB."""
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
