"""Tone mapping of high dynamic range (PQ and HLG, BT.2100) to 8 bit sRGB.

Reference white is 203 cd/m² (BT.2408). It maps to half of the light of sRGB white, and darker light scales with it. Brighter
light is compressed into the upper half along the curve of SMPTE ST 2094-50's reference white tone mapping, as in Chromium 156.
One gain applies to all three channels, from the largest of them in BT.2020, so that hues do not change. Colours outside sRGB are
clipped.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from math import exp, log2

import pyvips

from internal.pipeline.containers.colour_space import BT709, BT2020, ColourSpace, Hdr, Matrix, between, srgb_value
from internal.pipeline.vips.pixels import Pixels

REFERENCE_WHITE = 203.0
"""cd/m² (BT.2408)."""
_HLG_PEAK, _SYSTEM_GAMMA_LESS_1 = 1000.0, 0.2
"""HLG's nominal display peak in cd/m², and its system gamma of 1.2 less 1 (BT.2100)."""
_PQ_PEAK = 10000.0
_LUMINANCE: Matrix = [[0.2627, 0.6780, 0.0593]]
"""Luminance coefficients of BT.2020."""
_STEPS = 65536
_BRIGHTEST = _PQ_PEAK / REFERENCE_WHITE
_BEND = 0.65
"""Kappa of ST 2094-50: how closely the curve follows its tangents."""


def to_sdr(colours: Pixels, space: ColourSpace, transfer: Hdr) -> Pixels:
    """The colours in 8 bit sRGB. `colours` are RGB without alpha in `space`, with 8 or 16 bits per channel."""
    light = colours.maplut(_table(_light_table(transfer, 256 if colours.format == "uchar" else _STEPS)))
    light = light.copy(interpretation="multiband")
    if not space.primaries.are_near(BT2020):
        light = light.recomb(_image(between(space.primaries, BT2020)))
    if transfer == "hlg":
        luminance = light.recomb(_image(_LUMINANCE))
        light *= (luminance > 0).ifthenelse(luminance, 0) ** _SYSTEM_GAMMA_LESS_1 * (_HLG_PEAK / REFERENCE_WHITE)
    largest = light[0].bandrank([light[1], light[2]], index=2)
    light *= (largest * ((_STEPS - 1) / _BRIGHTEST)).cast("ushort").maplut(_table(_gain_table(space.peak)))
    shown = light.recomb(_image(between(BT2020, BT709))) * (_STEPS - 1)
    return shown.rint().cast("ushort").maplut(_table(_srgb_table()).cast("uchar")).copy(interpretation="srgb")


def neutral_to_sdr(value: float, peak: float, transfer: Hdr) -> float:
    """The sRGB value, from 0 to 1, of a neutral value from 0 to 1. Primaries do not affect it."""
    light = pq_light(value)
    if transfer == "hlg":
        light = hlg_light(value) ** (1 + _SYSTEM_GAMMA_LESS_1) * _HLG_PEAK / REFERENCE_WHITE
    return srgb_value(light * gain(light, peak))


def pq_light(value: float) -> float:
    """Light of a PQ value from 0 to 1, relative to reference white (BT.2100, table 4)."""
    m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
    power = value ** (1 / m2)
    return float((max(power - c1, 0) / (c2 - c3 * power)) ** (1 / m1) * _PQ_PEAK / REFERENCE_WHITE)


def hlg_light(value: float) -> float:
    """Scene light from 0 to 1 of an HLG value from 0 to 1 (BT.2100, table 5)."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return value * value / 3 if value <= 0.5 else (exp((value - c) / a) + b) / 12


def gain(light: float, peak: float) -> float:
    """The gain for a colour whose largest channel is `light`, relative to reference white. `peak`, in cd/m², maps to white."""
    top = max(peak, REFERENCE_WHITE) / REFERENCE_WHITE
    white = 1 - 0.5 * min(log2(top) / log2(_HLG_PEAK / REFERENCE_WHITE), 1)
    if light <= 1:
        return white
    if light >= top:
        return 1 / light
    across, up = 1 + _BEND * (1 / white - 1), white + _BEND * (1 - white)  # where the Bézier curve's tangents meet
    square, line = 1 - 2 * across + top, 2 * (across - 1)
    at = (light - 1) / line if abs(square) < 1e-9 else ((line**2 + 4 * square * (light - 1)) ** 0.5 - line) / (2 * square)
    return (white * (1 - at) ** 2 + 2 * up * at * (1 - at) + at**2) / light


@lru_cache(maxsize=4)
def _light_table(transfer: Hdr, levels: int) -> list[float]:
    light: Callable[[float], float] = pq_light if transfer == "pq" else hlg_light
    return [light(step / (levels - 1)) for step in range(levels)]


@lru_cache(maxsize=4)
def _gain_table(peak: float) -> list[float]:
    return [gain(step / (_STEPS - 1) * _BRIGHTEST, peak) for step in range(_STEPS)]


@lru_cache(maxsize=1)
def _srgb_table() -> list[int]:
    return [round(255 * srgb_value(step / (_STEPS - 1))) for step in range(_STEPS)]


def _table(values: Sequence[float]) -> Pixels:
    return pyvips.Image.new_from_array([list(values)]).cast("float")


def _image(matrix: Matrix) -> Pixels:
    return pyvips.Image.new_from_array(matrix)
