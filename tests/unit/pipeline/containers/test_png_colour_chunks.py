"""Colour space of a PNG from its chunks: cICP, iCCP, sRGB, then gAMA with cHRM (PNG 3, section 4.3).

Unless noted, the expected values are those of Chromium 156. libvips 8.18.7 reads only iCCP: it shows linear 128 as 128, Display
P3 (200,80,60) as (200,80,60), and PQ as sRGB.
"""

import struct

import pytest
import pyvips

from internal.domain.errors import InvalidImage
from internal.pipeline.containers.png_colour_chunks import PngColours, read_colours
from tests import pictures
from tests.pictures import png_chunk, with_png_chunks
from tests.unit.pipeline.conftest import JobRenderer, Renderer
from tests.unit.pipeline.pngs import (
    ADOBE_CHRM,
    COLOUR,
    FROM_ADOBE,
    IN_P3,
    LINEAR,
    P3,
    P3_CHRM,
    P3_PROFILE,
    PQ,
    SIDE,
    SRGB,
    SRGB_CHRM,
    Colour,
    chrm,
    cicp,
    gama,
    iccp,
    plain,
    shown,
    sixteen,
)


@pytest.mark.parametrize(
    ("gamma", "value", "right"),
    [
        (100_000, 128, 188),
        (100_000, 40, 110),
        (55_556, 128, 146),
        (50_000, 128, 137),
        (43_000, 128, 124),
        (45_455, 128, 128),
        (45_470, 128, 128),
        (44_000, 128, 128),
        (47_000, 128, 128),
        (0, 128, 128),
        (1, 128, 128),
        (2**32 - 1, 128, 128),
    ],
)
@pytest.mark.parametrize("bands", [1, 3])
def test_a_gamma_is_followed_where_it_is_not_that_of_srgb(
    gamma: int, value: int, right: int, bands: int, rendered: Renderer
) -> None:
    assert shown(rendered, plain([value] * bands, gama(gamma))) == pytest.approx([right] * bands, abs=1)


@pytest.mark.parametrize("chain", ["format:png", "resize:8x8|format:webp|lossless", "resize:8x8|format:jpeg|quality:98"])
@pytest.mark.parametrize(
    "data",
    [
        plain([128], LINEAR),
        plain([128, 255], LINEAR),
        plain([128, 128, 128, 255], LINEAR),
        plain([0x8080], LINEAR, deep=True),
        plain([0x8080] * 3, LINEAR, deep=True),
        plain([0x8080] * 3 + [0xFFFF], LINEAR, deep=True),
        with_png_chunks(plain([128] * 3), LINEAR, png_chunk(b"tRNS", bytes(6))),
    ],
    ids=["grey", "grey and alpha", "RGBA", "grey 16", "RGB 16", "RGBA 16", "colour key"],
)
def test_every_kind_of_png_follows_its_gamma(data: bytes, chain: str, rendered: Renderer) -> None:
    assert shown(rendered, data, chain)[0] == pytest.approx(188, abs=2)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_a_palette_follows_the_gamma(bits: int, rendered: Renderer) -> None:
    """Palette entries are in that colour space; libvips converts them to RGB before."""
    data = bytes(pictures.scene().pngsave_buffer(palette=True, bitdepth=bits, keep="none"))

    stored = pyvips.Image.new_from_buffer(data, "").getpoint(6, 6)
    _, path = rendered(with_png_chunks(data, LINEAR), "format:png", "image/png")

    right = [_srgb(value / 255) for value in stored[:3]]
    assert pyvips.Image.new_from_file(str(path)).getpoint(6, 6)[:3] == pytest.approx(right, abs=1)


def _srgb(light: float) -> float:
    return 255 * (12.92 * light if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055)


def test_alpha_does_not_change(rendered: Renderer) -> None:
    for data in (plain([128, 60, 30, 100], LINEAR), plain([128, 100], LINEAR), plain([0x8080, 0x6464], LINEAR, deep=True)):
        assert shown(rendered, data)[-1] == 100


