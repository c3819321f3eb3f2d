"""TIFF colour types: L*a*b*, YCbCr, palettes, CMYK, SGI LogLuv; missing and unsupported types are refused by name."""

import math
import struct
from typing import Any

import pytest
import pyvips

from internal.domain.errors import InvalidImage
from tests.tiff_pictures import (
    CIELAB,
    CMYK,
    DEFLATE,
    GREY,
    ICCLAB,
    LZW,
    PALETTE,
    RGB,
    YCBCR,
    extra,
    halves,
    near,
    tiff,
)
from tests.tiffs import LONG, RATIONAL, SHORT, UNDEFINED, Fields, Ifd, written
from tests.unit.pipeline.conftest import ShownColours

RED, BLUE = [200, 40, 40], [40, 90, 200]
LAYOUTS: tuple[dict[str, Any], ...] = (
    {},
    {"tile": 16},
    {"planes": True},
    {"planes": True, "tile": 16, "order": ">", "compression": LZW},
)
D50: Fields = {318: (RATIONAL, (3457, 10000, 3585, 10000))}


def lab(photometric: int, bits: int, lightness: float, a: float, b: float) -> list[int]:
    """Values as stored: a* and b* of TIFF 6.0 are signed; those of ICC are offset by 128; its L* ends at 0xFF00 in 16 bits."""
    byte = 2 ** (bits - 8)
    if photometric == ICCLAB:
        return [round(lightness * 2.55 * byte), round((a + 128) * byte), round((b + 128) * byte)]
    return [round(lightness / 100 * (2**bits - 1)), *(round(value * byte) % 2**bits for value in (a, b))]


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("photometric", [CIELAB, ICCLAB])
def test_lab(photometric: int, bits: int, layout: dict[str, Any], shown: ShownColours) -> None:
    """libvips 8.18.7 refuses CIELab of 8 bits ("bad labq format"; 8.17.3 read it) and shows ICCLab as RGB.

    White is D65 in TIFF 6.0 and D50 in ICC.
    """
    colours = {CIELAB: ((44.16, 60.88, 40.84), (41.11, 23.78, -61.93)), ICCLAB: ((44.94, 61.62, 42.51), (40.09, 15.46, -63.32))}
    left, right = (lab(photometric, bits, *colour) for colour in colours[photometric])
    for chain in ("format:png", "resize:16x8"):
        seen = shown(tiff(left, right, f"u{bits // 8}", photometric, **layout), chain)
        assert near(seen, [RED, BLUE], 2 if bits == 8 else 1)
    neutral = lab(photometric, bits, 50, 0, 0)
    assert near(
        shown(tiff(neutral, lab(photometric, bits, 100, 0, 0), f"u{bits // 8}", photometric, **layout)), [[119] * 3, [255] * 3]
    )


def test_lab_of_floats_and_with_a_white_point(shown: ShownColours) -> None:
    assert near(shown(tiff((44.16, 60.88, 40.84), (50.0, 0.0, 0.0), "f4", CIELAB)), [RED, [119] * 3])
    assert near(shown(tiff((float("nan"), 0.0, 0.0), (1e9, float("inf"), 0.0), "f4", CIELAB)), [[0] * 3, [255, 88, 255]], 255)
    blue = lab(CIELAB, 16, 40.09, 15.46, -63.32)
    assert near(shown(tiff(blue, blue, "u2", CIELAB, D50)), [BLUE, BLUE])


