"""Each operation: the size of its result and the place of the four quarters of the scene."""

from pathlib import Path

import pytest
import pyvips

from internal.domain.errors import InvalidProcessing
from internal.pipeline.language.grammar import Grammar
from internal.pipeline.vips.picture import Picture
from tests import pictures
from tests.pictures import BLUE, GREEN, RED, WHITE
from tests.unit.pipeline.conftest import Renderer

PNG = "image/png"
CLEAR = "clear"


def corners(path: Path) -> list[object]:
    """The colours near the corners: top left, top right, bottom left, bottom right."""
    image = pyvips.Image.new_from_file(str(path))
    places = [(2, 2), (image.width - 3, 2), (2, image.height - 3), (image.width - 3, image.height - 3)]
    return [named(image.getpoint(x, y)) for x, y in places]


def named(pixel: list[float]) -> object:
    """The scene's colour nearest to this pixel, within the loss of a format."""
    if len(pixel) in (2, 4) and pixel[-1] < 8:
        return CLEAR
    near = [colour for colour in (RED, GREEN, BLUE, WHITE) if all(abs(a - b) < 20 for a, b in zip(colour, pixel, strict=False))]
    return near[0] if near else tuple(pixel)


@pytest.mark.parametrize(
    ("chain", "size"),
    [
        ("resize:300x300", (300, 225)),
        ("resize:100x", (100, 75)),
        ("resize:x60", (80, 60)),
        ("resize:100x10", (13, 10)),
        ("resize:300x300,fit=outside", (400, 300)),
        ("resize:300x300,fit=cover", (300, 300)),
        ("resize:300x100,fit=cover", (300, 100)),
        ("resize:300x300,fit=contain", (300, 300)),
        ("resize:300x300,fit=fill", (300, 300)),
        ("resize:4000x4000", (640, 480)),
        ("resize:4000x4000,fit=outside", (640, 480)),
        ("resize:4000x300,fit=cover", (640, 300)),
        ("resize:4000x300,fit=fill", (640, 300)),
        ("resize:800x800,fit=contain", (800, 800)),
        ("resize:1280x,enlarge=true", (1280, 960)),
        ("resize:1280x1280,fit=cover,enlarge=true", (1280, 1280)),
        ("resize:1280x100,fit=fill,enlarge=true", (1280, 100)),
        ("resize:1x1", (1, 1)),
        ("thumbnail:64", (64, 48)),
        ("crop:100x50+10+20", (100, 50)),
        ("crop:1000x1000+600+400", (40, 80)),
        ("rotate:90", (480, 640)),
        ("rotate:-90", (480, 640)),
        ("rotate:180", (640, 480)),
        ("flip|flop|grayscale|blur:2|sharpen", (640, 480)),
        ("crop:320x240+0+0|resize:100x100", (100, 75)),
        ("resize:100x100|rotate:90|resize:20x20", (15, 20)),
    ],
)
@pytest.mark.parametrize(("make", "media_type"), [(pictures.jpeg, "image/jpeg"), (pictures.png, PNG)])
def test_size(chain: str, size: tuple[int, int], make: object, media_type: str, rendered: Renderer) -> None:
    assert callable(make)
    facts, path = rendered(make(640, 480), chain, media_type)

    image = pyvips.Image.new_from_file(str(path))
    assert (facts.width, facts.height) == (image.width, image.height) == size


@pytest.mark.parametrize(
    ("chain", "expected"),
    [
        ("strip", [RED, GREEN, BLUE, WHITE]),
        ("rotate:90", [BLUE, RED, WHITE, GREEN]),
        ("rotate:180", [WHITE, BLUE, GREEN, RED]),
        ("rotate:270", [GREEN, WHITE, RED, BLUE]),
        ("flip", [BLUE, WHITE, RED, GREEN]),
        ("flop", [GREEN, RED, WHITE, BLUE]),
        ("crop:30x20+0+0", [RED] * 4),
        ("resize:16x48,fit=cover,gravity=west,enlarge=true", [RED, RED, BLUE, BLUE]),
        ("resize:16x48,fit=cover,gravity=east", [GREEN, GREEN, WHITE, WHITE]),
        ("resize:64x12,fit=cover,gravity=north", [RED, GREEN, RED, GREEN]),
        ("resize:64x12,fit=cover,gravity=south", [BLUE, WHITE, BLUE, WHITE]),
        ("resize:16x48,fit=cover,focal=1;0.5", [GREEN, GREEN, WHITE, WHITE]),
        ("resize:64x12,fit=cover,focal=0;0.9", [BLUE, WHITE, BLUE, WHITE]),
        ("resize:64x12,fit=cover,focal=0.5;0.25", [RED, GREEN, RED, GREEN]),
        ("crop:20x20+0+0|resize:64x64,fit=contain,background=dc1e1e,gravity=southeast", [RED] * 4),
        ("resize:32x64,fit=contain,gravity=north,background=1e1edc", [RED, GREEN, BLUE, BLUE]),
        ("resize:32x64,fit=contain,gravity=south,background=00000000", [CLEAR, CLEAR, BLUE, WHITE]),
    ],
)
def test_where_the_quarters_go(chain: str, expected: list[object], rendered: Renderer) -> None:
    _, path = rendered(pictures.png(64, 48), chain, PNG)

    assert corners(path) == expected


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("chain", ["strip", "resize:64x64", "resize:400x400", "crop:600x480+0+0"])
def test_a_picture_is_turned_upright_first(orientation: int, chain: str, rendered: Renderer) -> None:
    facts, path = rendered(pictures.exif_jpeg(orientation, 640, 480), chain)

    assert corners(path) == ([RED, GREEN, BLUE, WHITE])
    assert facts.width > facts.height


