"""Geometry: rotation by any angle, padding, trimming, and the rectangle that smartcrop finds."""

import pytest
import pyvips

from internal.pipeline.vips.picture import Picture
from tests import pictures
from tests.pictures import BLUE, GREEN, RED, WHITE
from tests.unit.pipeline.conftest import Renderer, apply_chain

CLEAR = [255, 255, 255, 0]


def plain(colour: tuple[int, ...], width: int = 40, height: int = 30) -> pyvips.Image:
    pixels = pyvips.Image.black(width, height, bands=len(colour)).linear(1, list(colour)).cast("uchar")
    return pixels.copy(interpretation="srgb" if len(colour) > 2 else "b-w")


def with_border(inner: pyvips.Image, left: int, top: int, right: int, bottom: int, colour: tuple[int, ...]) -> pyvips.Image:
    width, height = left + inner.width + right, top + inner.height + bottom
    return inner.embed(left, top, width, height, extend="background", background=list(colour))


def size(picture: Picture) -> tuple[int, int]:
    return picture.width, picture.height


@pytest.mark.parametrize(
    ("angle", "expected"),
    [("30", (79, 74)), ("-30", (79, 74)), ("45", (79, 79)), ("120", (74, 79)), ("0.5", (64, 49)), ("360", (64, 48))],
)
def test_rotate_holds_all_of_the_picture(angle: str, expected: tuple[int, int]) -> None:
    made = apply_chain(f"rotate:{angle}", Picture(pictures.scene(64, 48)))

    assert size(made) == pytest.approx(expected, abs=1)
    if float(angle) % 90:
        assert made.pixels[3].avg() / 255 * made.width * made.height == pytest.approx(64 * 48, rel=0.02)


def test_rotate_turns_clockwise() -> None:
    made = apply_chain("rotate:45", Picture(pictures.scene(100, 100))).pixels

    middle = made.width // 2
    assert made.getpoint(middle, 20) == [*RED, 255]
    assert made.getpoint(middle, made.height - 20) == [*WHITE, 255]
    assert made.getpoint(made.width - 20, middle) == [*GREEN, 255]
    assert made.getpoint(20, middle) == [*BLUE, 255]
    assert made.getpoint(0, 0)[3] == 0


@pytest.mark.parametrize(
    ("colour", "background", "corner"),
    [
        (RED, "1e1edc", [*BLUE]),
        (RED, "1e1edc80", [*BLUE, 128]),
        ((*RED, 255), "1e1edc", [*BLUE, 255]),
        ((90,), "1e1edc", [*BLUE]),
        ((90,), "505050", [80]),
        ((90, 40), "505050", [80, 255]),
    ],
)
def test_rotate_paints_its_corners(colour: tuple[int, ...], background: str, corner: list[int]) -> None:
    made = apply_chain(f"rotate:20,background={background}", Picture(plain(colour))).pixels

    assert made.getpoint(0, 0) == made.getpoint(made.width - 1, made.height - 1) == corner
    assert made.format == "uchar"


@pytest.mark.parametrize("colour", [(*RED, 255), (*RED, 77), (90, 255)])
def test_rotate_leaves_no_seam(colour: tuple[int, ...]) -> None:
    """Translucent edge pixels have the colour of the picture, not a mixture with the background."""
    made = apply_chain("rotate:20", Picture(plain(colour))).pixels

    alpha = made.bands - 1
    wrong = (made.extract_band(0, n=alpha) - list(colour[:-1])).abs() > 2
    assert (wrong.bandor() & (made.extract_band(alpha) > 40)).max() == 0


@pytest.mark.parametrize(("chain", "behind"), [("rotate:20", 255), ("rotate:20,background=000", 0)])
def test_rotate_in_a_format_without_transparency(chain: str, behind: int, rendered: Renderer) -> None:
    _, path = rendered(pictures.jpeg(), chain)

    assert pyvips.Image.new_from_file(str(path)).getpoint(0, 0) == pytest.approx([behind] * 3, abs=25)


@pytest.mark.parametrize(
    ("chain", "expected", "left", "top"),
    [
        ("pad:100x100", (100, 100), 18, 26),
        ("pad:100x100,gravity=northwest", (100, 100), 0, 0),
        ("pad:100x100,gravity=east", (100, 100), 36, 26),
        ("pad:100x", (100, 48), 18, 0),
        ("pad:x100", (64, 100), 0, 26),
        ("pad:10x100", (64, 100), 0, 26),
        ("pad:10x10", (64, 48), 0, 0),
        ("pad:margin=20", (104, 88), 20, 20),
        ("pad:margin=10;20", (104, 68), 20, 10),
        ("pad:margin=1;2;3;4", (70, 52), 4, 1),
    ],
)
def test_pad_puts_the_picture_on_a_larger_canvas(chain: str, expected: tuple[int, int], left: int, top: int) -> None:
    made = apply_chain(f"{chain},background=808080", Picture(pictures.scene(64, 48)))

    assert size(made) == expected
    assert (made.pixels.crop(left, top, 64, 48) - pictures.scene(64, 48)).abs().max() == 0
    around = made.pixels.draw_rect([128] * 3, left, top, 64, 48, fill=True)
    assert (around - 128).abs().max() == 0


