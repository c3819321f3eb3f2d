"""Sanitizing: PNG chunks that a decoder does not need, truncated files, and files built to be slow."""

import zlib
from contextlib import suppress
from pathlib import Path

import pytest

from internal.domain.errors import InvalidImage
from internal.pipeline.containers.gif_blocks import MAX_GIF_BLOCKS
from internal.pipeline.containers.gif_screen import inspect_gif
from internal.pipeline.containers.jpeg_scans import MAX_SCANS, MAX_SEGMENTS, inspect_jpeg
from internal.pipeline.containers.png_chunks import MAX_CHUNKS, MAX_PROFILE, strip_chunks
from internal.pipeline.containers.tiff_directory import MAX_PAGES, open_tiff
from tests import pictures
from tests.hostile import files
from tests.pictures import png_chunk, with_png_chunks

PLAIN = pictures.png(keep="none")
TEXTS = [png_chunk(kind, b"Comment\0\0" + b"x" * 100) for kind in (b"tEXt", b"zTXt", b"iTXt")]


def sanitize(tiff: Path) -> None:
    with tiff.open("rb") as file:
        open_tiff(file)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "file"


@pytest.mark.parametrize("texts", [TEXTS[:1], TEXTS, TEXTS * 3])
def test_text_chunks_are_left_out_and_nothing_else(texts: list[bytes], file: Path, tmp_path: Path) -> None:
    gamma = png_chunk(b"gAMA", bytes(4))
    file.write_bytes(with_png_chunks(pictures.png()[:-12] + TEXTS[0] + pictures.png()[-12:], *texts, gamma, *texts))

    copy = strip_chunks(file, tmp_path / "copy")

    assert copy == tmp_path / "copy"
    assert copy.read_bytes() == with_png_chunks(pictures.png(), gamma)


def test_a_png_without_unneeded_chunks_is_not_copied(file: Path, tmp_path: Path) -> None:
    file.write_bytes(pictures.png())

    assert strip_chunks(file, tmp_path / "copy") == file
    assert not (tmp_path / "copy").exists()


def test_data_after_iend_are_not_read(file: Path, tmp_path: Path) -> None:
    file.write_bytes(pictures.png() + TEXTS[0] * 3)

    assert strip_chunks(file, tmp_path / "copy") == file


@pytest.mark.parametrize("kind", [b"sPLT", b"hIST", b"tIME", b"bKGD", b"acTL", b"fdAT", b"vpAg"])
def test_unneeded_chunks_are_stripped(kind: bytes, file: Path, tmp_path: Path) -> None:
    file.write_bytes(with_png_chunks(PLAIN, png_chunk(kind, b"x" * 100)))

    assert strip_chunks(file, tmp_path / "copy").read_bytes() == PLAIN


def _profile(packed: bytes) -> bytes:
    return png_chunk(b"iCCP", b"name\0\0" + packed)


@pytest.mark.parametrize(
    ("extra", "kept"),
    [
        (_profile(zlib.compress(b"x" * 1000)), True),
        (_profile(zlib.compress(bytes(MAX_PROFILE - 1))), True),
        (_profile(zlib.compress(bytes(MAX_PROFILE))), False),
        (_profile(b"no zlib"), False),
        (png_chunk(b"iCCP", b"no end of its name"), False),
        (png_chunk(b"eXIf", bytes(60_000)), True),
        (png_chunk(b"eXIf", bytes(70_000)), False),
    ],
    ids=["small", "large", "bomb", "broken", "nameless", "exif", "huge exif"],
)
def test_profile_and_exif_are_kept_when_they_are_small(extra: bytes, kept: bool, file: Path, tmp_path: Path) -> None:
    file.write_bytes(with_png_chunks(PLAIN, extra))

    lean = strip_chunks(file, tmp_path / "copy").read_bytes()

    assert lean == (file.read_bytes() if kept else PLAIN)


def test_a_second_profile_is_left_out(file: Path, tmp_path: Path) -> None:
    profile = _profile(zlib.compress(b"x" * 1000))
    file.write_bytes(with_png_chunks(PLAIN, profile, profile))

    assert strip_chunks(file, tmp_path / "copy").read_bytes() == with_png_chunks(PLAIN, profile)


def test_a_png_of_too_many_chunks_is_refused(file: Path, tmp_path: Path) -> None:
    file.write_bytes(files.png_of_crumbs(b"IDAT", MAX_CHUNKS))

    with pytest.raises(InvalidImage, match="too many chunks"):
        strip_chunks(file, tmp_path / "copy")