def test_the_box_is_that_of_the_upright_picture(rendered: Renderer) -> None:
    facts, path = rendered(pictures.exif_jpeg(6, 640, 480), "resize:200x50,fit=cover,gravity=north")

    assert (facts.width, facts.height) == (200, 50)
    assert corners(path) == [RED, GREEN, RED, GREEN]


def test_autorotate_can_be_switched_off(rendered: Renderer) -> None:
    facts, path = rendered(pictures.exif_jpeg(6, 640, 480), "autorotate:false|resize:100x100")

    assert (facts.width, facts.height) == (75, 100)
    assert corners(path) == [GREEN, WHITE, RED, BLUE]


@pytest.mark.parametrize("gravity", ["attention", "entropy"])
def test_cover_finds_the_salient_part(gravity: str, rendered: Renderer) -> None:
    plain = pyvips.Image.black(300, 100, bands=3).copy(interpretation="srgb")
    lively = plain.insert(pictures.photo(60, 60, seed=3), 230, 20).pngsave_buffer()

    _, path = rendered(lively, f"resize:100x100,fit=cover,gravity={gravity}", PNG)

    assert pyvips.Image.new_from_file(str(path)).avg() > 30


def test_a_crop_beyond_the_picture_says_how_large_it_is(rendered: Renderer) -> None:
    with pytest.raises(InvalidProcessing, match="64x48"):
        rendered(pictures.png(64, 48), "crop:5x5+64+0", PNG)


def test_grayscale_leaves_one_channel_and_the_transparency(rendered: Renderer) -> None:
    _, path = rendered(pictures.alpha_png(), "grayscale", PNG)

    assert pyvips.Image.new_from_file(str(path)).bands == 2


@pytest.mark.parametrize("chain", ["blur:4", "resize:32x24"])
def test_the_colour_of_clear_pixels_does_not_bleed_into_others(chain: str, rendered: Renderer) -> None:
    _, path = rendered(pictures.alpha_png(64, 48), chain, PNG)

    image = pyvips.Image.new_from_file(str(path))
    assert named(image.getpoint(image.width // 2 - 1, 4)[:3]) == RED


@pytest.mark.parametrize(
    ("chain", "behind"), [("format:jpeg", (255, 255, 255)), ("resize:64x48,background=1e1edc|format:jpeg", BLUE)]
)
def test_transparency_is_laid_over_the_background(chain: str, behind: tuple[int, ...], rendered: Renderer) -> None:
    _, path = rendered(pictures.alpha_png(64, 48), chain, PNG)

    image = pyvips.Image.new_from_file(str(path))
    assert image.bands == 3
    assert max(abs(a - b) for a, b in zip(image.getpoint(60, 4), behind, strict=True)) < 8


def test_target_size_is_idempotent() -> None:
    grammar = Grammar()
    for text in (
        "resize:300x300",
        "resize:77x",
        "resize:301x199,fit=cover",
        "resize:50x60,fit=outside",
        "resize:9x99,fit=fill",
        "thumbnail:7",
    ):
        (operation,) = grammar.parse(text).operations
        for width in range(1, 2000, 37):
            for height in range(1, 2000, 41):
                once = operation.target_size(width, height)
                assert once is not None
                assert operation.target_size(*once) == once, (text, width, height)


def test_an_animation_keeps_its_frames_apart() -> None:
    roll = Picture(pictures.animation(4, 32, 24), frames=4)

    blurred = roll.each_frame(lambda pixels: pixels.gaussblur(5))

    for number in range(4):
        frame = blurred.pixels.crop(0, number * 24, 32, 24)
        assert named(frame.getpoint(0, 0)) == named(frame.getpoint(31, 23)) == pictures.QUARTERS[number]
