"""Watermarks: position and compositing."""

from pathlib import Path

import pytest
import pyvips

from internal.domain.errors import InvalidProcessing
from internal.pipeline.language.grammar import Grammar
from internal.pipeline.vips.picture import Picture
from internal.pipeline.vips.render import render
from internal.ports.sandbox import Overlay, RenderJob
from tests import pictures
from tests.unit.pipeline.conftest import LIMITS

LOGO = "0198b2c4-8d1e-7a53-9f60-2b7c1d4e5f60"
GRAMMAR = Grammar()


def plain(width: int, height: int, *colour: int) -> pyvips.Image:
    """A picture of one colour. One or two channels are grey; an even number has alpha."""
    interpretation = "b-w" if len(colour) < 3 else "srgb"
    black = pyvips.Image.black(width, height, bands=len(colour))
    return black.linear(0, list(colour), uchar=True).copy(interpretation=interpretation)


def marked(below: pyvips.Image, arguments: str, logo: pyvips.Image | None = None, frames: int = 1) -> Picture:
    overlays = {LOGO: Picture(logo)} if logo else {}
    (operation,) = GRAMMAR.parse(f"watermark:{arguments}").operations
    return operation.apply(Picture(below, frames=frames, overlays=overlays))


def box(pixels: pyvips.Image) -> tuple[int, ...]:
    """Left, top, width and height of the pixels that are not black."""
    return tuple(pixels.find_trim(background=[0] * pixels.bands, threshold=40, line_art=True))


BLACK = plain(60, 40, 0, 0, 0)
RED = plain(10, 6, 255, 0, 0)


@pytest.mark.parametrize(
    ("gravity", "corner"),
    [
        ("northwest", (3, 3)),
        ("north", (25, 3)),
        ("northeast", (47, 3)),
        ("west", (3, 17)),
        ("centre", (25, 17)),
        ("east", (47, 17)),
        ("southwest", (3, 31)),
        ("south", (25, 31)),
        ("southeast", (47, 31)),
    ],
)
def test_gravity_and_margin_set_the_position(gravity: str, corner: tuple[int, int]) -> None:
    result = marked(BLACK, f"{LOGO},gravity={gravity},margin=3", RED)

    assert box(result.pixels) == (*corner, 10, 6)


@pytest.mark.parametrize(
    ("arguments", "size"),
    [
        ("", (10, 6)),
        (",scale=0.5", (30, 18)),
        (",scale=0.1", (6, 4)),
        (",scale=1,margin=5", (50, 30)),
        (",angle=90", (6, 10)),
        (",scale=0.5,angle=-90", (18, 30)),
        (",scale=1,angle=90", (24, 40)),
    ],
)
def test_the_watermark_has_its_own_size_or_its_scale_and_fits(arguments: str, size: tuple[int, int]) -> None:
    result = marked(BLACK, LOGO + arguments, RED)

    assert (result.width, result.height) == (60, 40)
    assert box(result.pixels)[2:] == size


def test_a_rotated_watermark_fits_too() -> None:
    left, top, width, height = box(marked(BLACK, f"{LOGO},scale=1,angle=45,margin=4", RED).pixels)

    assert left >= 4
    assert top >= 4
    assert (width <= 52, 28 <= height <= 32) == (True, True)


@pytest.mark.parametrize("size", [(1, 1), (1, 30), (2, 1)])
@pytest.mark.parametrize("arguments", ["", ",scale=1,margin=500", ",repeat=true,margin=9,angle=30"])
def test_a_tiny_picture_takes_a_large_one(size: tuple[int, int], arguments: str) -> None:
    for result in (
        marked(plain(*size, 0, 0, 0), LOGO + arguments, plain(900, 700, 255, 0, 0)),
        marked(plain(*size, 0, 0, 0), "text=Hello" + arguments),
    ):
        assert (result.width, result.height, result.pixels.bands) == (*size, 3)
        result.in_memory()


