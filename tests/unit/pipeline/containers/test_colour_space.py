"""Colour space arithmetic against published numbers."""

import pytest

from internal.pipeline.containers.colour_space import BT709, BT2020, PRIMARIES, TRANSFERS, Primaries, between


def test_white_stays_white_between_primaries() -> None:
    for primaries in PRIMARIES.values():
        assert [sum(row) for row in between(primaries, BT709)] == pytest.approx([1, 1, 1], abs=1e-4)
    assert between(BT2020, BT709)[0] == pytest.approx([1.6605, -0.5876, -0.0728], abs=2e-4)  # BT.2087, table 4


def test_the_d50_colours_of_srgb_are_those_of_its_profile() -> None:
    """IEC 61966-2-1, as in every sRGB profile."""
    right = [[0.4361, 0.3851, 0.1431], [0.2225, 0.7169, 0.0606], [0.0139, 0.0971, 0.7142]]
    for row, expected in zip(BT709.to_d50(), right, strict=True):
        assert row == pytest.approx(expected, abs=4e-4)


def test_nearly_the_same_primaries_are_the_same() -> None:
    assert BT709.are_near(Primaries((0.6401, 0.3300), (0.3, 0.6001), (0.15, 0.06), (0.3127, 0.3291)))
    assert not any(BT709.are_near(primaries) for code, primaries in PRIMARIES.items() if code != 1)
    assert set(TRANSFERS) >= {1, 4, 5, 6, 8, 13, 14, 15, 16, 18}
