"""TIFF samples of every type and layout are decoded correctly."""

import math
import struct
from pathlib import Path
from typing import Any

import pytest
import pyvips

from internal.domain.errors import InvalidImage
from internal.pipeline.containers.tiff_fields import TiffFile
from internal.pipeline.containers.tiff_samples import Samples, read_samples
from internal.pipeline.vips.profiles import PROFILE
from tests.tiff_pictures import DEFLATE, GREY, LZW, NONE, PACKBITS, RGB, Pixel, between, extra, halves, near, tiff
from tests.tiffs import DOUBLE, LONG, LONG8, RATIONAL, SHORT, SLONG, UNDEFINED, Fields, written
from tests.unit.pipeline.conftest import Renderer, ShownColours

WHITE_IS_ZERO = 0
TOP: dict[str, float] = {f"u{size}": 2 ** (8 * size) - 1 for size in (1, 2, 4, 8)}
TOP |= {f"i{size}": 2 ** (8 * size - 1) - 1 for size in (1, 2, 4, 8)}
TOP |= {f"f{size}": 1 for size in (2, 4, 8)}
LAYOUTS: tuple[dict[str, Any], ...] = (
    {},
    {"order": ">"},
    {"big": True, "compression": LZW},
    {"order": ">", "big": True, "tile": 16},
    {"tile": 16, "compression": DEFLATE},
    {"compression": PACKBITS, "rows": 5},
    {"planes": True},
    {"planes": True, "order": ">", "compression": DEFLATE, "rows": 16},
    {"planes": True, "tile": 16, "compression": LZW, "order": ">"},
    {"planes": True, "tile": 16, "big": True},
)
"""Strips and tiles, both byte orders, classic and BigTIFF, chunky and planar, compressed or not."""


def sample(kind: str, share: float) -> float:
    """The value at this share of the type's range above zero."""
    return share if kind[0] == "f" else int(share * TOP[kind])


def pixel(kind: str, *shares: float) -> Pixel:
    return [sample(kind, share) for share in shares]


def as_seen(kind: str, share: float) -> int:
    """The sample in 8 bits: unsigned by its range, signed shifted by it, floats as linear light (sRGB curve)."""
    if kind[0] == "i":
        return round(255 * (128 + 127 * share) / 255)
    if kind[0] == "u":
        return round(255 * share)
    return round(255 * (1.055 * math.pow(share, 1 / 2.4) - 0.055))


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
@pytest.mark.parametrize("kind", TOP)
def test_samples_of_every_kind(kind: str, layout: dict[str, Any], shown: ShownColours) -> None:
    """libvips 8.18.7: 32 unsigned bits become black and white, grey floats black, signed values white, 64 bits are refused.

    It mixes up the rows of planes in strips, except for RGB and CMYK integers, and refuses planes in tiles.
    """
    grey = tiff(pixel(kind, 0.25), pixel(kind, 0.75), kind, GREY, **layout | {"planes": False})
    assert near(shown(grey), [[as_seen(kind, 0.25)], [as_seen(kind, 0.75)]])
    inverted = tiff(pixel(kind, 0.25), pixel(kind, 0.75), kind, WHITE_IS_ZERO, **layout | {"planes": False})
    right = {"u": (191, 64), "i": (96, 32), "f": (as_seen("f4", 0.75), as_seen("f4", 0.25))}[kind[0]]
    assert near(shown(inverted), [[value] for value in right])
    colour = tiff(pixel(kind, 0.8, 0.2, 0.1), pixel(kind, 0.1, 0.2, 0.8), kind, RGB, **layout)
    warm = [as_seen(kind, share) for share in (0.8, 0.2, 0.1)]
    assert near(shown(colour), [warm, warm[::-1]], 2)
    assert near(shown(colour, "resize:16x8"), [warm, warm[::-1]], 2)
    assert near(shown(colour, "resize:16x8|format:jpeg|quality:100"), [warm, warm[::-1]], 8)
    clear = tiff(pixel(kind, 0.25, 0.5), pixel(kind, 0.75, 1), kind, GREY, extra(2), **layout)
    half = {"u": 127.5, "i": 191.5, "f": 127.5}[kind[0]]
    for chain in ("format:png", "resize:16x8"):
        assert near(shown(clear, chain), [[as_seen(kind, 0.25), half], [as_seen(kind, 0.75), 255]], 2)


