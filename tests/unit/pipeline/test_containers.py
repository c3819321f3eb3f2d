"""PNG without its texts; GIF and TIFF files that lack their end."""

from pathlib import Path

import pytest

from internal.errors import InvalidImage
from internal.pipeline.containers import png_without_text, require_whole_gif, require_whole_tiff
from tests import pictures
from tests.pictures import png_chunk, with_png_chunks

TEXTS = [png_chunk(kind, b"Comment\0\0" + b"x" * 100) for kind in (b"tEXt", b"zTXt", b"iTXt")]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "file"


@pytest.mark.parametrize("texts", [TEXTS[:1], TEXTS, TEXTS * 3])
def test_text_chunks_are_left_out_and_nothing_else(texts: list[bytes], file: Path, tmp_path: Path) -> None:
    size = png_chunk(b"pHYs", bytes(9))
    file.write_bytes(with_png_chunks(pictures.png()[:-12] + TEXTS[0] + pictures.png()[-12:], *texts, size, *texts))

    copy = png_without_text(file, tmp_path / "copy")

    assert copy == tmp_path / "copy"
    assert copy.read_bytes() == with_png_chunks(pictures.png(), size)


def test_a_png_without_text_is_not_copied(file: Path, tmp_path: Path) -> None:
    file.write_bytes(pictures.png())

    assert png_without_text(file, tmp_path / "copy") == file
    assert not (tmp_path / "copy").exists()


def test_what_follows_the_end_of_a_png_is_not_read(file: Path, tmp_path: Path) -> None:
    file.write_bytes(pictures.png() + TEXTS[0] * 3)

    assert png_without_text(file, tmp_path / "copy") == file


@pytest.mark.parametrize("length", [0, 7, 8, 20, 33, 60, -12, -1])
def test_a_cut_png_is_noticed(length: int, file: Path, tmp_path: Path) -> None:
    file.write_bytes(pictures.png()[:length])

    with pytest.raises(InvalidImage):
        png_without_text(file, tmp_path / "copy")


@pytest.mark.parametrize("make", [pictures.gif, pictures.animated_gif])
def test_a_gif_cut_anywhere_is_noticed(make: object, file: Path) -> None:
    assert callable(make)
    whole = make()
    file.write_bytes(whole + b"what follows is not read")
    require_whole_gif(file)

    for length in range(0, len(whole), 7):
        file.write_bytes(whole[:length])
        with pytest.raises(InvalidImage):
            require_whole_gif(file)


@pytest.mark.parametrize(
    "whole",
    [
        pictures.tiff(),
        pictures.tiff(bigtiff=True),
        pictures.tiff(tile=True, tile_width=16, tile_height=16, compression="deflate"),
        pictures.header_first_tiff(),
    ],
    ids=["strips", "big", "tiles", "header first"],
)
def test_a_tiff_cut_anywhere_is_noticed(whole: bytes, file: Path) -> None:
    file.write_bytes(whole)
    require_whole_tiff(file)

    for length in range(0, len(whole) * 9 // 10, 97):  # the last bytes are of fields that libvips looks after
        file.write_bytes(whole[:length])
        with pytest.raises(InvalidImage):
            require_whole_tiff(file)