@pytest.mark.parametrize(
    ("chunk", "sentence"),
    [
        (png_chunk(b"CgBI", b"1234"), "has a critical chunk CgBI"),
        (png_chunk(b"CgBI", b"1234")[:-1] + b"\0", "cut short or damaged"),
        (png_chunk(b"A\0\n1", b"1234"), "cut short or damaged"),
    ],
    ids=["unknown", "damaged", "no type"],
)
def test_a_chunk_that_is_needed_and_unknown_is_named(chunk: bytes, sentence: str, file: Path, tmp_path: Path) -> None:
    """libpng 1.6.58 says "unhandled critical chunk", as for a damaged file."""
    file.write_bytes(with_png_chunks(PLAIN, chunk))

    with pytest.raises(InvalidImage, match=sentence):
        strip_chunks(file, tmp_path / "copy")


@pytest.mark.parametrize("length", [0, 7, 8, 20, 33, 60, -12, -1])
def test_a_cut_png_is_noticed(length: int, file: Path, tmp_path: Path) -> None:
    file.write_bytes(pictures.png()[:length])

    with pytest.raises(InvalidImage):
        strip_chunks(file, tmp_path / "copy")


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
    sanitize(file)

    for length in range(
        0, len(whole) * 9 // 10, 97
    ):  # the last bytes belong to fields that libvips checks that libvips looks after
        file.write_bytes(whole[:length])
        with pytest.raises(InvalidImage):
            sanitize(file)


def test_a_gif_of_too_many_blocks_is_refused(file: Path) -> None:
    file.write_bytes(files.gif_of_crumbs(MAX_GIF_BLOCKS - 200))
    inspect_gif(file)
    file.write_bytes(files.gif_of_crumbs(MAX_GIF_BLOCKS))

    with pytest.raises(InvalidImage):
        inspect_gif(file)


def test_a_tiff_without_fields_is_refused(file: Path) -> None:
    """libtiff would report that memory is exhausted."""
    file.write_bytes(b"II*\0" + (8).to_bytes(4, "little") + bytes(6))

    with pytest.raises(InvalidImage):
        sanitize(file)


@pytest.mark.parametrize("at", range(0, 200, 4))
def test_a_tiff_with_any_offsets_is_refused_or_left_to_libvips(at: int, file: Path) -> None:
    data = pictures.tiff(16, 16, bigtiff=True)
    directory = int.from_bytes(data[8:16], "little")
    for place in (at, directory + at):
        file.write_bytes(data[:place] + b"\xff" * 8 + data[place + 8 :])
        with suppress(InvalidImage):
            sanitize(file)


@pytest.mark.parametrize("data", [files.tiff_of(9, 9, MAX_PAGES + 1), files.tiff_of(9, 9, loop=True)], ids=["many", "endless"])
def test_a_tiff_of_too_many_pages_is_refused(data: bytes, file: Path) -> None:
    file.write_bytes(files.tiff_of(9, 9, MAX_PAGES))
    sanitize(file)
    file.write_bytes(data)

    with pytest.raises(InvalidImage, match="pages"):
        sanitize(file)


@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_that_is_too_short_for_its_size_is_refused(progressive: bool, file: Path) -> None:
    file.write_bytes(bytes(pictures.scene(8000, 8000).jpegsave_buffer(Q=1, interlace=progressive, optimize_coding=True)))
    inspect_jpeg(file)
    file.write_bytes(files.jpeg_of(8000, 8000, progressive=progressive))

    with pytest.raises(InvalidImage, match="cut short"):
        inspect_jpeg(file)


def test_a_jpeg_of_too_many_segments_is_refused(file: Path) -> None:
    data = pictures.jpeg()
    file.write_bytes(data[:2] + b"\xff\xfe\0\2" * 1000 + data[2:])
    inspect_jpeg(file)
    file.write_bytes(data[:2] + b"\xff\xfe\0\2" * MAX_SEGMENTS + data[2:])

    with pytest.raises(InvalidImage, match="too many segments"):
        inspect_jpeg(file)


def test_a_jpeg_of_too_many_scans_is_refused(file: Path) -> None:
    file.write_bytes(files.jpeg_of_many_scans(MAX_SCANS - 1, side=64))  # after the first one
    inspect_jpeg(file)
    file.write_bytes(files.jpeg_of_many_scans(MAX_SCANS, side=64))

    with pytest.raises(InvalidImage, match="too many scans"):
        inspect_jpeg(file)


def test_scans_after_the_end_of_a_jpeg_do_not_count(file: Path) -> None:
    """Phones append a video."""
    film = b"\xff\xda\0\x08\1\1\0\0\0\0" * 1000
    for data in (pictures.jpeg() + film, pictures.jpeg(interlace=True) + film, pictures.jpeg()[:-2] + film + b"\xff\xd9"):
        file.write_bytes(data)
        inspect_jpeg(file)


@pytest.mark.parametrize("data", [b"", b"\xff\xd8", b"\xff\xd8\xff", b"\xff\xd8\xff\xe0\0\0" * 9, b"\xff\xd8" + bytes(99)])
def test_a_jpeg_that_makes_no_sense_is_left_to_libvips(data: bytes, file: Path) -> None:
    file.write_bytes(data)
    inspect_jpeg(file)
