"""Colour operations on single colours, against their formulas. Those of CSS are as in browsers."""

import pytest
import pyvips

from internal.pipeline.vips.picture import Picture
from tests import pictures
from tests.unit.pipeline.conftest import apply_chain

COLOURS = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0), (128, 128, 128), (100, 200, 250)]


def plain(*values: int) -> Picture:
    """A picture of one colour. The number of channels selects grey or sRGB and alpha."""
    pixels = pyvips.Image.black(6, 4, bands=len(values)).linear(1, list(values)).cast("uchar")
    return Picture(pixels.copy(interpretation="srgb" if len(values) > 2 else "b-w"))


def shown(picture: Picture) -> tuple[float, ...]:
    assert picture.pixels.format == "uchar"
    assert picture.pixels.interpretation == ("b-w" if picture.is_grey else "srgb")
    return tuple(picture.pixels.getpoint(3, 2))


KNOWN = [
    ("brightness:1.2", (100, 200, 250), (120, 240, 255)),
    ("brightness:0", (100, 200, 250), (0, 0, 0)),
    ("contrast:1.1", (100, 200, 250), (97, 207, 255)),
    ("contrast:2", (40, 128, 200), (0, 128, 255)),
    ("contrast:0", (40, 128, 200), (128, 128, 128)),
    ("gamma:2.2", (0, 128, 255), (0, 186, 255)),
    ("gamma:0.5", (0, 128, 255), (0, 64, 255)),
    ("invert", (100, 200, 250), (155, 55, 5)),
    ("saturation:0", (255, 0, 0), (54, 54, 54)),
    ("saturation:0", (0, 255, 0), (182, 182, 182)),
    ("saturation:0.8", (255, 0, 0), (215, 11, 11)),
    ("saturation:2", (100, 150, 120), (63, 163, 103)),
    ("hue:0", (100, 200, 250), (100, 200, 250)),
    ("hue:120", (255, 0, 0), (0, 113, 0)),
    ("hue:180", (255, 0, 0), (0, 109, 109)),
    ("hue:-180", (255, 0, 0), (0, 109, 109)),
    ("hue:90", (255, 0, 0), (0, 91, 0)),
    ("sepia", (255, 0, 0), (100, 89, 69)),
    ("sepia", (0, 255, 0), (196, 175, 136)),
    ("sepia", (0, 0, 255), (48, 43, 33)),
    ("sepia", (255, 255, 255), (255, 255, 239)),
    ("sepia:0.5", (255, 0, 0), (178, 44, 35)),
    ("sepia:0", (100, 200, 250), (100, 200, 250)),
]


@pytest.mark.parametrize(("chain", "given", "expected"), KNOWN)
def test_a_colour_becomes_what_the_formula_says(chain: str, given: tuple[int, ...], expected: tuple[int, ...]) -> None:
    assert shown(apply_chain(chain, plain(*given))) == expected


@pytest.mark.parametrize("alpha", [0, 77, 255])
@pytest.mark.parametrize(("chain", "given", "expected"), KNOWN)
def test_the_transparency_stays_and_changes_no_colour(
    chain: str, given: tuple[int, ...], expected: tuple[int, ...], alpha: int
) -> None:
    assert shown(apply_chain(chain, plain(*given, alpha))) == (*expected, alpha)


GREYS = [
    ("brightness:1.2", (120,)),
    ("contrast:1.1", (97,)),
    ("gamma:2.2", (167,)),
    ("invert", (155,)),
    ("saturation:2", (100,)),
    ("hue:77", (100,)),
    ("grayscale", (100,)),
    ("sepia", (135, 120, 94)),
]


@pytest.mark.parametrize(("chain", "expected"), GREYS)
def test_grey_stays_grey_unless_it_is_given_a_colour(chain: str, expected: tuple[int, ...]) -> None:
    assert shown(apply_chain(chain, plain(100))) == expected
    assert shown(apply_chain(chain, plain(100, 77))) == (*expected, 77)


@pytest.mark.parametrize("chain", ["brightness:1", "contrast:1", "gamma:1", "saturation:1", "hue:360", "sepia:0"])
@pytest.mark.parametrize("colour", COLOURS)
def test_the_neutral_value_changes_nothing(chain: str, colour: tuple[int, ...]) -> None:
    assert shown(apply_chain(chain, plain(*colour))) == colour


def _lab(*rgb: float) -> list[float]:
    pixel = pyvips.Image.black(1, 1, bands=3).linear(1, list(rgb)).cast("uchar").copy(interpretation="srgb")
    return list(pixel.colourspace("lab").getpoint(0, 0))


@pytest.mark.parametrize("grey", [64, 110, 128, 180])
@pytest.mark.parametrize("rgb", [(200, 80, 60), (60, 120, 90), (70, 90, 160)])
def test_tint_keeps_the_lightness_and_gives_its_colour(rgb: tuple[int, int, int], grey: int) -> None:
    tinted = shown(apply_chain(f"tint:{bytes(rgb).hex()}", plain(grey, grey, grey, 9)))

    light, a, b = _lab(*tinted[:3])
    wanted = _lab(grey, grey, grey)[0]
    weight = 1 - 4 * (wanted / 100 - 0.5) ** 2
    assert tinted[3] == 9
    assert light == pytest.approx(wanted, abs=1)
    assert (a, b) == pytest.approx([weight * part for part in _lab(*rgb)[1:]], abs=1.5)


@pytest.mark.parametrize("given", [(0,), (255,), (0, 0, 0), (255, 255, 255)])
def test_tint_leaves_black_and_white(given: tuple[int, ...]) -> None:
    assert shown(apply_chain("tint:ff8800", plain(*given))) == given[:1] * 3


@pytest.mark.parametrize("colour", COLOURS)
def test_grayscale_keeps_the_lightness(colour: tuple[int, int, int]) -> None:
    (grey,) = shown(apply_chain("grayscale", plain(*colour)))

    assert _lab(grey, grey, grey)[0] == pytest.approx(_lab(*colour)[0], abs=0.6)


def test_every_pixel_is_treated_by_itself_also_in_an_animation() -> None:
    roll = Picture(pictures.animation(4, 8, 6), 4, [50, 60, 70, 80], 2)

    made = apply_chain("brightness:0.5|invert", roll)

    assert (made.frames, made.delays, made.loop) == (4, [50, 60, 70, 80], 2)
    for number, colour in enumerate(pictures.QUARTERS):
        assert made.pixels.getpoint(1, 6 * number + 1) == [255 - value / 2 for value in colour]