@pytest.mark.parametrize("bands", [1, 3])
def test_dark_light_is_not_rounded_before_it_is_scaled(bands: int, rendered: Renderer) -> None:
    """A checkerboard of 0 and 1 of 255 in linear light is 0 and 13 in sRGB, with a mean of 6.5; in 8 bits it would be 0 or 13."""
    mesh = (pyvips.Image.xyz(64, 64)[0] + pyvips.Image.xyz(64, 64)[1]).remainder(2).cast("uchar")
    mesh = mesh.bandjoin([mesh] * 2).copy(interpretation="srgb") if bands == 3 else mesh.copy(interpretation="b-w")

    data = with_png_chunks(bytes(mesh.pngsave_buffer(keep="none")), LINEAR)

    assert shown(rendered, data, "resize:16x16|format:png")[0] == pytest.approx(6.5, abs=1)


@pytest.mark.parametrize(
    ("chunks", "right"),
    [
        ([P3], IN_P3),
        ([chrm(*P3_CHRM), gama(45_455)], IN_P3),
        ([chrm(*P3_CHRM)], IN_P3),
        ([chrm(*SRGB_CHRM), gama(45_455)], COLOUR),
        ([chrm(31271, 32902, 64001, 33003, 29999, 60002, 15002, 5998), gama(45_454)], COLOUR),
        ([SRGB, chrm(*P3_CHRM), LINEAR], COLOUR),
        ([P3, SRGB, LINEAR], IN_P3),
        ([LINEAR, SRGB, iccp(P3_PROFILE), P3], IN_P3),
        ([iccp(P3_PROFILE)], IN_P3),
        ([iccp(P3_PROFILE), SRGB, LINEAR], IN_P3),
        ([iccp(P3_PROFILE), cicp(1, 13, 0, 1)], COLOUR),
        ([iccp(P3_PROFILE[:300] + b"\xff" * (len(P3_PROFILE) - 300)), chrm(*P3_CHRM)], IN_P3),
        ([iccp(b"no profile at all" * 20), chrm(*P3_CHRM)], IN_P3),
        ([chrm(31270, 32900, 0, 0, 0, 0, 0, 0)], COLOUR),
        ([chrm(31270, 0, *P3_CHRM[2:])], COLOUR),
        ([chrm(17000, 30000, *P3_CHRM[2:])], COLOUR),
        ([chrm(31270, 32900, 64000, 33000, 64000, 33000, 15000, 6000)], COLOUR),
        ([chrm(100, 200, *P3_CHRM[2:])], COLOUR),
        ([chrm(45000, 54900, 70000, 29000, 10000, 89000, 15000, 6000)], COLOUR),
        ([png_chunk(b"cHRM", bytes(31)), png_chunk(b"gAMA", bytes(3))], COLOUR),
    ],
    ids=[
        "P3 by cICP", "P3 by cHRM", "cHRM alone", "sRGB's own", "rounded otherwise", "sRGB first", "cICP before sRGB",
        "cICP first", "profile", "profile before sRGB", "cICP before the profile", "broken profile", "junk for a profile",
        "no primaries", "white without light", "white outside", "on a line", "odd white", "yellow white", "cut",
    ],
)  # fmt: skip
@pytest.mark.parametrize("chain", ["format:png", "resize:8x8|format:webp|lossless", "keep:icc"])
def test_primaries_are_followed_in_the_order_of_the_standard(
    chunks: list[bytes], right: Colour, chain: str, rendered: Renderer
) -> None:
    assert shown(rendered, plain(COLOUR, *chunks), chain) == pytest.approx(right, abs=1)


def test_adobe_rgb_without_a_profile(rendered: Renderer) -> None:
    assert shown(rendered, plain((60, 180, 60), gama(45_470), chrm(*ADOBE_CHRM))) == pytest.approx(FROM_ADOBE, abs=1)


def test_grey_has_no_primaries(rendered: Renderer) -> None:
    for chunks in ([P3], [chrm(*P3_CHRM), gama(45_455)], [chrm(33333, 33333, *SRGB_CHRM[2:])]):
        assert shown(rendered, plain([128], *chunks)) == pytest.approx([128], abs=1)
        assert shown(rendered, plain([128] * 3, *chunks)) == pytest.approx([128] * 3, abs=1)


@pytest.mark.parametrize("chunk", [LINEAR, chrm(*P3_CHRM), P3])
def test_a_chunk_that_is_damaged_or_behind_the_pixels_says_nothing(chunk: bytes, rendered: Renderer) -> None:
    data = plain(COLOUR)
    damaged = chunk[:-1] + bytes([chunk[-1] ^ 1])

    assert shown(rendered, plain(COLOUR, damaged)) == COLOUR
    assert shown(rendered, data[:-12] + chunk + data[-12:]) == COLOUR


