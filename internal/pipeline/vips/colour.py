"""Colour arithmetic on 8 bit pixels, sRGB or grey. Alpha stays as it is, and each pixel is treated by itself."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import pyvips

Pixels: TypeAlias = pyvips.Image
Matrix: TypeAlias = Sequence[Sequence[float]]


def through_curve(pixels: Pixels, curve: Callable[[float], float]) -> Pixels:
    """Each colour value `v`, from 0 to 1, becomes `curve(v)`, clipped to that range and rounded. By a table of 256 values."""
    values = bytes(round(255 * min(max(curve(value / 255), 0.0), 1.0)) for value in range(256))
    table = pyvips.Image.new_from_memory(values, 256, 1, 1, "uchar")
    if pixels.hasalpha():
        table = table.bandjoin([*[table] * (pixels.bands - 2), pyvips.Image.identity()])
    return pixels.maplut(table).copy(interpretation=pixels.interpretation)


def through_matrix(pixels: Pixels, matrix: Matrix) -> Pixels:
    """Red, green and blue become the three rows of `matrix` times red, green and blue. A grey picture becomes a colour one."""
    coloured = in_colour(pixels)
    if coloured.hasalpha():
        matrix = [*([*row, 0.0] for row in matrix), [0.0, 0.0, 0.0, 1.0]]
    mixed = coloured.recomb(pyvips.Image.new_from_array([list(row) for row in matrix]))
    return mixed.rint().cast("uchar").copy(interpretation="srgb")


def tinted(pixels: Pixels, rgb: tuple[int, int, int]) -> Pixels:
    """In shades of one colour: L of CIE Lab is the picture's, a and b are those of `rgb` and fade out to black and white."""
    return beside_alpha(lambda colours: colours.colourspace("b-w").maplut(_shades(rgb)).copy(interpretation="srgb"))(pixels)


def beside_alpha(change: Callable[[Pixels], Pixels]) -> Callable[[Pixels], Pixels]:
    """`change` applied to the colours alone, which is half the work where it goes through another colour space."""

    def changed(pixels: Pixels) -> Pixels:
        if not pixels.hasalpha():
            return change(pixels)
        last = pixels.bands - 1
        return change(pixels.extract_band(0, n=last)).bandjoin(pixels.extract_band(last))

    return changed


def in_colour(pixels: Pixels) -> Pixels:
    """With three channels for colour, also when it is grey."""
    return pixels.colourspace("srgb") if pixels.bands < 3 else pixels


def _shades(rgb: tuple[int, int, int]) -> Pixels:
    """The colour in sRGB for each of the 256 greys."""
    ink = pyvips.Image.black(1, 1, bands=3).linear(1, list(rgb)).cast("uchar").copy(interpretation="srgb")
    _, a, b = ink.colourspace("lab").getpoint(0, 0)
    lightness = pyvips.Image.identity().copy(interpretation="b-w").colourspace("lab").extract_band(0)
    weight = 1 - (lightness / 50 - 1) ** 2
    return lightness.bandjoin([weight * a, weight * b]).copy(interpretation="lab").colourspace("srgb")