def test_half_the_light_is_188(shown: ShownColours) -> None:
    assert shown(tiff((0.5,), (1.0,), "f4", GREY)) == [[188], [255]]
    assert shown(tiff((0.5,) * 3, (0.0,) * 3, "f2", RGB)) == [[188] * 3, [0] * 3]


@pytest.mark.parametrize(
    ("kind", "left", "right", "fields"),
    [
        ("u4", 500, 1000, between(0, 1000, LONG)),
        ("u4", 100, 200, between(0, 200, SHORT)),
        ("u8", 2**40 // 2, 2**40, between(0, 2**40, LONG8)),
        ("i1", 0, 50, between(-50, 50, SLONG)),
        ("i2", 0, 100, between(-100, 100, SLONG)),
        ("i4", 1500, 2000, between(1000, 2000, LONG)),
        ("i8", 0, 7, between(-7, 7, SLONG)),
        ("i2", 50, 100, {340: (RATIONAL, (0, 1)), 341: (RATIONAL, (200, 2))}),
    ],
)
def test_whole_numbers_go_from_smin_to_smax(kind: str, left: int, right: int, fields: Fields, shown: ShownColours) -> None:
    """TIFF 6.0, section 19: the range of the samples; by default that of their type."""
    for order in "<>":
        assert near(shown(tiff((left,), (right,), kind, GREY, fields, order=order)), [[127.5], [255]])
    assert near(
        shown(tiff((left, right, left), (right, left, right), kind, RGB, fields)), [[127.5, 255, 127.5], [255, 127.5, 255]]
    )


@pytest.mark.parametrize("kind", ["f2", "f4", "f8"])
def test_floats_go_from_smin_to_smax(kind: str, shown: ShownColours) -> None:
    fields = between(-100.0, 100.0, DOUBLE)
    assert shown(tiff((0.0,), (200.0,), kind, GREY, fields)) == [[188], [255]]
    assert shown(tiff((0.0, -100.0, 0.0), (-300.0, 0.0, 100.0), kind, RGB, fields)) == [[188, 0, 188], [0, 188, 255]]


def test_the_widest_of_several_ranges_is_used(shown: ShownColours) -> None:
    """As in libtiff: colours keep their proportion."""
    fields: Fields = {340: (DOUBLE, (0.0, 0.0, 0.0)), 341: (DOUBLE, (1.0, 0.5, 2.0))}
    assert shown(tiff((1.0, 1.0, 1.0), (2.0, 1.0, 0.0), "f4", RGB, fields)) == [[188] * 3, [255, 188, 0]]


@pytest.mark.parametrize(
    "fields",
    [between(5, 5, LONG), between(9, 3, LONG), between(0.0, float("nan"), DOUBLE), between(float("-inf"), float("inf"), DOUBLE)],
)
def test_an_invalid_range_is_ignored(fields: Fields, shown: ShownColours) -> None:
    assert near(shown(tiff((2**31,), (2**32 - 1,), "u4", GREY, fields)), [[128], [255]])


def test_eight_and_sixteen_bits_are_shown_as_everywhere(shown: ShownColours) -> None:
    """No program uses a range here, nor MinSampleValue and MaxSampleValue, which are statistics."""
    statistics: Fields = {280: (SHORT, (0,)), 281: (SHORT, (100,))}
    assert shown(tiff((50,), (100,), "u1", GREY, between(0, 100, SHORT) | statistics)) == [[50], [100]]
    assert shown(tiff((50 * 257,), (100 * 257,), "u2", GREY, between(0, 25700, SHORT))) == [[50], [100]]
    assert near(shown(tiff((2**31,), (2**32 - 1,), "u4", GREY, statistics)), [[128], [255]])


def test_nan_is_black_and_infinity_white(shown: ShownColours) -> None:
    """libvips 8.18.7 turns NaN into infinity in floats of 16 bits."""
    nan, inf = float("nan"), float("inf")
    for kind in ("f4", "f8"):
        assert shown(tiff((nan,), (inf,), kind, GREY)) == [[0], [255]]
        assert shown(tiff((-inf, 0.5, nan), (0.0, inf, 1.0), kind, RGB)) == [[0, 188, 0], [0, 255, 255]]
        assert shown(tiff((0.5, nan), (inf, inf), kind, GREY, extra(2))) == [[188, 0], [255, 255]]
    assert shown(tiff((-inf, 0.5, nan), (0.0, inf, 1.0), "f2", RGB)) == [[0, 188, 255], [0, 255, 255]]


def test_floats_that_are_not_from_zero_to_one_are_refused(shown: ShownColours) -> None:
    """A height map, or values of 0 to 255, would be all white. A few bright spots are fine."""
    for kind in ("f4", "f8"):
        with pytest.raises(InvalidImage, match="lie outside of 0 to 1"):
            shown(tiff((200.0,), (255.0,), kind, GREY))
    assert shown(tiff((0.5, 0.5, 0.5), (0.5, 7.0, 0.5), "f4", RGB)) == [[188] * 3, [188, 255, 188]]


@pytest.mark.parametrize("kind", ["f2", "f4", "f8", "u4", "i2"])
def test_a_profile_says_what_the_numbers_mean(kind: str, rendered: Renderer, shown: ShownColours) -> None:
    """P3 (200, 80, 60) is (216, 69, 50) in sRGB. libvips 8.18.7 shows floats with a profile as black."""
    profile = pyvips.Image.black(1, 1, bands=3).copy(interpretation="srgb").icc_transform("p3", input_profile="srgb").get(PROFILE)
    shares = [value / 255 for value in (200, 80, 60)]
    low = -(2**15) if kind == "i2" else 0
    colour = [low + (TOP[kind] - low) * share for share in shares]
    colour = colour if kind[0] == "f" else [int(value) for value in colour]
    data = tiff(colour, colour, kind, RGB, {34675: (UNDEFINED, bytes(profile))})

    assert near(shown(data), [[216, 69, 50]] * 2)
    _, path = rendered(data, "resize:16x8|keep:icc|format:png", "image/tiff")
    kept = pyvips.Image.new_from_file(str(path))
    assert near([kept(3, 3)], [[200, 80, 60]])
    assert kept.get_typeof(PROFILE)


@pytest.mark.parametrize("planes", [False, True])
@pytest.mark.parametrize("tile", [None, 16])
def test_predictors(planes: bool, tile: int | None, shown: ShownColours) -> None:
    layout: dict[str, Any] = {"tile": tile, "planes": planes, "compression": LZW}
    light, dark = (0.5, 0.25, 0.125), (0.125, 0.25, 0.5)
    for kind in ("f2", "f4"):
        assert near(shown(tiff(light, dark, kind, RGB, predictor=3, **layout)), [[188, 137, 99], [99, 137, 188]])
    for kind in ("u1", "u2", "u4"):
        data = tiff(pixel(kind, *light), pixel(kind, *dark), kind, RGB, predictor=2, **layout)
        assert near(shown(data), [[127, 64, 32], [32, 64, 127]])


@pytest.mark.parametrize("kind", ["f8", "u8", "i8", "b12"])
def test_a_predictor_beside_samples_that_we_take_apart_is_refused(kind: str, shown: ShownColours) -> None:
    fields: Fields = {317: (SHORT, (2,))}
    with pytest.raises(InvalidImage, match="with a compression"):
        shown(tiff((0,), (1,), kind, GREY, fields, compression=DEFLATE))


@pytest.mark.parametrize("bits", [*range(1, 8), *range(9, 16)])
def test_packed_samples(bits: int, shown: ShownColours) -> None:
    """libvips 8.18.7 reads 1, 2 and 4 bits of single samples only. In 12 bits, 2048 is 128."""
    top = 2**bits - 1
    middle = 2 ** (bits - 1) - 1
    grey = middle * 255 / top
    for layout in ({}, {"order": ">", "compression": LZW}, {"size": (33, 9)}, {"tile": 128, "size": (128, 16)}):
        assert near(shown(tiff((middle,), (top,), f"b{bits}", GREY, **layout)), [[grey], [255]])
        assert near(shown(tiff((middle,), (top,), f"b{bits}", WHITE_IS_ZERO, **layout)), [[255 - grey], [0]])
        colour = tiff((middle, 0, top), (top, middle, 0), f"b{bits}", RGB, **layout)
        assert near(shown(colour), [[grey, 0, 255], [255, grey, 0]])
    planes = tiff((middle, 0, top), (top, middle, 0), f"b{bits}", RGB, planes=True)
    assert near(shown(planes, "resize:16x8"), [[grey, 0, 255], [255, grey, 0]], 2)
    assert near(shown(tiff((middle, top), (top, middle), f"b{bits}", GREY, extra(2))), [[grey, 255], [255, grey]])


def test_twelve_bits_of_grey(shown: ShownColours) -> None:
    assert shown(tiff((2048,), (4095,), "b12", GREY)) == [[128], [255]]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (tiff((1,), (2,), "b12", GREY, tile=16), "12 bits in tiles of 16 pixels"),
        (tiff((1,), (2,), "u1", GREY, {258: (SHORT, (24,))}), "unsigned samples of 24 bits"),
        (tiff((1,), (2,), "u1", GREY, {258: (LONG, (2**32 - 1,))}), "samples of 4294967295 bits"),
        (tiff((1,), (2,), "u1", GREY, {258: (DOUBLE, (float("inf"),))}), "damaged"),
        (tiff((1,), (2,), "u1", GREY, {277: (DOUBLE, (float("nan"),))}), "damaged"),
        (tiff((1.0,), (0.0,), "f4", GREY, {258: (SHORT, (24,))}), "floating-point samples of 24 bits"),
        (tiff((1,), (2,), "u1", GREY, {339: (SHORT, (6,))}), "complex"),
        (tiff((1, 2, 3), (1, 2, 3), "u1", RGB, {258: (SHORT, (5, 6, 5))}), "different sizes"),
        (tiff((1, 2, 3), (1, 2, 3), "u1", RGB, {339: (SHORT, (1, 2, 1))}), "different kinds"),
        (tiff((1, 2), (1, 2), "u1", RGB), "2 samples"),
        (tiff((1,), (2,), "u1", GREY, {277: (LONG, (1001,))}), "1001 samples"),
        (tiff((1,), (2,), "u1", GREY, {277: (LONG, (2**32 - 1,))}), "4294967295 samples"),
        (tiff((1,), (2,), "u1", GREY, {277: (SHORT, (0,))}), "0 samples"),
        (tiff((1,), (2,), "u1", GREY, {258: (SHORT, (8,) * 1001)}), "too many samples"),
        (tiff((1,), (2,), "u4", GREY, {256: (LONG, (2**18 + 1,))}), "too long"),
        (tiff((1,), (2,), "u4", GREY, {256: (LONG, (2**18,)), 278: (SHORT, (65,))}), "too long"),
        (tiff((1,), (2,), "u4", GREY, {256: (LONG, (2**18,)), 323: (SHORT, (528,))}, tile=16), "too long"),
        (tiff((1,), (2,), "b12", GREY, {259: (SHORT, (7,))}), "with a compression"),
    ],
)
def test_unsupported_samples_are_named(data: bytes, reason: str, shown: ShownColours) -> None:
    with pytest.raises(InvalidImage, match=reason):
        shown(data)