@pytest.mark.parametrize(
    ("primaries", "right"),
    [
        (1, COLOUR), (4, (234, 72, 48)), (5, (203, 80, 60)), (6, (195, 84, 59)), (7, (195, 84, 59)), (8, (225, 68, 50)),
        (9, (244, 37, 50)), (10, (255, 0, 76)), (11, (212, 69, 51)), (12, IN_P3), (22, (202, 84, 59)),
    ],
)  # fmt: skip
def test_the_primaries_of_h_273(primaries: int, right: Colour, rendered: Renderer) -> None:
    assert shown(rendered, plain(COLOUR, cicp(primaries, 13, 0, 1))) == pytest.approx(right, abs=1)


@pytest.mark.parametrize(
    ("transfer", "right"),
    [
        (1, (18, 197, 81)), (4, (24, 201, 90)), (5, (8, 189, 66)), (6, (18, 197, 81)), (7, (48, 206, 106)), (8, (96, 229, 160)),
        (11, (18, 197, 81)), (13, (30, 200, 90)), (14, (18, 197, 81)), (15, (18, 197, 81)), (17, (13, 200, 76)),
    ],
)  # fmt: skip
def test_the_transfer_characteristics_of_h_273(transfer: int, right: Colour, rendered: Renderer) -> None:
    assert shown(rendered, plain((30, 200, 90), cicp(1, transfer, 0, 1))) == pytest.approx(right, abs=1)


@pytest.mark.parametrize(
    "unusable",
    [
        cicp(2, 13, 0, 1), cicp(1, 2, 0, 1), cicp(0, 13, 0, 1), cicp(1, 3, 0, 1), cicp(23, 13, 0, 1), cicp(1, 19, 0, 1),
        cicp(1, 9, 0, 1), cicp(9, 16, 1, 1), cicp(9, 16, 0, 2), cicp(9, 16, 0), cicp(9, 16, 0, 1, 0),
    ],
)  # fmt: skip
def test_code_points_that_cannot_be_used_leave_it_to_the_next_chunk(unusable: bytes, rendered: Renderer) -> None:
    assert shown(rendered, plain([128] * 3, unusable, LINEAR)) == pytest.approx([188] * 3, abs=1)
    assert shown(rendered, plain(COLOUR, unusable, iccp(P3_PROFILE), LINEAR)) == pytest.approx(IN_P3, abs=1)
    assert shown(rendered, plain([128] * 3, unusable, SRGB, LINEAR)) == (128, 128, 128)


@pytest.mark.parametrize(
    ("data", "right"),
    [
        (plain((16, 126, 235), cicp(1, 13, 0, 0)), (0, 128, 255)),
        (plain((0, 5, 250), cicp(1, 13, 0, 0)), (0, 0, 255)),
        (plain((16, 126, 235, 77), cicp(1, 13, 0, 0)), (0, 128, 255, 77)),
        (plain((126,), cicp(1, 13, 0, 0)), (128,)),
        (plain((16 * 256, 126 * 256, 235 * 256), cicp(1, 13, 0, 0), deep=True), (0, 128, 255)),
        (plain((188, 85, 68), cicp(12, 13, 0, 0)), IN_P3),
        (plain((126, 126, 126), cicp(1, 8, 0, 0)), (188, 188, 188)),
        (plain(sixteen(*[(16 + 219 * 0.58) * 256 / 65535] * 3), cicp(9, 16, 0, 0), deep=True), (187, 187, 187)),
    ],
    ids=["sRGB", "beyond", "alpha", "grey", "16 bits", "P3", "linear", "PQ"],
)
def test_the_narrow_range_is_stretched(data: bytes, right: Colour, rendered: Renderer) -> None:
    """H.273, section 8.3, VideoFullRangeFlag 0. Chromium 156 ignores the flag."""
    assert shown(rendered, data) == pytest.approx(right, abs=1)


def test_fewer_than_eight_bits_have_no_narrow_range(rendered: Renderer) -> None:
    """H.273 does not define a narrow range here."""
    third = pyvips.Image.black(SIDE, SIDE).linear(0, 85).cast("uchar").copy(interpretation="b-w")
    data = bytes(third.pngsave_buffer(bitdepth=2, keep="none"))

    assert shown(rendered, with_png_chunks(data, cicp(1, 8, 0, 0))) == pytest.approx([_srgb(1 / 3)], abs=1)


