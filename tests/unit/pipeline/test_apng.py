"""Animated PNG: the static picture for a still, all frames for WebP and GIF, composed as PNG 3 (section 11.3.6) says.

The frames are held against the standard's own formula, written out below pixel by pixel, and against Pillow 13.0.0 where it
follows it (findings/pillow_apng.sh says where it does not). Chromium 156 shows the first and the last frame of 150 files
like these as we do.
"""

import io
import random
import struct
import zlib
from itertools import chain as chained
from pathlib import Path
from typing import Any

import pytest
import pyvips
from msgspec.structs import replace
from PIL import Image

from internal.errors import ImageTooLarge, InvalidImage
from internal.pipeline.apng import animation_of
from internal.pipeline.loaders.png import PngSource
from internal.pipeline.png_chunks import MAX_CHUNKS
from tests import pictures
from tests.apngs import BACKGROUND, NONE, OVER, PREVIOUS, SOURCE, Drawn, actl, apng, chunks_of, fctl, fdat, joined, moving_png
from tests.pictures import BLUE, GREEN, QUARTERS, RED, WHITE, png_chunk, with_png_chunks
from tests.unit.pipeline.conftest import LIMITS, Maker, Renderer

Pixel = tuple[int, int, int, int]
CLEAR: Pixel = (0, 0, 0, 0)
WIDE, HIGH = 32, 24


def colour(rgb: tuple[int, ...], width: int = WIDE, height: int = HIGH) -> pyvips.Image:
    plain = pyvips.Image.black(width, height, bands=len(rgb)).linear(0, list(rgb)).cast("uchar")
    return plain.copy(interpretation="srgb" if len(rgb) > 2 else "b-w")


def roll_of(data: bytes, folder: Path, *, size: tuple[int, int] | None = None) -> tuple[pyvips.Image, PngSource]:
    """All frames as the loader gives them, one below the other."""
    pyvips.cache_set_max(0)  # of files that have the same name
    path = folder / "source"
    path.write_bytes(data)
    source = PngSource(path, "image/png", folder, "copy")
    return source.decoded(size, animated=True), source


def rgba(image: pyvips.Image) -> list[Pixel]:
    eight = (image >> 8).cast("uchar").copy(interpretation="srgb") if image.format == "ushort" else image
    if eight.bands < 3:
        eight = eight[0].bandjoin([eight[0], eight[0], *([eight[1]] if eight.bands == 2 else [])])
    return pixels_of(bytes((eight if eight.bands == 4 else eight.bandjoin(255)).write_to_memory()))


def pixels_of(data: bytes) -> list[Pixel]:
    return [(data[at], data[at + 1], data[at + 2], data[at + 3]) for at in range(0, len(data), 4)]


