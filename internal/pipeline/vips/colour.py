"""Colour operations on 8 bit pixels, sRGB or grey. Each pixel is treated independently; alpha does not change."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import pyvips

from internal.pipeline.vips.pixels import Pixels

ColourMatrix: TypeAlias = Sequence[Sequence[float]]


def apply_curve(pixels: Pixels, curve: Callable[[float], float]) -> Pixels:
    """Each colour value `v`, from 0 to 1, becomes `curve(v)`, clipped to that range and rounded. Uses a table of 256 values."""
    values = bytes(round(255 * min(max(curve(value / 255), 0.0), 1.0)) for value in range(256))
    table = pyvips.Image.new_from_memory(values, 256, 1, 1, "uchar")
    if pixels.hasalpha():
        table = table.bandjoin([*[table] * (pixels.bands - 2), pyvips.Image.identity()])
    return pixels.maplut(table).copy(interpretation=pixels.interpretation)


def apply_matrix(pixels: Pixels, matrix: ColourMatrix) -> Pixels:
    """Each (red, green, blue) is multiplied by the 3 x 3 `matrix`. A grey picture becomes a colour one."""
    coloured = to_rgb(pixels)
    if coloured.hasalpha():
        matrix = [*([*row, 0.0] for row in matrix), [0.0, 0.0, 0.0, 1.0]]
    mixed = coloured.recomb(pyvips.Image.new_from_array([list(row) for row in matrix]))
    return mixed.rint().cast("uchar").copy(interpretation="srgb")


def tint(pixels: Pixels, rgb: tuple[int, int, int]) -> Pixels:
    """The pixels in shades of `rgb`: L of CIE Lab stays; a and b are those of `rgb` and fade out towards black and white."""
    return excluding_alpha(lambda colours: colours.colourspace("b-w").maplut(_shades(rgb)).copy(interpretation="srgb"))(pixels)


def excluding_alpha(change: Callable[[Pixels], Pixels]) -> Callable[[Pixels], Pixels]:
    """A function that applies `change` to the colours only. This halves the work of a change of colour space."""

    def changed(pixels: Pixels) -> Pixels:
        if not pixels.hasalpha():
            return change(pixels)
        last = pixels.bands - 1
        return change(pixels.extract_band(0, n=last)).bandjoin(pixels.extract_band(last))

    return changed


def to_rgb(pixels: Pixels) -> Pixels:
    """The pixels with three colour channels; grey ones are converted."""
    return pixels.colourspace("srgb") if pixels.bands < 3 else pixels


def _shades(rgb: tuple[int, int, int]) -> Pixels:
    """A table of 256 sRGB colours, one for each grey value."""
    ink = pyvips.Image.black(1, 1, bands=3).linear(1, list(rgb)).cast("uchar").copy(interpretation="srgb")
    _, a, b = ink.colourspace("lab").getpoint(0, 0)
    lightness = pyvips.Image.identity().copy(interpretation="b-w").colourspace("lab").extract_band(0)
    weight = 1 - (lightness / 50 - 1) ** 2
    return lightness.bandjoin([weight * a, weight * b]).copy(interpretation="lab").colourspace("srgb")