@pytest.mark.parametrize("made", ["png", "webp", "jpeg|quality:98"])
@pytest.mark.parametrize(
    "data",
    [
        plain(COLOUR, P3),
        plain(COLOUR, LINEAR),
        plain(COLOUR, gama(45_470), chrm(*ADOBE_CHRM)),
        plain([200 * 257, 80 * 257, 60 * 257], P3, deep=True),
        plain(COLOUR, cicp(12, 13, 0, 0)),
    ],
    ids=["P3", "linear", "Adobe RGB", "16 bit", "narrow"],
)
def test_kept_colours_have_their_profile(data: bytes, made: str, rendered: Renderer) -> None:
    """`keep:icc`: the file's own values in 8 bits and full range, with a profile made from the chunks."""
    _, path = rendered(data, f"keep:icc|format:{made}|lossless" if made == "webp" else f"keep:icc|format:{made}", "image/png")

    image = pyvips.Image.new_from_file(str(path))
    seen = image.icc_transform("srgb", embedded=True, depth=8)
    assert image.get_typeof("icc-profile-data")
    assert image.getpoint(9, 9) != pytest.approx(seen.getpoint(9, 9), abs=3)
    assert seen.getpoint(9, 9) == pytest.approx(shown(rendered, data), abs=3)


@pytest.mark.parametrize(
    "data",
    [plain(COLOUR), plain(COLOUR, cicp(1, 13, 0, 1)), plain(sixteen(0.5, 0.4, 0.3), cicp(9, PQ, 0, 1), deep=True)],
    ids=["nothing said", "sRGB", "PQ"],
)
def test_srgb_needs_no_profile(data: bytes, rendered: Renderer) -> None:
    with_profile = with_png_chunks(data, iccp(P3_PROFILE)) if b"cICP" in data else data

    _, path = rendered(with_profile, "keep:icc", "image/png")

    assert "icc-profile-data" not in pyvips.Image.new_from_file(str(path)).get_fields()
    assert shown(rendered, with_profile, "keep:icc") == shown(rendered, data)


def test_facts_use_the_visible_colours(render_job: JobRenderer) -> None:
    for chain in ("strip", "keep:icc", "resize:9x9|grayscale"):
        facts = render_job(plain(COLOUR, P3), chain, "image/png", want_facts=True).rendered.facts
        assert facts is not None
        assert bytes.fromhex(facts.dominant_colour[1:]) == bytes(IN_P3)


def test_a_picture_that_lies_on_its_side_is_upright_and_in_its_colours(rendered: Renderer) -> None:
    data = with_png_chunks(pictures.png(keep="none"), LINEAR, png_chunk(b"eXIf", pictures.exif(6)))

    _, path = rendered(data, "format:png", "image/png")

    image = pyvips.Image.new_from_file(str(path))
    assert (image.width, image.height) == (48, 64)
    assert image.getpoint(40, 8) == pytest.approx([_srgb(value / 255) for value in pictures.RED], abs=1)


@pytest.mark.parametrize("chunk", [png_chunk(b"sBIT", b"\5\6\5"), png_chunk(b"bKGD", bytes(6))])
def test_significant_bits_and_background_change_nothing(chunk: bytes, rendered: Renderer) -> None:
    assert shown(rendered, plain(COLOUR, chunk)) == COLOUR


def test_a_chunk_that_no_decoder_may_pass_over_is_not_passed_over(rendered: Renderer) -> None:
    """PNG 3, section 13.5: the type of a critical chunk begins with a capital letter."""
    with pytest.raises(InvalidImage):
        shown(rendered, plain(COLOUR, png_chunk(b"NEWs", bytes(4))))

    assert shown(rendered, plain(COLOUR, png_chunk(b"neWs", bytes(4)))) == COLOUR


@pytest.mark.parametrize("chunks", [{}, {b"gAMA": struct.pack(">I", 45_455), b"cHRM": struct.pack(">8I", *SRGB_CHRM)}])
def test_ordinary_files_need_no_conversion(chunks: dict[bytes, bytes]) -> None:
    """No conversion for the chunks that most programs write."""
    assert read_colours(chunks, bits=8) == PngColours()