@pytest.mark.parametrize(("below", "logo"), [((0, 0, 0), (255, 255, 255)), ((200, 100, 51), (10, 250, 101)), ((90,), (17,))])
@pytest.mark.parametrize("opacity", [0.0, 0.25, 0.5, 1.0])
def test_opacity_mixes_exactly(below: tuple[int, ...], logo: tuple[int, ...], opacity: float) -> None:
    result = marked(plain(9, 9, *below), f"{LOGO},opacity={opacity}", plain(3, 3, *logo)).pixels

    alpha = int(opacity * 255 + 0.5) / 255
    assert result.getpoint(4, 4) == [int(new * alpha + old * (1 - alpha) + 0.5) for new, old in zip(logo, below, strict=True)]
    assert result.getpoint(0, 0) == list(below)
    assert not result.hasalpha()


def test_where_it_is_transparent_the_picture_shows() -> None:
    scene = pictures.alpha_scene(20, 20)

    result = marked(plain(20, 20, 9, 9, 9), LOGO, scene).pixels

    assert result.getpoint(2, 2) == list(pictures.RED)
    assert result.getpoint(17, 2) == [9, 9, 9]


def test_the_colour_of_its_transparent_pixels_does_not_show_when_it_is_scaled() -> None:
    logo = plain(40, 40, 255, 255, 255, 255).insert(plain(20, 40, 0, 0, 0, 0), 20, 0)

    result = marked(plain(100, 40, 255, 255, 255), f"{LOGO},scale=0.23", logo).pixels

    assert result.min() == 255


def test_over_transparency_it_keeps_its_colour_and_the_alphas_add_up() -> None:
    below = plain(9, 9, 0, 0, 200, 0).insert(plain(5, 9, 0, 0, 200, 102), 0, 0)

    result = marked(below, f"{LOGO},opacity=0.4", plain(9, 9, 200, 0, 0)).pixels

    assert result.getpoint(8, 4) == [200, 0, 0, 102]
    alpha = 0.4 + 0.4 * 0.6
    expected = [200 * 0.4 / alpha, 0, 200 * 0.4 * 0.6 / alpha, 255 * alpha]
    assert result.getpoint(0, 4) == pytest.approx(expected, abs=1)


def test_grey_stays_grey_under_grey_and_becomes_coloured_under_colour() -> None:
    grey, grey_alpha = plain(20, 20, 90), plain(20, 20, 90, 255)

    kinds = [
        (result.pixels.interpretation, result.pixels.bands, result.pixels.getpoint(10, 10)[:3])
        for result in (
            marked(grey, LOGO, plain(6, 6, 200)),
            marked(grey_alpha, LOGO, plain(6, 6, 200)),
            marked(grey, LOGO, plain(6, 6, 200, 0, 0)),
            marked(grey_alpha, LOGO, plain(6, 6, 200, 0, 0, 255)),
            marked(plain(20, 20, 1, 2, 3), LOGO, plain(6, 6, 200)),
            marked(plain(20, 20, 1, 2, 3, 90), LOGO, plain(6, 6, 200)),
            marked(grey, "text=Hello"),
            marked(grey, "text=Hello,colour=ff0000"),
        )
    ]

    assert kinds[0] == ("b-w", 1, [200])
    assert (kinds[1][0], kinds[1][2][0]) == ("b-w", 200)
    assert kinds[2] == ("srgb", 3, [200, 0, 0])
    assert kinds[3] == ("srgb", 4, [200, 0, 0])
    assert kinds[4] == ("srgb", 3, [200, 200, 200])
    assert kinds[5] == ("srgb", 4, [200, 200, 200])
    assert [kind[:2] for kind in kinds[6:]] == [("b-w", 1), ("srgb", 3)]


@pytest.mark.parametrize("repeat", ["false", "true"])
def test_an_animation_has_it_on_every_frame(repeat: str) -> None:
    roll = pictures.animation(4, 32, 24)

    result = marked(roll, f"{LOGO},gravity=southeast,margin=1,repeat={repeat}", plain(4, 4, 7, 7, 7), frames=4)

    assert (result.frames, result.height, result.width) == (4, 24, 32)
    for number in range(4):
        assert result.pixels.getpoint(28, 24 * number + 20) == [7, 7, 7]
        assert result.pixels.getpoint(31, 24 * number + 23) == list(pictures.QUARTERS[number])


