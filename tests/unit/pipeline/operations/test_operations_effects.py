"""Operations on neighbourhoods and areas: pixelate, round, sharpen, blur."""

from math import pi

import pytest
import pyvips

from internal.pipeline.vips.picture import Picture
from tests import pictures
from tests.pictures import BLUE, GREEN, RED, WHITE
from tests.unit.pipeline.conftest import Renderer, apply_chain

PNG = "image/png"


def halves() -> Picture:
    """Left opaque white, right fully transparent with a hidden red; 20x10."""
    left = pyvips.Image.black(10, 10, bands=4).linear(1, [255, 255, 255, 255])
    right = pyvips.Image.black(10, 10, bands=4).linear(1, [255, 0, 0, 0])
    return Picture(left.join(right, "horizontal").cast("uchar").copy(interpretation="srgb"))


def test_pixelate_gives_each_square_its_average() -> None:
    ramp = pyvips.Image.xyz(20, 10)[0].linear(10, 0).cast("uchar").copy(interpretation="b-w")

    made = apply_chain("pixelate:8", Picture(ramp)).pixels

    assert (made.width, made.height) == (20, 10)
    assert [made.getpoint(x, 3)[0] for x in (0, 7, 8, 15)] == [35, 35, 115, 115]
    assert made.getpoint(16, 9) == made.getpoint(19, 0) == [175]


def test_a_square_larger_than_the_picture_is_its_average() -> None:
    made = apply_chain("pixelate:100", Picture(pictures.scene(20, 20))).pixels

    average = [sum(colour[band] for colour in (RED, GREEN, BLUE, WHITE)) / 4 for band in range(3)]
    assert made.getpoint(0, 0) == made.getpoint(19, 19) == pytest.approx(average, abs=1)


@pytest.mark.parametrize("chain", ["pixelate:4", "pixelate:20", "blur:2"])
def test_hidden_colours_do_not_bleed(chain: str) -> None:
    made = apply_chain(chain, halves()).pixels

    for x in range(20):
        *colour, alpha = made.getpoint(x, 5)
        assert alpha == 0 or colour == [255, 255, 255], x


@pytest.mark.parametrize("hidden", [(0, 0, 0), (255, 255, 255), (255, 0, 0)])
def test_sharpen_does_not_see_what_is_hidden_by_transparency(hidden: tuple[int, int, int]) -> None:
    """A plain colour beside it and its alpha do not change."""
    left, right = (pyvips.Image.black(20, 10, bands=4).linear(1, pixel) for pixel in ([180, 60, 60, 255], [*hidden, 0]))
    both = left.join(right, "horizontal").cast("uchar").copy(interpretation="srgb")

    made = apply_chain("sharpen:2", Picture(both)).pixels

    assert [made.getpoint(x, 5) for x in range(20)] == [pytest.approx([180, 60, 60, 255], abs=2)] * 20
    assert {made.getpoint(x, 5)[3] for x in range(20, 40)} == {0}


@pytest.mark.parametrize("sigma", [9.9, 10.1, 11, 19, 40, 100])
@pytest.mark.parametrize("pixel", [(200, 100, 50), (7,), (200, 100, 50, 77)])
def test_a_blur_of_any_strength_keeps_a_plain_colour(sigma: float, pixel: tuple[int, ...]) -> None:
    pixels = pyvips.Image.black(64, 48, bands=len(pixel)).linear(1, list(pixel)).cast("uchar")

    made = apply_chain(f"blur:{sigma}", Picture(pixels.copy(interpretation="srgb" if len(pixel) > 2 else "b-w"))).pixels

    assert (made.width, made.height) == (64, 48)
    assert made.getpoint(0, 0) == made.getpoint(30, 20) == pytest.approx(pixel, abs=1)


@pytest.mark.parametrize("sigma", [9, 14, 30])
def test_sigma_is_the_width_of_an_edge(sigma: float) -> None:
    """A step from black to white is at 16 % one sigma before its centre and at 84 % one sigma after it; the tails are cut."""
    step = (pyvips.Image.xyz(400, 8)[0] >= 200).copy(interpretation="b-w")

    made = apply_chain(f"blur:{sigma}", Picture(step)).pixels

    before, behind = (made.getpoint(200 + round(side * sigma), 4)[0] / 255 for side in (-1, 1))
    assert (before, behind) == (pytest.approx(0.16, abs=0.03), pytest.approx(0.84, abs=0.03))


