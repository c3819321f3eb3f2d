"""HDR PNG (PQ and HLG) as sRGB. Expected values are those of Chromium 156 on an SDR display."""

import struct
from itertools import pairwise

import pytest

from internal.pipeline.vips.hdr import gain, hlg_light, pq_light
from tests.pictures import png_chunk
from tests.unit.pipeline.conftest import Renderer
from tests.unit.pipeline.pngs import (
    HLG,
    PQ,
    Colour,
    cicp,
    plain,
    shown,
    sixteen,
)


@pytest.mark.parametrize(
    ("transfer", "value", "right"),
    [
        (PQ, 0.0, 0), (PQ, 0.1, 3), (PQ, 0.3, 44), (PQ, 0.5, 131), (PQ, 0.58, 187), (PQ, 0.65, 222), (PQ, 0.75, 255),
        (PQ, 1.0, 255),
        (HLG, 0.0, 0), (HLG, 0.1, 9), (HLG, 0.3, 54), (HLG, 0.5, 99), (HLG, 0.65, 143), (HLG, 0.75, 188), (HLG, 0.85, 221),
        (HLG, 0.95, 245), (HLG, 1.0, 255),
    ],
)  # fmt: skip
@pytest.mark.parametrize("bands", [1, 3])
def test_high_dynamic_range_is_shown_as_on_a_plain_display(
    transfer: int, value: float, right: int, bands: int, rendered: Renderer
) -> None:
    assert shown(rendered, plain(sixteen(*[value] * bands), cicp(9, transfer, 0, 1), deep=True)) == pytest.approx(
        [right] * bands, abs=1
    )


@pytest.mark.parametrize(
    ("transfer", "primaries", "values", "right"),
    [
        (PQ, 9, (0.6, 0.3, 0.3), (249, 0, 31)),
        (PQ, 1, (0.6, 0.3, 0.3), (204, 44, 44)),
        (PQ, 12, (0.58, 0.5, 0.4), (197, 128, 69)),
        (PQ, 9, (0.58, 0.5, 0.4), (216, 122, 68)),
        (PQ, 1, (0.75, 0.75, 0.2), (255, 255, 8)),
        (PQ, 9, (0.2, 0.9, 0.2), (0, 255, 0)),
        (HLG, 9, (0.6, 0.3, 0.3), (141, 43, 56)),
        (HLG, 1, (0.9, 0.2, 0.2), (246, 40, 40)),
        (HLG, 12, (0.3, 0.6, 0.3), (29, 125, 52)),
        (HLG, 9, (0.58, 0.5, 0.4), (128, 98, 77)),
    ],
)
def test_colours_of_high_dynamic_range(transfer: int, primaries: int, values: Colour, right: Colour, rendered: Renderer) -> None:
    chunk = cicp(primaries, transfer, 0, 1)

    assert shown(rendered, plain(sixteen(*values), chunk, deep=True)) == pytest.approx(right, abs=1)
    assert shown(rendered, plain(sixteen(*values, 0.4), chunk, deep=True)) == pytest.approx((*right, 102), abs=1)
    assert shown(rendered, plain([round(255 * value) for value in values], chunk)) == pytest.approx(right, abs=6)


def test_eight_bits_of_high_dynamic_range(rendered: Renderer) -> None:
    assert shown(rendered, plain([148] * 3, cicp(9, PQ, 0, 1))) == pytest.approx([187] * 3, abs=1)
    assert shown(rendered, plain([191], cicp(9, HLG, 0, 1))) == pytest.approx([188], abs=1)


@pytest.mark.parametrize(
    ("told", "white", "at_four"),
    [
        ([], 187, 249),
        ([png_chunk(b"cLLI", struct.pack(">II", 1000 * 10_000, 0))], 187, 249),
        ([png_chunk(b"cLLI", struct.pack(">II", 4000 * 10_000, 0))], 187, 221),
        ([png_chunk(b"cLLI", struct.pack(">II", 400 * 10_000, 0))], 229, 255),
        ([png_chunk(b"cLLI", struct.pack(">II", 203 * 10_000, 0))], 255, 255),
        ([png_chunk(b"cLLI", bytes(8)), png_chunk(b"mDCV", struct.pack(">8HII", *[0] * 8, 4000 * 10_000, 50))], 187, 221),
        ([png_chunk(b"cLLI", bytes(7)), png_chunk(b"mDCV", bytes(23))], 187, 249),
    ],
    ids=["nothing", "1000", "4000", "400", "no more than white", "by the display", "cut"],
)
def test_how_bright_a_picture_gets_says_where_white_is(told: list[bytes], white: int, at_four: int, rendered: Renderer) -> None:
    """Reference white and four times its luminance."""
    for light, right in ((1, white), (4, at_four)):
        value = _pq_value(light * 203)
        assert shown(rendered, plain(sixteen(value, value, value), cicp(9, PQ, 0, 1), *told, deep=True))[0] == pytest.approx(
            right, abs=1
        )


def _pq_value(luminance: float) -> float:
    power = (luminance / 10_000) ** (2610 / 16384)
    return float(((3424 / 4096 + 2413 / 128 * power) / (1 + 2392 / 128 * power)) ** (2523 / 32))


def test_the_light_of_pq_and_hlg() -> None:
    """BT.2408, table 1: reference white is at 58 % of PQ and at 75 % of HLG."""
    assert pq_light(0.58) == pytest.approx(1, abs=0.01)
    assert pq_light(1) * 203 == pytest.approx(10_000)
    assert hlg_light(0.75) ** 1.2 * 1000 == pytest.approx(203, abs=1)
    assert [hlg_light(0.5), hlg_light(1)] == pytest.approx([1 / 12, 1])


@pytest.mark.parametrize("peak", [1, 203, 204, 400, 1000, 4000, 10_000])
def test_the_tone_curve_rises_from_black_to_white(peak: float) -> None:
    shown = [light / 100 * gain(light / 100, peak) for light in range(1, 6000)]

    assert all(one <= other + 1e-9 for one, other in pairwise(shown))
    assert shown[-1] == pytest.approx(1)
    assert max(shown) <= 1 + 1e-9
