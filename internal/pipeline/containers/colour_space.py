"""RGB colour spaces as numbers: primaries, white point and transfer function, with the code points of ITU-T H.273.

Pure Python. `Matrix` is a list of three rows; chromaticities are CIE 1931 x and y.
"""

from typing import Literal, TypeAlias

from msgspec import Struct

Chromaticity: TypeAlias = tuple[float, float]
Matrix: TypeAlias = list[list[float]]
Vector: TypeAlias = list[float]
Hdr = Literal["pq", "hlg"]

_NEAR = 0.002
"""Tolerance within which chromaticities are equal: files round them to 0.001, and sRGB's own profile is off by that."""
_BRADFORD: Matrix = [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
"""Bradford matrix from XYZ to cone responses, for chromatic adaptation (ICC.1:2022, annex E)."""
_FURTHEST = 10
"""The largest allowed change of a cone response in an adaptation. From candlelight to D50 it is 6."""
D50: Vector = [0.9642, 1.0, 0.8249]
"""XYZ of the ICC's white."""


class Curve(Struct, frozen=True):
    """Transfer function from a stored value `v` to light: `(scale * v + offset) ** gamma`; `slope * v` below `knee`."""

    gamma: float
    scale: float = 1.0
    offset: float = 0.0
    slope: float = 0.0
    knee: float = 0.0

    def light(self, value: float) -> float:
        """Light of a stored value, both from 0 to 1."""
        return float((self.scale * value + self.offset) ** self.gamma) if value >= self.knee else self.slope * value


class Primaries(Struct, frozen=True):
    """The chromaticities of full red, green and blue, and of white."""

    red: Chromaticity
    green: Chromaticity
    blue: Chromaticity
    white: Chromaticity

    def are_near(self, other: "Primaries") -> bool:
        """True if the difference is not visible."""
        pairs = zip((self.red, self.green, self.blue, self.white), (other.red, other.green, other.blue, other.white), strict=True)
        return all(abs(a - b) < _NEAR for one, two in pairs for a, b in zip(one, two, strict=True))

    def to_xyz(self) -> Matrix:
        """The matrix from linear RGB to XYZ, with Y = 1 for white.

        Raises ValueError if the primaries do not enclose their white point, or no light has that white point.
        """
        if min(self.white) <= 0 or sum(self.white) >= 1:
            raise ValueError("no white")
        columns = [[x, y, 1 - x - y] for x, y in (self.red, self.green, self.blue)]
        unscaled = [list(row) for row in zip(*columns, strict=True)]
        scale = _times(inverse(unscaled), _xyz_of(self.white))
        if min(scale) <= 0:
            raise ValueError("white outside of the primaries")
        return [[value * factor for value, factor in zip(row, scale, strict=True)] for row in unscaled]

    def to_d50(self) -> Matrix:
        """The matrix from linear RGB to the ICC's profile connection space, XYZ adapted to D50. Raises ValueError as to_xyz."""
        xyz = self.to_xyz()
        return product(adaptation(_xyz_of(self.white), D50), xyz)


class ColourSpace(Struct, frozen=True):
    """An RGB colour space.

    `narrow`: black is 16 and white 235 of 255, as in video. `peak` is the peak luminance of an HDR picture in cd/m².
    """

    primaries: Primaries
    transfer: Curve | Hdr
    narrow: bool = False
    peak: float = 1000.0

    @property
    def is_srgb(self) -> bool:
        return self.transfer == SRGB_CURVE and self.primaries.are_near(BT709) and not self.narrow


_D65, _C, _DCI, _E = (0.3127, 0.3290), (0.310, 0.316), (0.314, 0.351), (1 / 3, 1 / 3)
_SMPTE_C = Primaries((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), _D65)

BT709 = Primaries((0.640, 0.330), (0.300, 0.600), (0.150, 0.060), _D65)
BT2020 = Primaries((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), _D65)
SRGB_CURVE = Curve(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)

PRIMARIES: dict[int, Primaries] = {
    1: BT709,
    4: Primaries((0.67, 0.33), (0.21, 0.71), (0.14, 0.08), _C),
    5: Primaries((0.64, 0.33), (0.29, 0.60), (0.15, 0.06), _D65),
    6: _SMPTE_C,
    7: _SMPTE_C,
    8: Primaries((0.681, 0.319), (0.243, 0.692), (0.145, 0.049), _C),
    9: BT2020,
    10: Primaries((1.0, 0.0), (0.0, 1.0), (0.0, 0.0), _E),
    11: Primaries((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), _DCI),
    12: Primaries((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), _D65),
    22: Primaries((0.630, 0.340), (0.295, 0.605), (0.155, 0.077), _D65),
}
"""ColourPrimaries of H.273, table 2. Other code points are reserved or unspecified."""

_BT1886 = Curve(2.4)
TRANSFERS: dict[int, Curve | Hdr] = {
    1: _BT1886,
    4: Curve(2.2),
    5: Curve(2.8),
    6: _BT1886,
    7: Curve(1 / 0.45, 1 / 1.1115, 0.1115 / 1.1115, 1 / 4, 0.0912),
    8: Curve(1.0),
    11: _BT1886,
    13: SRGB_CURVE,
    14: _BT1886,
    15: _BT1886,
    16: "pq",
    17: Curve(2.6, (52.37 / 48) ** (1 / 2.6)),
    18: "hlg",
}
"""TransferCharacteristics of H.273, table 3, as display functions.

For BT.709, BT.601, BT.2020 and xvYCC the table gives the camera's function; such pictures are viewed on displays with BT.1886,
and Chromium 156 shows them so. Not supported: logarithmic functions and BT.1361, which Chromium does not support either.
"""


def srgb_value(light: float) -> float:
    """The sRGB value, from 0 to 1, of light from 0 to 1. Other light is clipped (IEC 61966-2-1)."""
    light = min(max(light, 0.0), 1.0)
    return float(light * 12.92 if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055)


def adaptation(white: Vector, to: Vector) -> Matrix:
    """The Bradford adaptation from XYZ under one white point to another. Raises ValueError if they are implausibly far apart."""
    cones = list(zip(_times(_BRADFORD, to), _times(_BRADFORD, white), strict=True))
    if any(here * _FURTHEST < there or there * _FURTHEST < here for there, here in cones):
        raise ValueError("no white")
    gains = [there / here for there, here in cones]
    scaled = [[gain * value for value in row] for gain, row in zip(gains, _BRADFORD, strict=True)]
    return product(inverse(_BRADFORD), scaled)


def between(one: Primaries, other: Primaries) -> Matrix:
    """The matrix from linear RGB of `one` to linear RGB of `other`. White stays white."""
    return product(inverse(other.to_d50()), one.to_d50())


def product(left: Matrix, right: Matrix) -> Matrix:
    return [[sum(a * b for a, b in zip(row, column, strict=True)) for column in zip(*right, strict=True)] for row in left]


def inverse(matrix: Matrix) -> Matrix:
    """The inverse of a 3 x 3 matrix. Raises ValueError if it is singular."""
    (a, b, c), (d, e, f), (g, h, i) = matrix
    minors = [[e * i - f * h, c * h - b * i, b * f - c * e], [f * g - d * i, a * i - c * g, c * d - a * f]]
    minors.append([d * h - e * g, b * g - a * h, a * e - b * d])
    determinant = a * minors[0][0] + b * minors[1][0] + c * minors[2][0]
    if abs(determinant) < 1e-9:
        raise ValueError("three colours on a line")
    return [[minor / determinant for minor in row] for row in minors]


def _times(matrix: Matrix, vector: Vector) -> Vector:
    return [sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix]


def _xyz_of(white: Chromaticity) -> Vector:
    x, y = white
    return [x / y, 1.0, (1 - x - y) / y]