def test_planes_with_parts_missing_are_refused(shown: ShownColours) -> None:
    page = halves((1, 2, 3), (3, 2, 1), "u1", RGB, planes=True, tile=16)
    page.parts = page.parts[:-1]
    with pytest.raises(InvalidImage, match="planes"):
        shown(written(page))


def test_pixels_that_are_missing_are_noticed_in_every_plane(shown: ShownColours) -> None:
    whole = tiff((1.0, 0.5, 0.2), (0.5, 0.2, 1.0), "f4", RGB, planes=True, compression=NONE)
    shown(whole)
    with pytest.raises(InvalidImage):
        shown(whole[:1200])


def test_tiffs_that_libvips_decodes_correctly_are_not_copied(tmp_path: Path, rendered: Renderer) -> None:
    """Photographs pay nothing for rare types: no copy and no additional step."""

    def samples(data: bytes) -> Samples:
        path = tmp_path / "file"
        path.write_bytes(data)
        with path.open("rb") as file:
            opened = TiffFile(file)
            return read_samples(opened, opened.directory(opened.first))

    for kind in ("u1", "u2"):
        for layout in ({}, {"tile": 16}, {"planes": True}):
            assert samples(tiff((1, 2, 3), (1, 2, 3), kind, RGB, **layout)).native
        assert samples(tiff((1,), (2,), kind, GREY)).native
    assert not samples(tiff((1,), (2,), "u4", GREY)).native


@pytest.mark.parametrize("order", ["<", ">"])
def test_the_first_of_duplicate_fields_wins(order: str, shown: ShownColours) -> None:
    """As in libtiff: the checked and the decoded values must be the same."""
    data = tiff((200, 40, 40), (40, 90, 200), "u1", RGB, order=order)
    samples, planes = (data.index(struct.pack(f"{order}HHI", tag, SHORT, 1)) for tag in (277, 284))
    twice = data[:planes] + data[samples : samples + 8] + struct.pack(f"{order}HH", 1, 0) + data[planes + 12 :]
    assert shown(twice) == [[200, 40, 40], [40, 90, 200]]
