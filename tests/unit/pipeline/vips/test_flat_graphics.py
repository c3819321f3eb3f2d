"""Flat graphics become small files: PNG with a palette, GIF no larger than the input, lossless WebP. Photographs pay nothing."""

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pyvips
from pyvips import Introspect

from internal.pipeline.vips import encode
from internal.pipeline.vips.savers import gif, png
from internal.pipeline.vips.savers.flat_graphics import is_flat
from internal.pipeline.vips.savers.palette import index_colours
from tests import pictures
from tests.unit.pipeline.conftest import JobRenderer, Renderer

PNG, GIF, WEBP = "image/png", "image/gif", "image/webp"
GREY, TRUE_COLOUR, PALETTE, TRUE_ALPHA = 0, 2, 3, 6
MOVES: dict[str, Callable[[pyvips.Image], pyvips.Image]] = {
    "strip": lambda image: image,
    "resize:2048x2048": lambda image: image,
    "crop:100x80+7+9": lambda image: image.crop(7, 9, 100, 80),
    "flip": lambda image: image.flipver(),
    "flop": lambda image: image.fliphor(),
    "rotate:90": lambda image: image.rot90(),
}
"""Chains that add no colours, and their expected result."""


LOSSLESS = "|format:png|lossless"


def stored(data: bytes) -> tuple[int, int]:
    """Bit depth and colour type of a PNG."""
    return data[24], data[25]


def opened(data: bytes) -> pyvips.Image:
    return pyvips.Image.new_from_buffer(data, "", **({"n": -1} if data[:3] == b"GIF" else {})).copy_memory()


def farthest(one: pyvips.Image, other: pyvips.Image) -> float:
    return float((one.cast("int") - other.cast("int")).abs().max())


def difference(one: pyvips.Image, other: pyvips.Image) -> pyvips.Image:
    """CIEDE2000 of each pixel over white."""
    seen = [image.flatten(background=255) if image.hasalpha() else image for image in (one, other)]
    first, second = (image.copy(interpretation="b-w" if image.bands == 1 else "srgb").colourspace("lab") for image in seen)
    return first.dE00(second)


