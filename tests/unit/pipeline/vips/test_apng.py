"""Animated PNG: the static picture as a still, all frames for WebP and GIF, composed by PNG 3 (section 11.3.6).

Frames are compared with the standard's formula, implemented below pixel by pixel, and with Pillow 13.0.0 where it follows it
(findings/pillow_apng.sh shows where it does not). Chromium 156 shows the first and the last frame of 150 such files as we do.
"""

import io
import random
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
import pyvips
from msgspec.structs import replace
from PIL import Image

from internal.pipeline.vips.loaders.png import PngSource
from tests.apngs import (
    NONE,
    OVER,
    PREVIOUS,
    SOURCE,
    Drawn,
    actl,
    apng,
    colour,
    fctl,
    fdat,
    joined,
    moving_png,
)
from tests.pictures import BLUE, GREEN, RED, WHITE, png_chunk

Pixel = tuple[int, int, int, int]


CLEAR: Pixel = (0, 0, 0, 0)


def roll_of(data: bytes, folder: Path, *, size: tuple[int, int] | None = None) -> tuple[pyvips.Image, PngSource]:
    """All frames from the loader, one below the other."""
    pyvips.cache_set_max(0)  # files have the same name
    path = folder / "source"
    path.write_bytes(data)
    source = PngSource(path, "image/png", folder, "copy")
    return source.decode(size, animated=True), source


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
    """The largest difference of any value. Transparent pixels are equal whatever their colour."""
    pairs = ((one, other) for one, other in zip(seen, right, strict=True) if one[3] or other[3])
    return max((abs(a - b) for pair in pairs for a, b in zip(*pair, strict=True)), default=0)


def random_animation(
    seed: int, *, bands: int, deep: bool, alphas: tuple[int, ...], apart: bool
) -> tuple[list[Drawn], pyvips.Image]:
    """Frames of noise at random places on a small canvas, and a static picture of its size."""
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


def test_compositing_a_picture_over_itself_changes_nothing(tmp_path: Path) -> None:
    """libvips 8.18.7's composite truncates: one step darker with every frame."""
    ground, veil = colour((200, 101, 51, 255), 3, 3), colour((200, 101, 51, 77), 3, 3)

    roll, _ = roll_of(apng([Drawn(ground), *[Drawn(veil, blend=OVER)] * 30]), tmp_path)

    assert roll.getpoint(1, roll.height - 1) == [200, 101, 51, 255]


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_frames_share_the_palette_and_its_transparency(depth: int, tmp_path: Path) -> None:
    """Red; then a frame with a transparent left column is composited, and an equal one replaces it."""
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
    """Rows of packed indexes."""
    packed = bytearray()
    for row in rows:
        bits = "".join(f"{index:0{depth}b}" for index in row)
        packed += b"\0" + int(bits.ljust(-(-len(bits) // 8) * 8, "0"), 2).to_bytes(-(-len(bits) // 8), "big")
    return zlib.compress(bytes(packed))


@pytest.mark.parametrize(
    ("delay", "milliseconds"),
    [((1, 10), 100), ((1, 0), 10), ((1, 3), 333), ((2, 3), 667), ((1, 1000), 1), ((0, 1), 0), ((65535, 1), 65_535_000)],
)
def test_delays_are_in_milliseconds(delay: tuple[int, int], milliseconds: int, tmp_path: Path) -> None:
    """A divisor of 0 means 100 (PNG 3, section 11.3.6.2)."""
    roll, _ = roll_of(apng([Drawn(colour(RED), delay=delay), Drawn(colour(BLUE))]), tmp_path)

    assert roll.get("delay") == [milliseconds, 100]


def test_frames_are_decoded_no_larger_than_they_are_needed(tmp_path: Path) -> None:
    roll, _ = roll_of(moving_png(), tmp_path, size=(8, 6))

    assert (roll.width, roll.height, roll.get("delay")) == (8, 24, [50, 100, 150, 200])


def test_a_first_frame_that_leaves_the_canvas_bare(tmp_path: Path) -> None:
    frames = [Drawn(colour(RED, 4, 4), 2, 2), Drawn(colour(BLUE))]

    roll, source = roll_of(apng(frames, static=colour(WHITE)), tmp_path)

    assert source.header.has_alpha
    assert roll.getpoint(0, 0) == [0, 0, 0, 0]
    assert roll.getpoint(3, 3) == [*RED, 255]
