"""A TIFF whose pixels can't be decoded is refused, because of its compression or of a damaged strip or tile."""

from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import pyvips

from internal.domain.errors import InvalidImage
from internal.pipeline.containers.tiff_compressions import OTHERS, READABLE
from internal.ports.sandbox import Overlay
from tests import pictures
from tests.tiff_pictures import GREY, RGB, Pixel, halves, tiff
from tests.tiffs import ASCII, SHORT, UNDEFINED, Fields, Ifd, picture, written
from tests.unit.pipeline.conftest import JobRenderer, Renderer, ShownColours

SCHEMES = sorted({*range(1, 11), 32766, 32771, 32773, 32809, *range(34924, 34936), *READABLE, *OTHERS, 7777})
"""Compressions of libtiff's tiff.h, of other programs, and unassigned ones."""
COMPRESSION = 259
RED, BLUE = (200, 40, 40), (40, 90, 200)
LAYOUTS: Mapping[str, dict[str, Any]] = {
    "strips": {"tile_height": 16},
    "one strip, read row by row": {"tile_height": 480},
    "tiles": {"tile": True, "tile_width": 64, "tile_height": 64},
}


def marked(compression: int, *args: Any, **layout: Any) -> bytes:
    """Uncompressed bytes with another value of Compression."""
    return tiff(*args, {COMPRESSION: (SHORT, (compression,))}, **layout)


@pytest.mark.parametrize("compression", SCHEMES)
def test_every_scheme_is_one_that_the_wheel_reads_or_is_refused_by_name(compression: int, shown: ShownColours) -> None:
    """pyvips-binary 8.18.7 shows black for unsupported compressions, unless fail_on is "error"."""
    data = marked(compression, RED, BLUE, "u1", RGB)
    said = ""
    try:
        pyvips.Image.tiffload_buffer(data, fail_on="error").avg()
    except pyvips.Error as error:
        said = error.detail
    assert any(words in said for words in ("not configured", "is not implemented")) == (compression not in READABLE), said
    if compression not in READABLE:
        name = OTHERS.get(compression, "an unknown scheme")
        with pytest.raises(InvalidImage, match="compressed with ") as refused:
            shown(data)
        assert f"{name} (Compression {compression}), which can't be read" in refused.value.detail


@pytest.mark.parametrize("layout", [{}, {"tile": 16}, {"planes": True}, {"predictor": 2}, {"big": True, "order": ">"}], ids=str)
@pytest.mark.parametrize(("kind", "pixel"), [("u1", (1, 2, 3)), ("u2", (1, 2, 3)), ("f4", (0.1, 0.2, 0.3)), ("b12", (1, 2, 3))])
def test_zstandard_is_refused_in_every_layout(layout: dict[str, Any], kind: str, pixel: Pixel, shown: ShownColours) -> None:
    with pytest.raises(InvalidImage, match="compressed with Zstandard"):
        shown(marked(50000, pixel, pixel, kind, RGB, **layout))


def damaged(data: bytes, compression: str) -> bytes:
    """200 changed bytes in the middle. JPEG decodes most byte sequences, but not a premature end."""
    middle = len(data) // 2
    changed = bytes(byte ^ (255, 85, 3)[place % 3] for place, byte in enumerate(data[middle : middle + 200]))
    changed = b"\xff\xd9" * 100 if compression == "jpeg" else changed
    return data[:middle] + changed + data[middle + 200 :]


def photo_tiff(compression: str, layout: str) -> bytes:
    photo = pictures.photo(640, 480)
    if compression == "ccittfax4":
        photo = (photo.colourspace("b-w") > 120).copy(interpretation="b-w")
    options = {"bitdepth": 1} if compression == "ccittfax4" else {}
    return bytes(photo.tiffsave_buffer(compression=compression, Q=90, **options, **LAYOUTS[layout]))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("compression", ["lzw", "deflate", "packbits", "jpeg", "ccittfax4"])
def test_a_damaged_strip_or_tile_is_refused(compression: str, layout: str, rendered: Renderer) -> None:
    """With fail_on="truncated", libvips 8.18.7 shows a black, grey or oddly coloured block for each."""
    whole = photo_tiff(compression, layout)
    _, path = rendered(whole, "format:png", "image/tiff")
    assert pyvips.Image.new_from_file(str(path)).width == 640
    for chain in ("format:png", "resize:64x48|format:jpeg", "crop:16x16|format:webp"):
        with pytest.raises(InvalidImage):
            rendered(damaged(whole, compression), chain, "image/tiff")


def test_pixels_in_webp_are_read(rendered: Renderer) -> None:
    _, path = rendered(photo_tiff("webp", "tiles"), "format:png", "image/tiff")
    assert pyvips.Image.new_from_file(str(path)).avg() == pytest.approx(pictures.photo(640, 480).avg(), abs=1)


def test_a_damaged_picture_that_is_laid_over_another_is_named(render_job: JobRenderer, tmp_path: Path) -> None:
    """Damage in a JPEG tile shows only at the end."""
    name, path = "0199c2f0-1b2c-7d3e-8f40-123456789abc", tmp_path / "overlay.tif"
    for data, refused in ((photo_tiff("jpeg", "tiles"), False), (damaged(photo_tiff("jpeg", "tiles"), "jpeg"), True)):
        path.write_bytes(data)
        with pytest.raises(InvalidImage, match=f"{name}.*damaged") if refused else nullcontext():
            render_job(pictures.jpeg(), f"watermark:{name}", overlays={name: Overlay(path, "image/tiff")})


@pytest.mark.parametrize("tile", [None, 16])
def test_unusual_fields_are_no_damage(tile: int | None, shown: ShownColours) -> None:
    """libtiff warns of the empty profile, and libvips 8.18.7 refuses strips because of it with fail_on="warning"."""
    private: Fields = {60000: (SHORT, (1,)), 60001: (ASCII, b"made by a scanner\0"), 34675: (UNDEFINED, b"")}
    assert shown(tiff(RED, BLUE, "u1", RGB, private, tile=tile)) == [list(RED), list(BLUE)]


@pytest.mark.parametrize("tile", [None, 16])
@pytest.mark.parametrize(
    "second",
    [
        picture(fields={COMPRESSION: (SHORT, (6,)), 262: (SHORT, (6,))}),
        picture(fields={COMPRESSION: (SHORT, (50000,))}),
        Ifd({256: (SHORT, (8,)), 258: (SHORT, (8, 8, 8)), 277: (SHORT, (3,))}),
    ],
    ids=["old-style JPEG", "Zstandard", "no height and no strips"],
)
def test_damage_on_another_page_does_not_matter(second: Ifd, tile: int | None, shown: ShownColours) -> None:
    """libtiff reads the directories of all pages, and fail_on="error" applies their errors to the first page."""
    assert shown(written(halves(RED, BLUE, "u1", RGB, tile=tile), second)) == [list(RED), list(BLUE)]


def test_the_first_of_several_pages_is_shown(shown: ShownColours, render_job: JobRenderer) -> None:
    pages = written(halves((50,), (100,), "u1", GREY), halves((150,), (200,), "u1", GREY))
    assert shown(pages) == [[50], [100]]
    facts = render_job(pages, "format:png", "image/tiff", want_facts=True).rendered.facts
    assert facts is not None
    assert facts.frames == 1