def test_lab_with_transparency(shown: ShownColours) -> None:
    for kind, whole in (("u1", 255), ("u2", 65535)):
        bits = int(kind[1]) * 8
        red, grey = lab(CIELAB, bits, 44.16, 60.88, 40.84), lab(CIELAB, bits, 50, 0, 0)
        data = tiff([*red, whole // 2], [*grey, whole], kind, CIELAB, extra(2))
        assert near(shown(data), [[*RED, 127.5], [119, 119, 119, 255]])
        multiplied = [lab(CIELAB, bits, 44.16 / 2, 30.44, 20.42), [*grey]]
        data = tiff([*multiplied[0], whole // 2], [*grey, whole], kind, CIELAB, extra(1))
        assert near(shown(data), [[*RED, 127.5], [119, 119, 119, 255]], 3)
    assert near(shown(tiff([*lab(CIELAB, 8, 50, 0, 0), 7], [*lab(CIELAB, 8, 50, 0, 0), 9], "u1", CIELAB)), [[119] * 3] * 2)


def test_lab_in_jpeg(shown: ShownColours) -> None:
    """Compressed as three components without a colour space."""
    plain = pyvips.Image.black(32, 16, bands=3) + lab(CIELAB, 8, 50, 0, 0)
    scan = bytes(plain.cast("uchar").copy(interpretation="srgb").jpegsave_buffer(Q=100, subsample_mode="off", keep="none"))
    as_rgb = scan.replace(b"\xff\xe0\0\x10JFIF", b"\xff\xfe\0\x10JFIF")
    page = halves((0, 0, 0), (0, 0, 0), "u1", CIELAB, {259: (SHORT, (7,))}, rows=16)
    page.parts = (as_rgb,)
    seen = shown(written(page))
    assert all(abs(seen[0][band] - seen[1][band]) <= 1 for band in range(3))


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
def test_ycbcr_of_full_resolution(layout: dict[str, Any], shown: ShownColours) -> None:
    """libvips 8.18.7 shows luma and chroma as RGB, unless they are JPEG-compressed or subsampled."""
    full: Fields = {530: (SHORT, (1, 1))}
    assert near(shown(tiff((76, 85, 255), (150, 44, 21), "u1", YCBCR, full, **layout)), [[254, 0, 0], [0, 255, 1]])
    video: Fields = {532: (RATIONAL, (16, 1, 235, 1, 128, 1, 240, 1, 128, 1, 240, 1))}
    assert near(shown(tiff((81, 90, 240), (145, 54, 34), "u1", YCBCR, full | video, **layout)), [[254, 0, 0], [1, 255, 2]])
    odd: Fields = {529: (RATIONAL, (1, 4, 1, 2, 1, 4))}
    assert near(shown(tiff((128, 128, 128), (64, 128, 192), "u1", YCBCR, full | odd, **layout)), [[128] * 3, [160, 16, 64]])
    for broken in ({532: (RATIONAL, (1, 1) * 6)}, {529: (RATIONAL, (0, 1) * 3)}, {529: (RATIONAL, (0, 0))}):
        assert near(shown(tiff((76, 85, 255), (150, 44, 21), "u1", YCBCR, full | broken, **layout)), [[254, 0, 0], [0, 255, 1]])
    clear = tiff((76, 85, 255, 127), (150, 44, 21, 255), "u1", YCBCR, full | extra(2), **layout)
    assert near(shown(clear), [[254, 0, 0, 127], [0, 255, 1, 255]])


def test_ycbcr_of_which_some_are_left_out(shown: ShownColours) -> None:
    """Four luma samples and one of each chroma for 2 x 2 pixels. libtiff converts it to RGBA without a real alpha."""
    blocks = b"".join(
        bytes([*[luma] * 4, cb, cr]) for _ in range(8) for luma, cb, cr in [(76, 85, 255)] * 8 + [(150, 44, 21)] * 8
    )
    page = halves((0, 0, 0), (0, 0, 0), "u1", YCBCR, {530: (SHORT, (2, 2))}, rows=16)
    page.parts = (blocks,)
    for chain in ("format:png", "resize:16x8", "strip|format:jpeg|quality:100"):
        assert near(shown(written(page), chain), [[254, 0, 0], [0, 255, 1]], 3)


def palette(bits: int) -> Fields:
    """Red is 1, blue is 2."""
    size = 2**bits
    values = [0] * (3 * size)
    for index, colour in ((1, RED), (2, BLUE)):
        for channel, value in enumerate(colour):
            values[channel * size + index] = value * 257
    return {320: (SHORT, tuple(values))}


@pytest.mark.parametrize("bits", [2, 4, 8, 16])
def test_palettes(bits: int, shown: ShownColours) -> None:
    kind = f"b{bits}" if bits < 8 else f"u{bits // 8}"
    for layout in ({}, {"tile": 16}, {"order": ">", "compression": DEFLATE, "big": True}):
        assert shown(tiff((1,), (2,), kind, PALETTE, palette(bits), **layout)) == [RED, BLUE]
        assert shown(tiff((1, 3), (2, 1), kind, PALETTE, palette(bits) | extra(0), **layout)) == [RED, BLUE]
    if bits >= 8:
        half = 2 ** (bits - 1)
        data = tiff((1, half), (2, 2**bits - 1), kind, PALETTE, palette(bits) | extra(2))
        assert near(shown(data), [[*RED, 128], [*BLUE, 255]])


def logluv(light: float) -> bytes:
    """One neutral pixel of SGI LogLuv, 32 bits."""
    return struct.pack(">HBB", int(256 * (math.log2(light) + 64)), int(410 * 0.2105), int(410 * 0.4737))


def test_logluv(shown: ShownColours) -> None:
    pixels = [logluv(1.0)] * 16 + [logluv(0.5)] * 16
    row = b"".join(b"\x20" + bytes(pixel[plane] for pixel in pixels) for plane in range(4))
    page = halves((0, 0, 0), (0, 0, 0), "i2", 32845, {259: (SHORT, (34676,))}, rows=16)
    page.parts = (row * 16,)
    assert near(shown(written(page)), [[255] * 3, [188] * 3], 2)


def test_without_photometric_interpretation(shown: ShownColours) -> None:
    """As in Pillow 13.0 for one sample of at most 8 bits: white is zero. It refuses colours; in 16 bits black is zero."""
    layouts: tuple[dict[str, Any], ...] = ({}, {"tile": 16, "order": ">", "big": True})
    for layout in layouts:
        assert shown(tiff((50,), (200,), "u1", None, **layout)) == [[205], [55]]
        assert shown(tiff((0,), (1,), "b1", None, **layout)) == [[255], [0]]
        assert shown(tiff((5,), (15,), "b4", None, **layout)) == [[170], [0]]
    for kind, pixel in (("u2", (1,)), ("f4", (1.0,)), ("i1", (1,)), ("u1", (1, 2, 3)), ("u1", (1, 2))):
        with pytest.raises(InvalidImage, match="tag 262"):
            shown(tiff(pixel, pixel, kind, None))


@pytest.mark.parametrize(
    ("page", "reason"),
    [
        (halves((128, 0, 0), (0, 0, 0), "u1", 10), "ITU Lab"),
        (halves((1,), (2,), "u1", 32844), "LogL"),
        (halves((1, 1, 1), (2, 2, 2), "u1", 77), "PhotometricInterpretation 77"),
        (halves((1, 2, 3, 4), (4, 3, 2, 1), "u1", CMYK, {332: (SHORT, (2,))}), "InkSet"),
        (halves((1, 2, 3), (3, 2, 1), "u1", CMYK), "3 samples"),
        (halves((1, 2, 3), (3, 2, 1), "u2", YCBCR), "in YCbCr"),
        (halves((1.0, 2.0, 3.0), (3.0, 2.0, 1.0), "f2", CIELAB), r"in CIE L\*a\*b\*"),
        (halves((1, 2, 3), (3, 2, 1), "u4", ICCLAB), r"in CIE L\*a\*b\*"),
        (halves((1,), (2,), "b3", PALETTE, palette(3)), "as palette indexes"),
        (halves((1, 15), (2, 15), "b4", PALETTE, palette(4) | extra(2)), "a palette with transparency"),
        (halves((1, 99), (2, 99), "u1", PALETTE, palette(8) | extra(1)), "a palette with transparency"),
        (halves((1, 99), (2, 99), "u1", PALETTE, palette(8) | extra(0), planes=True), "separate planes"),
        (halves((1, 2, 3), (3, 2, 1), "u1", YCBCR, {530: (SHORT, (2, 2))}, planes=True), "separate planes"),
    ],
)
def test_unsupported_samples_are_named(page: Ifd, reason: str, shown: ShownColours) -> None:
    with pytest.raises(InvalidImage, match=reason):
        shown(written(page))


def test_old_jpeg_is_refused_with_a_reason(shown: ShownColours) -> None:
    """libtiff in pyvips-binary 8.18.7 is built without it."""
    page = halves(
        (0, 0, 0), (0, 0, 0), "u1", YCBCR, {259: (SHORT, (6,)), 512: (SHORT, (1,)), 513: (LONG, (8,)), 514: (LONG, (99,))}
    )
    with pytest.raises(InvalidImage, match="old-style JPEG"):
        shown(written(page))


def test_a_profile_of_lab_is_left_out(shown: ShownColours) -> None:
    data = tiff(lab(CIELAB, 8, 50, 0, 0), lab(CIELAB, 8, 100, 0, 0), "u1", CIELAB, {34675: (UNDEFINED, bytes(128))})
    assert near(shown(data, "keep:icc|format:png"), [[119] * 3, [255] * 3])


def test_white_is_zero(shown: ShownColours) -> None:
    for kind, right in (("u1", [[205], [55]]), ("b1", [[255], [0]]), ("b4", [[170], [0]])):
        low, high = {"u1": (50, 200), "b1": (0, 1), "b4": (5, 15)}[kind]
        assert shown(tiff((low,), (high,), kind, 0)) == right
        assert shown(tiff((low,), (high,), kind, GREY)) == [[255 - value[0]] for value in right]
    half = tiff((100, 128), (0, 255), "u1", 0, extra(1))  # 100 of 128 is white, which is 56 of 255 that is 56 of 255
    assert near(shown(half), [[56, 128], [255, 255]])


def test_twelve_bits_in_jpeg_are_refused(shown: ShownColours) -> None:
    with pytest.raises(InvalidImage, match="12 bits"):
        shown(tiff((1, 2, 3), (1, 2, 3), "b12", RGB, {259: (SHORT, (7,))}))