def by_the_standard(frames: list[Drawn], width: int, height: int) -> list[list[Pixel]]:
    canvas, shown = [CLEAR] * (width * height), []
    for number, frame in enumerate(frames):
        before, across = list(canvas), frame.pixels.width
        pixels = rgba(frame.pixels)
        for at, pixel in enumerate(pixels):
            place = (frame.top + at // across) * width + frame.left + at % across
            canvas[place] = pixel if frame.blend == SOURCE else over(pixel, canvas[place])
        shown.append(list(canvas))
        if frame.dispose == PREVIOUS and number:
            canvas = before
        elif frame.dispose != NONE:
            for at in range(len(pixels)):
                canvas[(frame.top + at // across) * width + frame.left + at % across] = CLEAR
    return shown


def over(pixel: Pixel, ground: Pixel) -> Pixel:
    upper, lower = pixel[3] / 255, ground[3] / 255
    alpha = upper + lower * (1 - upper)
    if not alpha:
        return CLEAR
    mixed = [(one * upper + two * lower * (1 - upper)) / alpha for one, two in zip(pixel[:3], ground[:3], strict=True)]
    red, green, blue, last = (int(value + 0.5) for value in (*mixed, 255 * alpha))
    return red, green, blue, last


def off(seen: list[Pixel], right: list[Pixel]) -> int:
    """How far the farthest value is from what is right; transparent pixels are alike whatever their colour."""
    pairs = ((one, other) for one, other in zip(seen, right, strict=True) if one[3] or other[3])
    return max((abs(a - b) for pair in pairs for a, b in zip(*pair, strict=True)), default=0)


def random_animation(
    seed: int, *, bands: int, deep: bool, alphas: tuple[int, ...], apart: bool
) -> tuple[list[Drawn], pyvips.Image]:
    """Frames of noise anywhere on a small canvas, and a static picture of its size."""
    dice = random.Random(seed)
    width, height = dice.randrange(3, 12), dice.randrange(3, 10)

    def noise(across: int, down: int) -> pyvips.Image:
        data = bytes(
            dice.choice(alphas) if bands in (2, 4) and band == bands - 1 else dice.randrange(256)
            for _ in range(across * down)
            for band in range(bands)
        )
        eight = pyvips.Image.new_from_memory(data, across, down, bands, "uchar")
        if deep:
            return (eight * 257).cast("ushort").copy(interpretation="rgb16" if bands > 2 else "grey16")
        return eight.copy(interpretation="srgb" if bands > 2 else "b-w")

    frames = []
    for number in range(dice.randrange(2, 7)):
        across, down = dice.randint(1, width), dice.randint(1, height)
        if not number and not apart:
            across, down = width, height
        place = (dice.randint(0, width - across), dice.randint(0, height - down))
        frames.append(Drawn(noise(across, down), *place, dispose=dice.randrange(3), blend=dice.randrange(2)))
    return frames, noise(width, height)


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("bands", [1, 2, 3, 4])
def test_frames_are_composed_by_the_standard(bands: int, deep: bool, interlaced: bool, apart: bool, tmp_path: Path) -> None:
    options: dict[str, Any] = {"interlace": interlaced} | ({"bitdepth": 16} if deep else {})
    for seed in range(8):
        alphas = (0, 255) if seed % 2 else (0, 1, 60, 128, 200, 254, 255)
        frames, static = random_animation(seed, bands=bands, deep=deep, alphas=alphas, apart=apart)
        data = apng(frames, static=static if apart else None, **options)

        roll, source = roll_of(data, tmp_path)

        assert source.header.frames == len(frames)
        for number, right in enumerate(by_the_standard(frames, static.width, static.height)):
            seen = rgba(roll.crop(0, number * static.height, static.width, static.height))
            assert off(seen, right) <= (0 if seed % 2 else 1), (seed, number)


def test_frames_are_composed_as_pillow_does(tmp_path: Path) -> None:
    for seed in range(40):
        frames, _ = random_animation(seed, bands=4, deep=False, alphas=(0, 255), apart=False)
        frames = [replace(frame, blend=SOURCE) if frame.dispose == PREVIOUS else frame for frame in frames]
        data = apng(frames)

        roll, source = roll_of(data, tmp_path)

        theirs = Image.open(io.BytesIO(data))
        for number in range(len(frames)):
            theirs.seek(number)
            right = theirs.convert("RGBA").tobytes()
            seen = rgba(roll.crop(0, number * source.header.height, source.header.width, source.header.height))
            assert off(seen, pixels_of(right)) == 0, (seed, number)


def test_what_is_laid_over_itself_stays_what_it_is(tmp_path: Path) -> None:
    """libvips 8.18.7's composite cuts off what lies behind the point: a step darker with every frame."""
    ground, veil = colour((200, 101, 51, 255), 3, 3), colour((200, 101, 51, 77), 3, 3)

    roll, _ = roll_of(apng([Drawn(ground), *[Drawn(veil, blend=OVER)] * 30]), tmp_path)

    assert roll.getpoint(1, roll.height - 1) == [200, 101, 51, 255]


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_frames_share_the_palette_and_its_transparency(depth: int, tmp_path: Path) -> None:
    """Red everywhere; then a frame that is clear in its left column lies over it, and one like it takes its place."""
    whole, part = [[0] * 5] * 4, [[1, 0, 0]] * 2
    big, small = Drawn(colour((0,), 5, 4)), Drawn(colour((0,), 3, 2), 1, 1)
    data = joined(
        [
            png_chunk(b"IHDR", struct.pack(">IIBBBBB", 5, 4, depth, 3, 0, 0, 0)),
            actl(3),
            png_chunk(b"PLTE", bytes(RED) + bytes(GREEN)),
            png_chunk(b"tRNS", bytes([255, 0])),
            *(fctl(0, big), png_chunk(b"IDAT", indexed(whole, depth))),
            *(fctl(1, replace(small, blend=OVER)), fdat(2, indexed(part, depth))),
            *(fctl(3, small), fdat(4, indexed(part, depth))),
            png_chunk(b"IEND", b""),
        ]
    )

    roll, _ = roll_of(data, tmp_path)

    alphas = [[pixel[3] for pixel in rgba(roll.crop(0, 4 * number, 5, 4))] for number in range(3)]
    assert {pixel[:3] for pixel in rgba(roll) if pixel[3]} == {RED}
    assert alphas[:2] == [[255] * 20] * 2
    assert [at for at, alpha in enumerate(alphas[2]) if not alpha] == [6, 11]


def indexed(rows: list[list[int]], depth: int) -> bytes:
    """Rows of indices, packed."""
    packed = bytearray()
    for row in rows:
        bits = "".join(f"{index:0{depth}b}" for index in row)
        packed += b"\0" + int(bits.ljust(-(-len(bits) // 8) * 8, "0"), 2).to_bytes(-(-len(bits) // 8), "big")
    return zlib.compress(bytes(packed))


@pytest.mark.parametrize("made", ["webp", "gif"])
def test_a_result_that_can_move_does(made: str, maker: Maker) -> None:
    done = maker(moving_png(plays=3), f"format:{made}" + ("|lossless" if made == "webp" else ""), "image/png", want_facts=True)

    image = pyvips.Image.new_from_file(str(done.target), n=-1)
    assert done.rendered.result.frames == 4
    assert done.rendered.facts is not None
    assert done.rendered.facts.frames == 4
    assert (image.get("delay"), image.get("loop")) == ([50, 100, 150, 200], 3)
    for number, right in enumerate(QUARTERS):
        assert image.getpoint(9, 9 + HIGH * number)[:3] == pytest.approx(right, abs=1)


@pytest.mark.parametrize("chain", ["strip", "format:jpeg|quality:98", "format:avif|lossless", "resize:16x12", "format:auto"])
@pytest.mark.parametrize("apart", [False, True])
def test_a_still_is_the_static_picture(chain: str, apart: bool, maker: Maker, heif_input: None) -> None:
    data = moving_png(static=colour(BLUE) if apart else None)

    done = maker(data, chain, "image/png", want_facts=True)

    image = pyvips.Image.new_from_file(str(done.target))
    right = BLUE if apart else RED
    assert (done.rendered.result.frames, image.get_typeof("n-pages")) == (1, 0) or image.get("n-pages") == 1
    assert image.getpoint(9, 9)[:3] == pytest.approx(right, abs=3)
    assert done.rendered.facts is not None
    assert done.rendered.facts.frames == 4
    assert bytes.fromhex(done.rendered.facts.dominant_colour[1:]) == bytes(right)


@pytest.mark.parametrize("chain", ["format:webp", "strip", "format:webp|resize:16x12", "format:gif"])
def test_facts_are_of_the_static_picture_also_when_it_is_apart(chain: str, maker: Maker) -> None:
    facts = maker(moving_png(static=colour(BLUE)), chain, "image/png", want_facts=True).rendered.facts

    assert facts is not None
    assert bytes.fromhex(facts.dominant_colour[1:]) == bytes(BLUE)


@pytest.mark.parametrize("static", [None, colour(BLUE)])
def test_one_frame_is_a_still(static: pyvips.Image | None, maker: Maker) -> None:
    done = maker(apng([Drawn(colour(RED))], static=static), "format:webp|lossless", "image/png", want_facts=True)

    assert done.rendered.result.frames == 1
    assert done.rendered.facts is not None
    assert done.rendered.facts.frames == 1
    assert pyvips.Image.new_from_file(str(done.target)).getpoint(9, 9) == list(BLUE if static else RED)


@pytest.mark.parametrize(
    ("delay", "milliseconds"),
    [((1, 10), 100), ((1, 0), 10), ((1, 3), 333), ((2, 3), 667), ((1, 1000), 1), ((0, 1), 0), ((65535, 1), 65_535_000)],
)
def test_delays_are_in_milliseconds(delay: tuple[int, int], milliseconds: int, tmp_path: Path) -> None:
    """A divisor of 0 stands for 100 (PNG 3, section 11.3.6.2)."""
    roll, _ = roll_of(apng([Drawn(colour(RED), delay=delay), Drawn(colour(BLUE))]), tmp_path)

    assert roll.get("delay") == [milliseconds, 100]


@pytest.mark.parametrize(("made", "longest"), [("webp", 2**24 - 1), ("gif", 655_350)])
def test_what_a_format_cannot_count_is_as_much_as_it_can(made: str, longest: int, rendered: Renderer) -> None:
    """libvips 8.18.7 refuses 2**24 ms for WebP, writes 700 s to GIF as 44.64, and 65,536 plays to WebP as endless ones."""
    data = apng([Drawn(colour(RED), delay=(65535, 1)), Drawn(colour(BLUE))], plays=2**31 - 1)

    _, path = rendered(data, f"format:{made}", "image/png")

    image = pyvips.Image.new_from_file(str(path), n=-1)
    assert (image.get("delay"), image.get("loop")) == ([longest, 100], 65535)


FRAMES = [Drawn(colour(rgb, 8, 6)) for rgb in (RED, GREEN, BLUE)]


def with_chunk(position: int, *instead: bytes) -> bytes:
    """The three frames with another chunk, or none, or more, in place of this one.

    0 IHDR, 1 acTL, 2 fcTL, 3 IDAT, 4 fcTL, 5 fdAT, 6 fcTL, 7 fdAT, 8 IEND.
    """
    chunks = chunks_of(apng(FRAMES))
    return joined([*chunks[:position], *instead, *chunks[position + 1 :]])


_CHUNKS = chunks_of(apng(FRAMES))
_THIRD = FRAMES[2]


def _fctl_of(width: int, height: int, left: int = 0, top: int = 0, dispose: int = 0, blend: int = 0, number: int = 3) -> bytes:
    return png_chunk(b"fcTL", struct.pack(">IIIIIHHBB", number, width, height, left, top, 1, 10, dispose, blend))


FAULTS = {
    "no acTL": with_chunk(1),
    "acTL behind the pixels": with_chunk(3, _CHUNKS[3], _CHUNKS[1])[: 8 + 25]
    + with_chunk(3, _CHUNKS[3], _CHUNKS[1])[8 + 25 + 20 :],
    "two acTL": with_chunk(1, _CHUNKS[1], _CHUNKS[1]),
    "short acTL": with_chunk(1, png_chunk(b"acTL", bytes(7))),
    "damaged acTL": with_chunk(1, _CHUNKS[1][:-1] + bytes([_CHUNKS[1][-1] ^ 1])),
    "more frames than there are": with_chunk(1, actl(4)),
    "fewer frames than there are": with_chunk(1, actl(2)),
    "no frames": with_chunk(1, actl(0)),
    "four billion frames": with_chunk(1, actl(2**32 - 1)),
    "a number is left out": with_chunk(6, fctl(4, _THIRD)),
    "a number comes twice": with_chunk(6, fctl(2, _THIRD)),
    "frames change places": joined([*_CHUNKS[:4], *_CHUNKS[6:8], *_CHUNKS[4:6], _CHUNKS[8]]),
    "short fcTL": with_chunk(6, png_chunk(b"fcTL", bytes(25))),
    "damaged fcTL": with_chunk(6, _CHUNKS[6][:-1] + bytes([_CHUNKS[6][-1] ^ 1])),
    "short fdAT": with_chunk(7, png_chunk(b"fdAT", bytes(3))),
    "a frame without pixels": with_chunk(5),
    "the last frame without pixels": with_chunk(7),
    "pixels without a frame": with_chunk(6),
    "pixels before the static picture": joined([*_CHUNKS[:2], fdat(0, b""), *_CHUNKS[2:]]),
    "two frames for the static picture": with_chunk(2, fctl(0, FRAMES[0]), fctl(1, FRAMES[0])),
    "a static picture that goes on": joined([*_CHUNKS[:6], png_chunk(b"IDAT", b""), *_CHUNKS[6:]]),
    "no width": with_chunk(6, _fctl_of(0, 6)),
    "no height": with_chunk(6, _fctl_of(8, 0)),
    "beyond the right side": with_chunk(6, _fctl_of(8, 6, left=1)),
    "beyond the bottom": with_chunk(6, _fctl_of(8, 6, top=1)),
    "far beyond": with_chunk(6, _fctl_of(8, 6, left=2**32 - 1)),
    "a first frame that is smaller": with_chunk(2, _fctl_of(7, 6, number=0)),
    "a first frame elsewhere": with_chunk(2, _fctl_of(8, 6, left=1, number=0)),
    "unknown disposal": with_chunk(6, _fctl_of(8, 6, dispose=3)),
    "unknown blending": with_chunk(6, _fctl_of(8, 6, blend=2)),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_of_an_animation_with_a_fault_the_static_picture_is_left(fault: str, maker: Maker) -> None:
    """PNG 3, section 4.9: decoders should show the static image when there is an error."""
    done = maker(FAULTS[fault], "format:webp|lossless", "image/png", want_facts=True)

    assert done.rendered.result.frames == 1
    assert done.rendered.facts is not None
    assert done.rendered.facts.frames == 1
    assert pyvips.Image.new_from_file(str(done.target)).getpoint(4, 4) == list(RED)


def test_a_frame_without_a_fault_is_none() -> None:
    """Else the faults above would prove nothing."""
    assert joined(_CHUNKS) == apng(FRAMES) == with_chunk(6, _fctl_of(8, 6))


@pytest.mark.parametrize(
    "data",
    [
        with_chunk(7, _CHUNKS[7][:-1] + bytes([_CHUNKS[7][-1] ^ 1])),
        with_chunk(7, _CHUNKS[7][:20] + bytes([_CHUNKS[7][20] ^ 1]) + _CHUNKS[7][21:]),
        with_chunk(7, fdat(4, b"no pixels")),
        with_chunk(7, fdat(4, zlib.compress(bytes(9)))),
        with_chunk(7, fdat(4, b"")),
        with_chunk(7, fdat(4, zlib.compress(b"\7" * 6 * 25))),
    ],
    ids=["checksum", "bits", "no zlib", "too few rows", "nothing", "unknown filter"],
)
def test_a_frame_whose_pixels_are_damaged_is_no_part_of_a_result(data: bytes, rendered: Renderer) -> None:
    """The static picture is whole, and is shown where a still is asked for; an animation would lack a frame in silence."""
    for made in ("webp", "gif"):
        with pytest.raises(InvalidImage):
            rendered(data, f"format:{made}", "image/png")

    assert pyvips.Image.new_from_file(str(rendered(data, "strip", "image/png")[1])).getpoint(4, 4) == list(RED)


@pytest.mark.parametrize("made", ["webp", "png"])
def test_an_animation_that_is_cut_short_is_refused(made: str, rendered: Renderer) -> None:
    whole = apng(FRAMES)
    for length in range(8, len(whole), 13):
        with pytest.raises(InvalidImage):
            rendered(whole[:length], f"format:{made}", "image/png")


def test_limits_count_all_frames(rendered: Renderer) -> None:
    data = moving_png()
    for limits in (replace(LIMITS, max_frames=3), replace(LIMITS, max_pixels=WIDE * HIGH * 4 - 1)):
        with pytest.raises(ImageTooLarge):
            rendered(data, "format:webp", "image/png", limits)
    limits = replace(LIMITS, max_frames=4, max_pixels=WIDE * HIGH * 4)
    assert rendered(data, "format:webp", "image/png", limits)[0].frames == 4


def test_small_frames_count_as_large_as_the_canvas(tmp_path: Path, rendered: Renderer) -> None:
    frames = [Drawn(colour(RED, 200, 200)), *[Drawn(colour(BLUE, 1, 1))] * 99]

    with pytest.raises(ImageTooLarge, match="4000000 pixels"):
        rendered(apng(frames), "format:webp", "image/png", replace(LIMITS, max_pixels=3_999_999))


@pytest.mark.parametrize(
    ("chain", "blue", "red"),
    [
        ("resize:16x12|format:webp|lossless", (4, 3), (12, 9)),
        ("crop:20x16+4+0|format:webp|lossless", (5, 5), (15, 14)),
        ("rotate:90|format:gif", (20, 8), (4, 24)),
    ],
)
def test_operations_work_on_whole_canvases(chain: str, blue: tuple[int, int], red: tuple[int, int], rendered: Renderer) -> None:
    """A frame that covers a part of the canvas is not what is scaled, cut or turned."""
    frames = [Drawn(colour(RED)), Drawn(colour(BLUE, WIDE // 2, HIGH // 2))]

    _, path = rendered(apng(frames), chain, "image/png")

    image = pyvips.Image.new_from_file(str(path), n=-1)
    second = image.crop(0, image.height // 2, image.width, image.height // 2)
    assert second.getpoint(*blue)[:3] == pytest.approx(BLUE, abs=1)
    assert second.getpoint(*red)[:3] == pytest.approx(RED, abs=1)


def test_the_colour_of_what_is_clear_does_not_bleed_when_frames_are_scaled(rendered: Renderer) -> None:
    """The right half is red and transparent."""
    half = colour((*BLUE, 255)).insert(colour((*RED, 0), WIDE // 2), WIDE // 2, 0)

    other = colour((*GREEN, 255))

    _, path = rendered(apng([Drawn(half), Drawn(other)]), "resize:15x12,fit=fill|format:webp|lossless", "image/png")

    image = pyvips.Image.new_from_file(str(path), n=-1)
    assert image.getpoint(7, 5)[3] == pytest.approx(128, abs=40)
    assert all(image.getpoint(x, 5)[0] < 40 for x in range(15) if image.getpoint(x, 5)[3] > 20)


def test_frames_are_decoded_no_larger_than_they_are_needed(tmp_path: Path) -> None:
    roll, _ = roll_of(moving_png(), tmp_path, size=(8, 6))

    assert (roll.width, roll.height, roll.get("delay")) == (8, 24, [50, 100, 150, 200])


@pytest.mark.parametrize(
    ("frames", "clear"),
    [
        ([Drawn(colour(RED)), Drawn(colour(BLUE, 4, 4), dispose=BACKGROUND)], False),
        ([Drawn(colour(RED), dispose=BACKGROUND), Drawn(colour(BLUE, 4, 4))], True),
        ([Drawn(colour(RED), dispose=PREVIOUS), Drawn(colour(BLUE, 4, 4))], True),
        ([Drawn(colour(RED)), Drawn(colour(BLUE, 4, 4), dispose=PREVIOUS), Drawn(colour(BLUE, 2, 2))], False),
    ],
    ids=["cleared at the end", "cleared", "nothing before it", "restored"],
)
def test_opaque_frames_are_transparent_where_they_leave_the_canvas_bare(frames: list[Drawn], clear: bool, maker: Maker) -> None:
    done = maker(apng(frames), "format:webp|lossless", "image/png", want_facts=True)

    image = pyvips.Image.new_from_file(str(done.target), n=-1)
    assert done.rendered.facts is not None
    assert done.rendered.facts.has_alpha == clear
    assert image[3].crop(0, HIGH, WIDE, HIGH).min() == (0 if clear else 255)


def test_a_first_frame_that_leaves_the_canvas_bare(tmp_path: Path) -> None:
    frames = [Drawn(colour(RED, 4, 4), 2, 2), Drawn(colour(BLUE))]

    roll, source = roll_of(apng(frames, static=colour(WHITE)), tmp_path)

    assert source.header.has_alpha
    assert roll.getpoint(0, 0) == [0, 0, 0, 0]
    assert roll.getpoint(3, 3) == [*RED, 255]


def _icc() -> bytes:
    wide = pictures.scene().icc_transform("p3", input_profile="srgb")
    return png_chunk(b"iCCP", b"p3\0\0" + zlib.compress(bytes(wide.get("icc-profile-data"))))


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("keep", ["", "|keep:icc"])
@pytest.mark.parametrize(
    ("extra", "right"),
    [
        (_icc(), (216, 69, 50)),
        (png_chunk(b"cICP", bytes([12, 13, 0, 1])), (216, 69, 50)),
        (png_chunk(b"gAMA", struct.pack(">I", 100_000)), (229, 152, 133)),
        (png_chunk(b"cICP", bytes([9, 16, 0, 1])), (255, 0, 0)),
    ],
    ids=["profile", "cICP", "gamma", "PQ"],
)
def test_the_colours_of_a_file_are_those_of_all_its_frames(
    extra: bytes, right: tuple[int, ...], keep: str, deep: bool, rendered: Renderer
) -> None:
    shade = colour((200, 80, 60))
    shade = (shade * 257).cast("ushort").copy(interpretation="rgb16") if deep else shade
    data = apng([Drawn(shade), Drawn(shade), Drawn(shade)], extra=extra, **({"bitdepth": 16} if deep else {}))

    _, path = rendered(data, f"format:webp|lossless{keep}", "image/png")

    image = pyvips.Image.new_from_file(str(path), n=-1)
    assert bool(image.get_typeof("icc-profile-data")) == (bool(keep) and right[0] != 255)
    seen = image.icc_transform("srgb", embedded=True, depth=8) if keep and right[0] != 255 else image
    for number in range(image.height // HIGH):
        assert seen.getpoint(9, 9 + number * HIGH)[:3] == pytest.approx(right, abs=2)


def test_frames_that_lie_on_their_side_are_upright(rendered: Renderer) -> None:
    data = apng([Drawn(pictures.scene(WIDE, HIGH)), Drawn(colour(BLUE, 4, 4))], extra=png_chunk(b"eXIf", pictures.exif(6)))

    _, path = rendered(data, "format:webp|lossless", "image/png")

    image = pyvips.Image.new_from_file(str(path), n=-1)
    assert (image.width, image.height) == (HIGH, 2 * WIDE)
    assert image.getpoint(22, 1)[:3] == list(RED)
    assert image.getpoint(22, WIDE + 1)[:3] == list(BLUE)


def test_text_and_other_chunks_do_not_matter(rendered: Renderer) -> None:
    texts = [png_chunk(b"tEXt", b"Comment\0x") for _ in _CHUNKS]
    data = joined([*chained.from_iterable(zip(_CHUNKS, texts, strict=True))][:-1])

    assert rendered(data, "format:webp", "image/png")[0].frames == 3


def test_an_animation_laid_over_another_picture_is_its_static_picture(maker: Maker, tmp_path: Path) -> None:
    from internal.sandbox.port import Overlay

    mark, name = tmp_path / "mark", "0198b2c4-8d1e-7a53-9f60-2b7c1d4e5f60"
    mark.write_bytes(moving_png(static=colour(WHITE)))
    chain = f"watermark:{name},scale=0.5,gravity=northwest,margin=0"

    done = maker(pictures.png(), chain, "image/png", overlays={name: Overlay(mark, "image/png")})

    assert pyvips.Image.new_from_file(str(done.target)).getpoint(9, 9)[:3] == list(WHITE)


def test_the_walk_is_bounded(tmp_path: Path) -> None:
    path, text = tmp_path / "source", png_chunk(b"tEXt", b"")
    path.write_bytes(joined([*_CHUNKS[:8], *[text] * (MAX_CHUNKS - 9), _CHUNKS[8]]))
    animation = animation_of(path)
    assert animation is not None
    path.write_bytes(joined([*_CHUNKS[:8], *[text] * (MAX_CHUNKS - 8), _CHUNKS[8]]))

    with pytest.raises(InvalidImage, match="more chunks"):
        animation_of(path)


def test_frames_are_looked_for_in_animations_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def walk(path: Path) -> None:
        raise AssertionError(path)

    monkeypatch.setattr("internal.pipeline.loaders.png.animation_of", walk)
    for data in (pictures.png(), with_png_chunks(pictures.png(), fctl(0, FRAMES[0]))):
        (tmp_path / "source").write_bytes(data)
        assert PngSource(tmp_path / "source", "image/png", tmp_path, "copy").header.frames == 1
