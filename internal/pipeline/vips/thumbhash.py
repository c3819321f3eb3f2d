"""ThumbHash (https://evanw.github.io/thumbhash/): a placeholder for a picture in about 25 bytes. Pure Python.

A cosine transform of lightness (7 by 7 waves, or 5 by 5 if there is alpha), two colour differences (3 by 3) and alpha (5 by 5).
The low half of each is kept with 4 bits per wave. The transform is separable, rows first and then columns: 32 by 32 pixels
take about one millisecond.
"""

from collections.abc import Sequence
from functools import cache
from math import cos, floor, pi
from operator import mul
from typing import TypeAlias

Waves: TypeAlias = tuple[float, list[float], float]
"""The constant part, the waves from 0 to 1 around 0.5, and the scale of that 0.5."""

_LARGEST = 100


def thumbhash(width: int, height: int, rgba: Sequence[int]) -> bytes:
    """The hash of `width * height` RGBA pixels, not premultiplied. Raises ValueError for sides above 100."""
    if width > _LARGEST or height > _LARGEST:
        raise ValueError(f"a thumbhash is made of a picture of at most {_LARGEST} by {_LARGEST} pixels")
    opacity = [value / 255 for value in rgba[3::4]]
    has_alpha = min(opacity) < 1
    red, green, blue = (_over_average(rgba[band::4], opacity) for band in range(3))
    lightness = [(r + g + b) / 3 for r, g, b in zip(red, green, blue, strict=True)]
    yellow_blue = [(r + g) / 2 - b for r, g, b in zip(red, green, blue, strict=True)]
    red_green = [r - g for r, g in zip(red, green, strict=True)]

    limit, longest = 5 if has_alpha else 7, max(width, height)
    across, down = max(1, _rounded(limit * width / longest)), max(1, _rounded(limit * height / longest))
    l_dc, l_ac, l_scale = _transformed(lightness, width, height, max(3, across), max(3, down))
    p_dc, p_ac, p_scale = _transformed(yellow_blue, width, height, 3, 3)
    q_dc, q_ac, q_scale = _transformed(red_green, width, height, 3, 3)

    is_wide = width > height
    colour = _rounded(63 * l_dc) | _rounded(31.5 + 31.5 * p_dc) << 6 | _rounded(31.5 + 31.5 * q_dc) << 12
    shape = (down if is_wide else across) | _rounded(63 * p_scale) << 3 | _rounded(63 * q_scale) << 9 | is_wide << 15
    head = (colour | _rounded(31 * l_scale) << 18 | has_alpha << 23).to_bytes(3, "little") + shape.to_bytes(2, "little")
    if not has_alpha:
        return head + _packed([*l_ac, *p_ac, *q_ac])
    a_dc, a_ac, a_scale = _transformed(opacity, width, height, 5, 5)
    head += bytes([_rounded(15 * a_dc) | _rounded(15 * a_scale) << 4])
    return head + _packed([*l_ac, *p_ac, *q_ac, *a_ac])


def _over_average(band: Sequence[int], opacity: list[float]) -> list[float]:
    """The band from 0 to 1, composited over its own average, so that transparent pixels have no weight."""
    visible = sum(opacity)
    if visible == len(band):
        return [value / 255 for value in band]
    average = sum(map(mul, band, opacity)) / 255 / visible if visible else 0.0
    return [average * (1 - share) + share * value / 255 for value, share in zip(band, opacity, strict=True)]


def _transformed(values: list[float], width: int, height: int, across: int, down: int) -> Waves:
    """The low half of the waves: each of the `down` rows of waves is shorter than the one before."""
    area = width * height
    rows = [values[start : start + width] for start in range(0, area, width)]
    columns = [[sum(map(mul, row, wave)) for row in rows] for wave in (_cosines(width, x) for x in range(across))]
    constant, *rest = (
        sum(map(mul, columns[x], _cosines(height, y))) / area
        for y in range(down)
        for x in range(across)
        if x * down < across * (down - y)
    )
    scale = max(map(abs, rest))
    return constant, [0.5 + 0.5 / scale * wave for wave in rest] if scale else rest, scale


@cache
def _cosines(length: int, wave: int) -> list[float]:
    return [cos(pi / length * wave * (place + 0.5)) for place in range(length)]


def _packed(waves: list[float]) -> bytes:
    """Four bits each, the first one low."""
    nibbles = [_rounded(15 * wave) for wave in waves]
    nibbles += [0] * (len(nibbles) % 2)
    return bytes(low | high << 4 for low, high in zip(nibbles[::2], nibbles[1::2], strict=True))


def _rounded(value: float) -> int:
    """Rounds half up, as the specification does. Python's own `round` rounds half to even."""
    return floor(value + 0.5)