@pytest.mark.parametrize("gravity", ["northwest", "centre", "southeast"])
def test_repeated_it_covers_the_picture_with_gaps_and_one_where_a_single_one_would_be(gravity: str) -> None:
    once = marked(BLACK, f"{LOGO},gravity={gravity},margin=2", RED).pixels
    often = marked(BLACK, f"{LOGO},gravity={gravity},margin=2,repeat=true", RED).pixels

    left, top, width, height = box(once)
    expected = [(x - left) % 12 < width and (y - top) % 8 < height for y in range(40) for x in range(60)]
    assert bytes(often.extract_band(0).write_to_memory()) == bytes(255 * red for red in expected)
    assert often.extract_band(1, n=2).max() == 0


def test_repeated_without_a_margin_it_reaches_all_corners() -> None:
    assert marked(plain(1501, 1103, 0, 0, 0), f"{LOGO},repeat=true", plain(1, 2, 255, 255, 255)).pixels.min() == 255


@pytest.mark.parametrize(
    "arguments", [f"{LOGO},gravity=northwest", f"{LOGO},repeat=true", "text=Hello,opacity=0.5,gravity=north"]
)
@pytest.mark.parametrize("bands", [3, 4])
def test_a_tall_picture_is_read_once_from_top_to_bottom(arguments: str, bands: int, tmp_path: Path) -> None:
    noise, logo = pictures.photo(200, 200).replicate(4, 12).copy_memory(), pictures.alpha_scene(700, 500)
    noise = noise if bands == 3 else noise.bandjoin(noise[0])
    noise.pngsave(str(tmp_path / "noise.png"), compression=1)
    streamed = pyvips.Image.new_from_file(str(tmp_path / "noise.png"), access="sequential")

    saved = [marked(below, arguments, logo).pixels.pngsave_buffer(compression=1) for below in (streamed, noise)]

    assert saved[0] == saved[1]


@pytest.mark.parametrize(
    ("logo", "media_type"),
    [
        (pictures.alpha_png(32, 24), "image/png"),
        (pictures.text_bomb_png(32, 24), "image/png"),
        (pictures.animated_gif(4, 32, 24), "image/gif"),
        (pictures.exif_jpeg(6, 32, 24), "image/jpeg"),
    ],
)
def test_an_image_is_decoded_like_any_other(logo: bytes, media_type: str, tmp_path: Path) -> None:
    """The picture itself has text chunks too, so that both need a stripped copy at the same time."""
    (tmp_path / "logo").write_bytes(logo)
    below = bytes(plain(640, 480, 0, 0, 0).pngsave_buffer())
    (tmp_path / "source").write_bytes(pictures.with_png_chunks(below, pictures.png_chunk(b"tEXt", b"Title\0Below")))
    chain = GRAMMAR.parse(f"watermark:{LOGO},gravity=southeast")
    overlays = {LOGO: Overlay(tmp_path / "logo", media_type)}

    job = RenderJob(tmp_path / "source", tmp_path / "target", chain.canonical, "image/png", LIMITS, overlays=overlays)
    render(job, chain, tmp_path)

    result = pyvips.Image.new_from_file(str(tmp_path / "target"))
    assert result.getpoint(640 - 30, 480 - 22) == pytest.approx(pictures.RED, abs=4)
    assert box(result.crop(0, 0, 608, 480))[2:] == (0, 0)
    assert {file.name for file in tmp_path.iterdir()} == {"logo", "source", "target"}


def test_a_missing_image_is_named() -> None:
    with pytest.raises(InvalidProcessing, match=LOGO):
        marked(BLACK, LOGO)


def test_an_image_is_what_a_chain_refers_to_and_a_text_is_not() -> None:
    assert GRAMMAR.parse(f"watermark:{LOGO.upper()}|flip|watermark:{LOGO},opacity=0.5").references == (LOGO,)
    assert GRAMMAR.parse("watermark:text=Hello").references == ()
