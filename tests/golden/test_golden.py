"""Results are stable: each golden picture is reproduced without visible differences.

To change a picture on purpose: `python -m tests.golden.draw NAME`, and look at it. A CIEDE2000 difference of 1 is just noticeable
side by side. Versions of libvips round differently, so single pixels may differ by more.
"""

from pathlib import Path

import pytest
import pyvips

from tests.golden.cases import EXPECTED, Case, cases, drawn

MEAN, LARGEST, ALPHA = 0.5, 8.0, 6


def shown(image: pyvips.Image) -> pyvips.Image:
    """The visible picture over grey, in Lab."""
    opaque = image.flatten(background=128) if image.hasalpha() else image
    return opaque.copy(interpretation="b-w" if opaque.bands == 1 else "srgb").colourspace("lab")


@pytest.mark.parametrize("case", list(cases()), ids=lambda case: case.name)
def test_the_picture_is_the_golden_one(case: Case, tmp_path: Path) -> None:
    assert case.expected.exists(), f"no golden picture yet: python -m tests.golden.draw {case.name}"
    golden, made = pyvips.Image.new_from_file(str(case.expected)), drawn(case, tmp_path)

    assert (made.width, made.height, made.hasalpha()) == (golden.width, golden.height, golden.hasalpha())
    difference = shown(made).dE00(shown(golden))
    assert difference.avg() < MEAN
    assert difference.max() < LARGEST
    if made.hasalpha():
        assert (made[made.bands - 1].cast("int") - golden[golden.bands - 1].cast("int")).abs().max() <= ALPHA


def test_no_golden_picture_is_left_over() -> None:
    assert {path.stem for path in EXPECTED.glob("*.png")} == {case.name for case in cases()}
