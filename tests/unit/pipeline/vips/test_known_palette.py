"""Pixels are looked up in the PNG's own palette as long as no operation has added a colour."""

from collections.abc import Sequence

import pytest
import pyvips

from internal.pipeline.containers.png_colour_chunks import read_palette
from internal.pipeline.vips.savers import palette as palettes
from internal.pipeline.vips.savers import png
from internal.pipeline.vips.savers.palette import index_by_palette
from tests import pictures
from tests.unit.pipeline.conftest import Renderer

PNG = "image/png"
FULL = [bytes([number, 255 - number, number * 7 % 256]) for number in range(256)]
SHARING = [bytes([0, 16, 0]), bytes([0, 0, 1])]
"""They share a cell with the first hash factor."""


def picture_of(colours: Sequence[bytes]) -> pyvips.Image:
    return pyvips.Image.new_from_memory(b"".join(colours) * 2, len(colours), 2, len(colours[0]), "uchar")


def chunk_of(data: bytes, kind: bytes) -> bytes:
    """Content of the first chunk of this type; empty if there is none."""
    at = data.find(kind)
    return data[at + 4 : at + 4 + int.from_bytes(data[at - 4 : at], "big")] if at > 0 else b""


def dense() -> bytes:
    """A drawing with a palette and so many fine lines that a sample misses some colours."""
    image = pictures.diagram(1200, 900, colours=40)
    for number in range(20):
        image = image.draw_rect([number, 3 * number, 250], 1 + 13 * number, 1 + 29 * number, 1, 60, fill=True)
    return bytes(image.pngsave_buffer(palette=True, dither=0))


@pytest.mark.parametrize("palette", [FULL, FULL[:200], FULL[:1], SHARING, [*SHARING, *FULL[:50]]])
@pytest.mark.parametrize("alpha", [b"", b"\x4d"])
def test_the_colours_come_in_the_palette_s_order(palette: list[bytes], alpha: bytes) -> None:
    palette = [colour + alpha for colour in palette]
    picture = picture_of(palette[::-1])

    made = index_by_palette(picture, palette)

    assert made is not None
    assert [bytes(colour) for colour in made.colours] == palette
    assert (made.shown() != picture).max() == 0


def test_colours_that_no_pixel_has_are_left_out() -> None:
    made = index_by_palette(picture_of([FULL[200], FULL[3]]), FULL)

    assert made is not None
    assert [bytes(colour) for colour in made.colours] == [FULL[3], FULL[200]]
    assert made.bits == 1


@pytest.mark.parametrize(
    ("palette", "other"),
    [
        (FULL, bytes([9, 9, FULL[-1][2]])),
        (FULL, bytes([*FULL[-1][:2], 5])),
        (FULL[:255], bytes([9, 9, FULL[254][2]])),
        (FULL[:40], bytes([9, 9, FULL[39][2]])),
        (SHARING[:1], SHARING[1]),
        ([*FULL[:50], SHARING[1]], SHARING[0]),
    ],
    ids=[
        "full, blue of the last",
        "full, blue alone",
        "one short of full",
        "not full",
        "in one cell",
        "in one cell, other way",
    ],
)
def test_a_colour_that_the_palette_lacks_is_seen(palette: list[bytes], other: bytes) -> None:
    assert index_by_palette(picture_of([*palette, other]), palette) is None
    assert index_by_palette(picture_of([*palette, palette[0]]), palette) is not None


@pytest.mark.parametrize(
    ("entries", "alphas", "expected"),
    [
        (b"", b"", ()),
        (b"abcdef", b"", (b"abc\xff", b"def\xff")),
        (b"abcdef", b"\0", (b"abc\0", b"def\xff")),
        (b"abcdef", b"\0\x01\x02", (b"abc\0", b"def\x01")),
        (b"abcde", b"", (b"abc\xff",)),
    ],
)
def test_a_palette_as_png_writes_it(entries: bytes, alphas: bytes, expected: tuple[bytes, ...]) -> None:
    assert read_palette(entries, alphas) == expected


@pytest.mark.parametrize("chain", ["strip", "flop", "rotate:90", "crop:900x700+7+9"])
def test_a_dense_drawing_is_looked_up_and_not_counted(chain: str, rendered: Renderer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sample misses colours of it. Searching them took three times as long as encoding the file."""
    monkeypatch.setattr(palettes, "_add_missing", None)
    monkeypatch.setattr(palettes, "_count_cells", None)

    made = rendered(source := dense(), chain, PNG)[1].read_bytes()

    if chain == "strip":
        assert chunk_of(made, b"PLTE") == chunk_of(source, b"PLTE")
        assert (pyvips.Image.pngload_buffer(made) != pyvips.Image.pngload_buffer(source)).max() == 0
    assert {*read_palette(chunk_of(made, b"PLTE"), b"")} <= {*read_palette(chunk_of(source, b"PLTE"), b"")}


def test_a_resized_drawing_is_not_counted_exactly_first(rendered: Renderer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its sample has fewer than 256 colours, but so many of them once that the picture must have more."""
    monkeypatch.setattr(png, "index_colours", None)
    monkeypatch.setattr(png, "index_by_palette", None)

    made = rendered(pictures.diagram(1200, 900, colours=40).pngsave_buffer(palette=True, dither=0), "resize:1000x", PNG)

    assert chunk_of(made[1].read_bytes(), b"PLTE")


@pytest.mark.parametrize("keep", ["strip", "keep:icc"])
def test_the_resolution_is_kept(keep: str, rendered: Renderer) -> None:
    source = pictures.diagram().copy(xres=11.811, yres=5.9055).pngsave_buffer(palette=True, dither=0, profile="srgb")

    made = rendered(source, keep, PNG)[1].read_bytes()

    assert chunk_of(made, b"pHYs") == chunk_of(bytes(source), b"pHYs")