@pytest.mark.parametrize("chain", ["blur:0.3", "pixelate:2"])
@pytest.mark.parametrize("pixel", [(200, 100, 50, 77), (1, 2, 3, 255), (254, 253, 128, 3), (200, 9)])
def test_a_plain_picture_keeps_its_colour_and_its_transparency(chain: str, pixel: tuple[int, ...]) -> None:
    pixels = pyvips.Image.black(64, 48, bands=len(pixel)).linear(1, list(pixel)).cast("uchar")

    made = apply_chain(chain, Picture(pixels.copy(interpretation="srgb" if len(pixel) == 4 else "b-w")))

    assert tuple(made.pixels.getpoint(30, 20)) == pixel


@pytest.mark.parametrize("alpha", [False, True])
def test_sharpen_makes_edges_steeper_and_leaves_the_rest(alpha: bool) -> None:
    """Two greys side by side, above a transparent area."""
    step = (pyvips.Image.xyz(64, 48)[0] >= 32).ifthenelse(160, 80)
    opaque = (pyvips.Image.xyz(64, 48)[1] < 24).cast("uchar")
    pixels = step.bandjoin([step, step, opaque] if alpha else [step, step]).cast("uchar").copy(interpretation="srgb")
    soft = apply_chain("blur:1.5", Picture(pixels))

    made = apply_chain("sharpen:1.5", soft)

    assert made.pixels.bands == soft.pixels.bands
    assert made.pixels.getpoint(3, 3) == pytest.approx(soft.pixels.getpoint(3, 3), abs=1)
    before, after = (picture.pixels.getpoint(33, 8)[0] - picture.pixels.getpoint(30, 8)[0] for picture in (soft, made))
    assert after > before + 3
    if alpha:
        assert (made.pixels[3].cast("int") - soft.pixels[3].cast("int")).abs().max() == 0


def opacity(picture: Picture) -> pyvips.Image:
    return picture.pixels.extract_band(picture.pixels.bands - 1)


@pytest.mark.parametrize(
    ("radius", "size", "share"),
    [
        ("10", (60, 40), 1 - (4 - pi) * 100 / 2400),
        ("20", (60, 40), 1 - (4 - pi) * 400 / 2400),
        ("999", (60, 40), 1 - (4 - pi) * 400 / 2400),
        ("ellipse", (60, 40), pi / 4),
        ("ellipse", (61, 37), pi / 4),
        ("50", (100, 100), pi / 4),
        ("1", (60, 40), 1 - (4 - pi) / 2400),
    ],
)
def test_round_leaves_the_area_that_geometry_says(radius: str, size: tuple[int, int], share: float) -> None:
    made = apply_chain(f"round:{radius}", Picture(pictures.scene(*size)))

    assert opacity(made).avg() / 255 == pytest.approx(share, abs=0.002)
    assert opacity(made).getpoint(size[0] // 2, size[1] // 2) == [255]
    for mirrored in (opacity(made).fliphor(), opacity(made).flipver()):
        assert (opacity(made) - mirrored).abs().max() == 0


def test_round_has_smooth_edges_and_leaves_the_colours() -> None:
    made = apply_chain("round:20", Picture(pictures.scene(64, 48)))

    assert opacity(made).getpoint(0, 0) == [0]
    assert len({opacity(made).getpoint(x, y)[0] for x in range(20) for y in range(20)}) > 8
    assert (made.pixels[:3] - pictures.scene(64, 48)).abs().max() == 0


def test_round_never_adds_opacity() -> None:
    made = apply_chain("round:10", Picture(pictures.alpha_scene(64, 48)))

    assert opacity(made).getpoint(16, 24) == [255]
    assert opacity(made).getpoint(60, 24) == [0]
    assert opacity(made).getpoint(0, 0) == [0]


@pytest.mark.parametrize(
    ("chain", "pixel"),
    [
        ("round:20,background=1e1edc", [*BLUE, 255]),
        ("round:20,background=1e1edc80", [*BLUE, 128]),
        ("round:20,background=808080", [128, 128, 128, 255]),
    ],
)
def test_round_paints_its_corners(chain: str, pixel: list[int]) -> None:
    made = apply_chain(chain, Picture(pictures.alpha_scene(64, 48))).pixels

    assert made.getpoint(0, 0) == pixel
    assert made.getpoint(10, 12) == [*RED, 255]
    assert made.getpoint(60, 24)[3] == 0


@pytest.mark.parametrize(("chain", "corner"), [("round:20", 255), ("round:20,background=000", 0)])
def test_round_in_a_format_without_transparency(chain: str, corner: int, rendered: Renderer) -> None:
    _, path = rendered(pictures.grey_jpeg(), chain)

    image = pyvips.Image.new_from_file(str(path))
    assert image.bands == 1
    assert image.getpoint(0, 0)[0] == pytest.approx(corner, abs=6)