def in_greys(bits: int) -> bytes:
    """A grey PNG of this bit depth. libpng writes the low bits of a value, so the values have no others."""
    most = (1 << bits) - 1
    grey = (pictures.diagram()[1] / 255 * most).rint().cast("uchar") * (255 // most)
    return bytes(grey.cast("uchar").copy(interpretation="b-w").pngsave_buffer(bitdepth=bits))


def with_palette(bits: int, *, alpha: bool = False) -> bytes:
    """A PNG with a palette of at most `1 << bits` colours."""
    picture = pictures.diagram(colours=max(1, (1 << min(bits, 6)) - 2))
    if alpha:
        picture = picture.bandjoin((picture[0] > 128).ifthenelse(255, 90).cast("uchar"))
    made = bytes(picture.pngsave_buffer(palette=True, bitdepth=bits, dither=0))
    assert stored(made) == (bits, PALETTE)
    return made


KINDS = {
    "grey 1": (in_greys(1), (1, GREY)),
    "grey 2": (in_greys(2), (2, GREY)),
    "grey 4": (in_greys(4), (4, GREY)),
    "palette 2": (with_palette(2), (2, PALETTE)),
    "palette 4": (with_palette(4), (4, PALETTE)),
    "palette 8": (with_palette(8), (8, PALETTE)),
    "palette 4, alpha": (with_palette(4, alpha=True), (4, PALETTE)),
    "palette 8, alpha": (with_palette(8, alpha=True), (8, PALETTE)),
}


@pytest.mark.parametrize("chain", MOVES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_png_of_few_colours_comes_out_exactly_and_in_as_few_bits(kind: str, chain: str, rendered: Renderer) -> None:
    """libvips 8.18.7 alone: 8 or 24 bits per pixel, and twice the bytes."""
    data, (bits, colour_type) = KINDS[kind]

    made = rendered(data, chain, PNG)[1].read_bytes()

    assert stored(made)[1] == colour_type
    assert stored(made)[0] <= bits
    assert farthest(opened(made), MOVES[chain](opened(data))) == 0
    if chain == "strip":
        assert len(made) < len(data) * 1.1


@pytest.mark.parametrize("kind", KINDS)
def test_after_a_resize_a_palette_comes_back_as_long_as_it_looks_the_same(kind: str, rendered: Renderer) -> None:
    data, (bits, colour_type) = KINDS[kind]
    plain = rendered(data, "resize:320x|format:png|lossless", PNG)[1].read_bytes()

    made = rendered(data, "resize:320x", PNG)[1].read_bytes()

    assert stored(made)[1] == colour_type
    assert stored(made)[0] <= max(bits, 8 if colour_type == PALETTE else 4)
    assert len(made) < len(plain) * 0.75
    assert difference(opened(made), opened(plain)).avg() <= 1
    assert difference(opened(made), opened(plain)).shrink(32, 32).max() <= 3


def test_flat_areas_keep_their_exact_colour(rendered: Renderer) -> None:
    made, plain = (opened(rendered(with_palette(8), f"resize:320x{more}", PNG)[1].read_bytes()) for more in ("", LOSSLESS))

    ground = (plain == [250, 250, 250]).bandand()
    assert ground.avg() > 50
    assert (made == [250, 250, 250]).bandand().__and__(ground).avg() == ground.avg()


@pytest.mark.parametrize("chain", ["resize:320x", "resize:320x|format:png|lossless", "blur:2"])
def test_true_colour_stays_true_colour(chain: str, rendered: Renderer) -> None:
    """Only originals with few colours may lose some."""
    source = pictures.diagram().pngsave_buffer()
    if "lossless" in chain:
        source = with_palette(8)

    made = rendered(source, chain, PNG)[1].read_bytes()

    assert stored(made) == (8, TRUE_COLOUR)


def test_true_colour_of_few_colours_gets_a_palette(rendered: Renderer) -> None:
    source = pictures.diagram()

    made = rendered(source.pngsave_buffer(), "strip", PNG)[1].read_bytes()

    assert stored(made) == (4, PALETTE)
    assert farthest(opened(made), source) == 0


def test_a_picture_that_a_palette_would_change_keeps_all_colours(rendered: Renderer) -> None:
    """For example a colour photograph over a drawing: here, soft colours all over."""
    made = rendered(with_palette(8), "blur:60", PNG)[1].read_bytes()
    plain = rendered(with_palette(8), "blur:60|format:png|lossless", PNG)[1].read_bytes()

    assert difference(opened(made), opened(plain)).avg() <= 1


def test_a_palette_goes_with_progressive_and_with_a_kept_profile(rendered: Renderer) -> None:
    source = pictures.diagram().pngsave_buffer(palette=True, bitdepth=4, dither=0, profile="srgb", interlace=False)

    made = rendered(source, "progressive|keep:icc", PNG)[1].read_bytes()

    assert stored(made) == (4, PALETTE)
    assert made[28] == 1
    assert made.index(b"iCCP") < made.index(b"PLTE") < made.index(b"IDAT")
    assert opened(made).get_typeof("icc-profile-data")
    assert farthest(opened(made), opened(source)) == 0


@pytest.mark.parametrize("count", [1, 2, 3, 200, 256])
@pytest.mark.parametrize("bands", [3, 4])
def test_up_to_256_colours_are_a_palette_exactly(count: int, bands: int) -> None:
    values = bytes((number * 7919 + band * 104729) % 251 + number % 5 for number in range(count) for band in range(bands))
    picture = pyvips.Image.new_from_memory(values * 3, count, 3, bands, "uchar")

    made = index_colours(picture)

    assert made is not None
    assert len(made.colours) <= count
    assert farthest(made.shown(), picture) == 0


def test_257_colours_are_too_many() -> None:
    values = b"".join(struct.pack("BBB", number % 256, number // 256, 7) for number in range(257))

    assert index_colours(pyvips.Image.new_from_memory(values, 257, 1, 3, "uchar")) is None


def test_colours_that_fall_into_one_cell_are_told_apart() -> None:
    """With the first hash factor, green 16 equals blue 1."""
    picture = pyvips.Image.new_from_memory(bytes([0, 16, 0, 0, 0, 1]), 2, 1, 3, "uchar")

    made = index_colours(picture)

    assert made is not None
    assert sorted(made.colours) == [(0, 0, 1), (0, 16, 0)]


RARE = [(0, 16, 0), (0, 0, 1), (9, 9, 1), (200, 7, 1), (200, 7, 0)]
"""Colours that no sample contains. The first two share a cell with the first hash factor."""


@pytest.mark.parametrize("rare", [RARE, RARE[1:], [(number, 255 - number, number * 7 % 256) for number in range(254)]])
@pytest.mark.parametrize("rows", [1, 99], ids=["a few", "more than are looked at one by one"])
@pytest.mark.parametrize("alpha", [[], [77]])
def test_rare_colours_that_fall_into_one_cell_are_told_apart(rare: list[tuple[int, ...]], rows: int, alpha: list[int]) -> None:
    picture = pyvips.Image.black(1200, 900, bands=3 + len(alpha)).linear(1, [250, 240, 230, *alpha]).cast("uchar")
    for number, colour in enumerate(rare):
        picture = picture.draw_rect([*colour, *alpha], 1 + 17 * (number % 60), 1 + 170 * (number // 60), 1, rows, fill=True)
    picture = picture.copy(interpretation="srgb").copy_memory()

    made = index_colours(picture)

    assert made is not None
    assert len(made.colours) == len(rare) + 1
    assert farthest(made.shown(), picture) == 0


def test_one_rare_colour_too_many_is_no_palette() -> None:
    picture = pyvips.Image.black(1200, 900, bands=3).cast("uchar").copy(interpretation="srgb")
    for number in range(1, 257):
        picture = picture.draw_rect([number % 256, 9, 255], 1 + 17 * (number % 60), 1 + 170 * (number // 60), 1, 1, fill=True)

    assert index_colours(picture.copy_memory()) is None
    assert index_colours(picture.copy_memory(), 256) is None
    assert index_colours(picture.crop(0, 0, 1200, 170).copy_memory(), 60) is not None
    assert index_colours(picture.crop(0, 0, 1200, 170).copy_memory(), 59) is None


def test_all_greys_are_a_palette_too() -> None:
    grey = pyvips.Image.identity().bandjoin([pyvips.Image.identity()] * 2)

    made = index_colours(grey)

    assert made is not None
    assert farthest(made.shown(), grey) == 0


@pytest.mark.parametrize("chain", ["format:webp", "format:webp|quality:60", "flop|format:webp|max_bytes:20000"])
def test_flat_graphics_are_webp_without_loss_where_that_is_smaller(chain: str, rendered: Renderer) -> None:
    """libvips 8.18.7 alone: three times the bytes, and blurred edges."""
    source = pictures.diagram()

    made = rendered(source.pngsave_buffer(), chain, PNG)[1].read_bytes()

    assert b"VP8L" in made[:20]
    assert len(made) < len(source.webpsave_buffer(Q=60))
    assert farthest(opened(made), source.fliphor() if "flop" in chain else source) == 0


def test_a_lossless_file_that_is_larger_is_not_taken(rendered: Renderer) -> None:
    soft = pictures.diagram().gaussblur(3).cast("uchar").copy_memory()

    made = rendered(soft.pngsave_buffer(), "format:webp", PNG)[1].read_bytes()

    assert b"VP8 " in made[:20]


def test_flat_animations_are_webp_without_loss(rendered: Renderer) -> None:
    data = pictures.recording()

    facts, path = rendered(data, "format:webp", GIF)

    assert facts.frames == 8
    assert facts.size <= len(data) * 1.1
    assert b"VP8L" in path.read_bytes()


def test_auto_serves_the_smallest_of_what_it_made(render_job: JobRenderer) -> None:
    done = render_job(with_palette(8), "format:auto", PNG)

    first, second = done.rendered.result, done.rendered.alternative
    assert stored(done.target.read_bytes()) == (8, PALETTE)
    assert second is not None
    assert second.size < first.size
    assert b"VP8L" in done.alternative.read_bytes()[:20]


@pytest.mark.parametrize("made_as", ["png", "webp", "gif", "jpeg", "avif"])
@pytest.mark.usefixtures("heif_input")
def test_a_photograph_is_encoded_once(made_as: str, rendered: Renderer, monkeypatch: pytest.MonkeyPatch) -> None:
    photo, saved = pictures.photo_jpeg(320, 240), []
    call = pyvips.Operation.call

    def spy(name: str, *args: Any, **options: Any) -> Any:
        if "save" in name:
            saved.append(name)
        return call(name, *args, **options)

    monkeypatch.setattr(pyvips.Operation, "call", spy)
    monkeypatch.setattr(png, "index_colours", None)
    monkeypatch.setattr(png, "ColourCells", None)

    rendered(photo, f"resize:300x|format:{made_as}")

    assert len(saved) == 1


@pytest.mark.parametrize(
    ("picture", "flat"),
    [
        (pictures.diagram(), True),
        (pictures.scene(), True),
        (pyvips.Image.black(300, 200, bands=3), True),
        (pictures.photo(640, 480), False),
        (pictures.photo(640, 480).gaussblur(8).cast("uchar"), False),
        (pyvips.Image.black(900, 900, bands=3).linear(0, 255).cast("uchar").insert(pictures.photo(400, 400), 250, 250), False),
        (pictures.diagram(800, 600).insert(pictures.photo(400, 300), 200, 200), False),
    ],
    ids=["diagram", "scene", "one colour", "photo", "blurred photo", "photo on white", "photo in a diagram"],
)
def test_flatness_is_detected_from_a_sample(picture: pyvips.Image, flat: bool) -> None:
    assert is_flat(picture.copy_memory()) is flat


def film(width: int = 240, height: int = 180, frames: int = 8) -> bytes:
    """A GIF of soft moving colours, each frame with its own palette."""
    place = pyvips.Image.xyz(width, height)
    steps = [
        (place[0] + 4 * step).bandjoin([place[1] * 255 / height + 2 * step, (place[0] + place[1] + 3 * step) / 4]) % 256
        for step in range(frames)
    ]
    roll = pyvips.Image.arrayjoin([step.cast("uchar").copy(interpretation="srgb") for step in steps], across=1).copy()
    roll.set_type(pyvips.GValue.gint_type, "page-height", height)
    roll.set_type(pyvips.GValue.array_int_type, "delay", [60 + 10 * frame for frame in range(frames)])
    return bytes(roll.gifsave_buffer(dither=0, bitdepth=7, interpalette_maxerror=0))


@pytest.mark.parametrize(
    ("make", "chain"),
    [
        *((pictures.recording, chain) for chain in ("strip", "flop", "resize:120x90")),
        *((film, chain) for chain in ("strip", "flop", "resize:216x162", "resize:200x150", "resize:120x90")),
    ],
)
def test_a_gif_made_smaller_has_no_more_bytes_than_before(make: Callable[[], bytes], chain: str, rendered: Renderer) -> None:
    """libvips 8.18.7 alone writes up to six times as many bytes: another palette and dither for each frame."""
    data = make()

    facts, path = rendered(data, chain, GIF)

    made, plain = opened(path.read_bytes()), unoptimised(data, facts.width / 240)
    plain = plain.fliphor() if chain == "flop" else plain
    assert facts.size <= len(data) * 1.1
    assert (facts.frames, made.get("delay")) == (8, opened(data).get("delay"))
    for frame in range(8):
        one, other = (roll.crop(0, facts.height * frame, facts.width, facts.height) for roll in (made, plain))
        assert difference(one, other).avg() < 1.5
        assert difference(one, other).shrink(16, 16).max() < 10


def test_a_gif_is_far_smaller_than_libvips_makes_it(rendered: Renderer) -> None:
    """Slightly smaller than the original: every edge has new intermediate colours, so the file can't be as small."""
    data = pictures.recording()

    facts, _ = rendered(data, "resize:216x162", GIF)

    plain = unoptimised(data, 0.9).copy()
    plain.set_type(pyvips.GValue.gint_type, "page-height", 162)
    assert facts.size < len(plain.gifsave_buffer(keep_duplicate_frames=True)) / 2


def patches(frames: int = 4) -> bytes:
    """A GIF of 300 squares in as many colours that change with each frame."""
    roll = []
    for frame in range(frames):
        image = pyvips.Image.black(240, 180, bands=3).linear(1, [250 - 5 * frame, 240, 230]).cast("uchar")
        for number in range(300):
            ink = [(number * 37 + frame * 9) % 256, (number * 91 + frame * 5) % 256, (number * 53 + frame * 7) % 256]
            image = image.draw_rect(ink, number % 20 * 12, number // 20 * 12, 11, 11, fill=True)
        roll.append(image.copy(interpretation="srgb"))
    joined = pyvips.Image.arrayjoin(roll, across=1).copy()
    joined.set_type(pyvips.GValue.gint_type, "page-height", 180)
    joined.set_type(pyvips.GValue.array_int_type, "delay", [80] * frames)
    return bytes(joined.gifsave_buffer(dither=0))


def unevenness(image: pyvips.Image) -> pyvips.Image:
    """The range of values in a pixel and its eight neighbours."""
    return image.rank(3, 3, 8) - image.rank(3, 3, 0)


@pytest.mark.parametrize("chain", ["resize:216x162", "resize:200x150"])
def test_a_scaled_gif_has_no_noise_where_it_is_flat(chain: str, rendered: Renderer) -> None:
    """With libvips 8.18.7's default dither and effort of 7: a mean of 0.6 to 1.1 and up to 73 in areas of one colour."""
    data = patches()

    facts, path = rendered(data, chain, GIF)

    plain, made = unoptimised(data, facts.width / 240)[:3], opened(path.read_bytes())[:3]
    flat = (unevenness(plain) <= 1).bandand()
    assert flat.avg() > 20
    assert flat.ifthenelse(unevenness(made), 0).avg() < 0.02


def unoptimised(data: bytes, scale: float) -> pyvips.Image:
    """Each frame scaled separately, with all its colours."""
    roll = opened(data)
    height = roll.get("page-height")
    frames = [roll.crop(0, top, roll.width, height).resize(scale).cast("uchar") for top in range(0, roll.height, height)]
    return pyvips.Image.arrayjoin(frames, across=1).copy_memory()


def test_frames_of_few_colours_keep_them(rendered: Renderer) -> None:
    """Without dither and without shared palettes."""
    data = pictures.recording()

    made = opened(rendered(data, "flop", GIF)[1].read_bytes())

    assert farthest(made, opened(data).fliphor()) <= 4


def test_a_small_thing_in_a_large_animation_keeps_its_colour(rendered: Renderer) -> None:
    """A palette of 15 colours from a few of its pixels would miss it."""
    data = pictures.recording(600, 450, 3)

    facts, path = rendered(data, "resize:500x", GIF)

    roll = opened(path.read_bytes())
    red, green, blue = roll.getpoint(round((25 + 5) * 500 / 600), round((23 + 5) * 375 / 450))[:3]
    assert red > 190
    assert max(green, blue) < 70
    assert facts.frames == 3


@pytest.mark.parametrize("frames", [1, 4])
def test_a_gif_of_a_photograph_keeps_its_colours(frames: int, rendered: Renderer) -> None:
    roll = pictures.photo(120, 80 * frames).copy_memory().copy()
    if frames > 1:
        roll.set_type(pyvips.GValue.gint_type, "page-height", 80)
    source = roll.webpsave_buffer(lossless=True)

    made = opened(rendered(source, "format:gif", WEBP)[1].read_bytes())

    one, other = (image.resize(0.25, kernel="linear").cast("uchar") for image in (made, roll))
    assert difference(one, other).avg() < 3


def test_a_gif_that_looks_wrong_is_made_with_more_colours(monkeypatch: pytest.MonkeyPatch, rendered: Renderer) -> None:
    data = pictures.recording()
    usual = rendered(data, "resize:200x150", GIF)[0]
    monkeypatch.setattr(gif, "are_similar", lambda *_args: False)

    assert rendered(data, "resize:200x150", GIF)[0].size > usual.size * 1.5


def test_the_tuning_of_avif_is_named(rendered: Renderer, monkeypatch: pytest.MonkeyPatch) -> None:
    """`iq` is the default in libvips 8.18.7's wheel, `ssim` was before: 19.8 and 18.7 kB for one picture."""
    asked: list[object] = []
    save = pyvips.Image.heifsave

    def spy(image: pyvips.Image, path: str, **options: object) -> None:
        asked.append(options["tune"])
        save(image, path, **options)

    monkeypatch.setattr(pyvips.Image, "heifsave", spy, raising=False)

    rendered(pictures.photo_jpeg(64, 48), "format:avif")
    rendered(pictures.photo_jpeg(64, 48), "format:avif|lossless")

    assert asked == ["iq", "ssim"]
    assert "tune" in Introspect.get("heifsave").optional_input


def test_a_picture_too_large_to_hold_is_streamed(rendered: Renderer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encode, "MAX_HELD_BYTES", 100 * 100 * 3)

    small, large = (
        stored(Path(rendered(pictures.diagram(side, 100).pngsave_buffer(), "strip", PNG)[1]).read_bytes()) for side in (100, 101)
    )

    assert small[1] == PALETTE
    assert large == (8, TRUE_COLOUR)