@pytest.mark.parametrize(
    ("given", "background", "room"),
    [
        (RED, "", [255, 255, 255]),
        ((*RED, 255), "", CLEAR),
        (RED, ",background=1e1edc80", [*BLUE, 128]),
        ((90,), "", [255]),
        ((90,), ",background=1e1edc", [*BLUE]),
        ((90, 200), "", [255, 0]),
    ],
)
def test_padding_is_transparent_if_the_picture_has_alpha(given: tuple[int, ...], background: str, room: list[int]) -> None:
    made = apply_chain(f"pad:margin=2{background}", Picture(plain(given))).pixels

    assert made.getpoint(0, 0) == room


@pytest.mark.parametrize("colour", [(255, 255, 255), (10, 20, 30), (0, 0, 0, 0), (*RED, 0), (*GREEN, 90)])
def test_trim_cuts_off_what_is_like_the_top_left_pixel(colour: tuple[int, ...]) -> None:
    inner = pictures.scene(64, 48) if len(colour) == 3 else pictures.scene(64, 48).bandjoin(255)

    made = apply_chain("trim", Picture(with_border(inner, 3, 5, 7, 9, colour)))

    assert size(made) == (64, 48)
    assert (made.pixels - inner).abs().max() == 0


def test_trim_detects_a_transparent_border() -> None:
    made = apply_chain("trim", Picture(with_border(plain((*RED, 255)), 3, 5, 7, 9, (*RED, 0))))

    assert size(made) == (40, 30)


def test_trim_takes_the_given_border() -> None:
    both = with_border(with_border(plain(RED), 4, 4, 4, 4, BLUE), 2, 2, 2, 2, WHITE)

    assert size(apply_chain("trim:0,background=fafafa", Picture(both))) == (48, 38)
    assert size(apply_chain("trim:0,background=1e1edc", Picture(both))) == (52, 42)
    assert size(apply_chain("trim|trim", Picture(both))) == (40, 30)


@pytest.mark.parametrize(("threshold", "expected"), [(11, (60, 50)), (12, (40, 30)), (255, (60, 50))])
def test_the_threshold_is_the_difference_in_the_channel_that_is_furthest_off(threshold: int, expected: tuple[int, int]) -> None:
    border = with_border(plain(BLUE), 10, 10, 10, 10, (200, 200, 200)).draw_rect([200, 212, 200], 59, 0, 1, 50, fill=True)
    border = border.draw_rect([200, 200, 188], 0, 49, 59, 1, fill=True)

    assert size(apply_chain(f"trim:{threshold}", Picture(border))) == expected


def test_trim_keeps_a_single_pixel_and_all_of_a_plain_picture() -> None:
    dot = plain(WHITE).draw_rect(list(RED), 7, 9, 1, 1, fill=True)

    assert apply_chain("trim", Picture(dot)).pixels.getpoint(0, 0) == [*RED]
    assert size(apply_chain("trim", Picture(dot))) == (1, 1)
    assert size(apply_chain("trim", Picture(plain(WHITE)))) == (40, 30)


def test_trim_cuts_all_frames_alike() -> None:
    frames = [
        plain((90,)).draw_rect([200], 5, 6, 2, 2, fill=True),
        plain((90,)),
        plain((90,)).draw_rect([200], 20, 11, 4, 3, fill=True),
    ]
    roll = Picture(pyvips.Image.arrayjoin(frames, across=1), 3, [10, 20, 30])

    made = apply_chain("trim", roll)

    assert size(made) == (19, 8)
    assert (made.frames, made.delays) == (3, [10, 20, 30])
    assert made.pixels.getpoint(0, 0) == made.pixels.getpoint(18, 8 * 2 + 7) == [200]


@pytest.mark.parametrize(
    ("chain", "expected"),
    [
        ("crop:20x10", [*WHITE]),
        ("crop:20x10,gravity=northwest", [*RED]),
        ("crop:20x10,gravity=northeast", [*GREEN]),
        ("crop:20x10,gravity=southwest", [*BLUE]),
        ("crop:20x10,focal=0.2;0.2", [*RED]),
        ("crop:20x10,focal=0;1", [*BLUE]),
    ],
)
def test_crop_finds_its_rectangle(chain: str, expected: list[int]) -> None:
    made = apply_chain(chain, Picture(pictures.scene(64, 48)))

    assert size(made) == (20, 10)
    assert made.pixels.getpoint(19, 9) == expected


@pytest.mark.parametrize("gravity", ["attention", "entropy"])
def test_crop_finds_the_salient_part(gravity: str) -> None:
    picture = plain((0, 0, 0), 300, 100).insert(pictures.photo(60, 60, seed=3), 230, 20)

    assert apply_chain(f"crop:100x100,gravity={gravity}", Picture(picture)).pixels.avg() > 30


def test_crop_is_clipped_to_the_picture() -> None:
    assert size(apply_chain("crop:999x10", Picture(pictures.scene(64, 48)))) == (64, 10)
