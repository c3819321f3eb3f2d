"""JPEG without an EOI: accepted if the data of its scans are complete, whatever follows; refused if they end early.

libvips 8.18.7 refuses most files without an EOI, and shows grey for data that end early at some other EOI.
"""

import random
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
import pyvips

from internal.domain.errors import InvalidImage
from internal.pipeline.vips.loaders.jpeg import JpegSource
from tests import pictures
from tests.unit.pipeline.conftest import Renderer

EOI = b"\xff\xd9"
FILM = b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + random.Random(1).randbytes(5000) + EOI + b"moov"
FURTHER = b"\xff\xe2\0\x08MPF\0MM"
"""An MPF segment, which announces further pictures."""
WORDS = b"made by somebody, and told so at length. " * 20


def _samsung(*blocks: bytes) -> bytes:
    """Samsung blocks and their directory at the end of the file."""
    places = [sum(map(len, blocks[number:])) for number in range(len(blocks))]
    entries = [struct.pack("<HHII", 0, 1, place, len(block)) for place, block in zip(places, blocks, strict=True)]
    directory = b"SEFH" + struct.pack("<II", 106, len(blocks)) + b"".join(entries)
    return b"".join(blocks) + directory + struct.pack("<I", len(directory)) + b"SEFT"


def _adobe(data: bytes) -> bytes:
    """Tagged as YCbCr, as Photoshop does."""
    return data[:2] + b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0\1" + data[2:]


PHOTO = pictures.photo(129, 77)
KINDS: dict[str, bytes] = {
    "chroma in half the resolution": bytes(PHOTO.jpegsave_buffer(Q=85)),
    "chroma in full resolution": bytes(PHOTO.jpegsave_buffer(Q=85, subsample_mode="off")),
    "progressive": bytes(PHOTO.jpegsave_buffer(Q=85, interlace=True)),
    "restart markers": bytes(PHOTO.jpegsave_buffer(Q=85, restart_interval=3)),
    "grey": bytes(PHOTO.colourspace("b-w").jpegsave_buffer(Q=85)),
    "CMYK": bytes(PHOTO.colourspace("cmyk").jpegsave_buffer(Q=85, keep="none")),
    "Adobe": _adobe(bytes(PHOTO.jpegsave_buffer(Q=85, keep="none"))),
    "one row of blocks": bytes(PHOTO.crop(0, 0, 129, 5).jpegsave_buffer(Q=85, subsample_mode="off")),
}
KNOWN: dict[str, bytes] = {
    "nothing": b"",
    "half an EOI": b"\xff",
    "zeros": bytes(70_000),
    "another JPEG and zeros": pictures.jpeg() + bytes(100),
    "a film": FILM,
    "Samsung's blocks": _samsung(WORDS, b"\0\0\1\x0a" + WORDS, FILM),
}
"""Data that may follow a picture and are recognized."""

OTHERS: dict[str, bytes] = {"another JPEG": pictures.jpeg(), "words": WORDS, "words that no block names": WORDS + _samsung()}


@pytest.fixture
def decoded(tmp_path: Path) -> Callable[[bytes], bytes]:
    def decode(data: bytes) -> bytes:
        for left in tmp_path.iterdir():
            left.unlink()
        (tmp_path / "file").write_bytes(data)
        source = JpegSource(tmp_path / "file", "image/jpeg", tmp_path, "source")
        return bytes(source.reopened().decode(None, animated=False).write_to_memory())

    return decode


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("tail", [*KNOWN.values(), *OTHERS.values()], ids=[*KNOWN, *OTHERS])
def test_complete_data_are_shown_whatever_follows(kind: str, tail: bytes, decoded: Callable[[bytes], bytes]) -> None:
    whole = KINDS[kind]
    right = bytes(pyvips.Image.jpegload_buffer(whole).write_to_memory())

    assert decoded(whole + tail) == right
    assert decoded(whole[:-2] + tail) == right


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("tail", KNOWN.values(), ids=KNOWN)
def test_data_that_end_early_are_refused_whatever_follows(kind: str, tail: bytes, decoded: Callable[[bytes], bytes]) -> None:
    """The last byte matters: it may hold a few bits of the last block."""
    for missing in (1, 2, 3, 10, 100):
        with pytest.raises(InvalidImage, match="cut short"):
            decoded(KINDS[kind][: -2 - missing] + tail)


@pytest.mark.parametrize("kind", KINDS)
def test_data_that_end_early_are_refused_before_further_pictures(kind: str, decoded: Callable[[bytes], bytes]) -> None:
    """Cameras align appended pictures."""
    whole = KINDS[kind][:2] + FURTHER + KINDS[kind][2:]
    assert decoded(whole + bytes(100) + pictures.jpeg()) == decoded(KINDS[kind])

    for missing in (1, 2, 3, 10, 100):
        with pytest.raises(InvalidImage, match="cut short"):
            decoded(whole[: -2 - missing] + bytes(100) + pictures.jpeg())


@pytest.mark.parametrize("chain", ["strip", "resize:40x40", "crop:20x20", "resize:16x|format:webp", "rotate:90"])
@pytest.mark.parametrize("kind", KINDS)
def test_data_that_end_early_at_an_eoi_are_refused(kind: str, chain: str, rendered: Renderer) -> None:
    """Some programs append an EOI to truncated data. libvips 8.18.7 shows grey for missing data and logs it."""
    for tail in (EOI, pictures.jpeg()):
        for missing in (1, 30):
            with pytest.raises(InvalidImage, match="cut short"):
                rendered(KINDS[kind][: -2 - missing] + tail, chain)
            rendered(KINDS[kind], chain)


@pytest.mark.parametrize("chain", ["strip", "resize:40x40", "crop:20x20", "resize:16x|format:webp"])
def test_every_size_is_shown_or_refused(chain: str, rendered: Renderer) -> None:
    for whole in (pictures.photo_jpeg(320, 247), pictures.photo_jpeg(320, 247, interlace=True)):
        rendered(whole[:-2], chain)
        with pytest.raises(InvalidImage):
            rendered(whole[:-3], chain)


def test_a_progressive_picture_that_lacks_its_last_scans_is_refused(decoded: Callable[[bytes], bytes]) -> None:
    """The existing scans are complete."""
    whole = KINDS["progressive"]
    start = whole.index(b"\xff\xda") + 1
    while (start := whole.find(b"\xff\xda", start)) > 0:
        with pytest.raises(InvalidImage, match="cut short"):
            decoded(whole[:start])
        start += 1


def test_warnings_about_one_picture_do_not_affect_the_next(rendered: Renderer) -> None:
    for _ in range(3):
        with pytest.raises(InvalidImage):
            rendered(KINDS["grey"][:-12] + EOI, "resize:20x20")
        rendered(KINDS["grey"], "resize:20x20")


def test_arithmetic_coding_without_an_eoi_is_refused(decoded: Callable[[bytes], bytes]) -> None:
    """libjpeg treats missing scans as zeros, as the standard says, without a warning."""
    with pytest.raises(InvalidImage, match="cut short"):
        decoded(KINDS["grey"][:-2].replace(b"\xff\xc0", b"\xff\xc9"))


@pytest.mark.parametrize(
    "tail", [b"SEFT", b"SEFH" + bytes(12) + b"SEFT", b"SEFH" + b"\xff" * 12 + b"\x0c\0\0\0SEFT", bytes(16) + b"SEFT"]
)
def test_a_directory_of_blocks_that_makes_no_sense_does_no_harm(tail: bytes, decoded: Callable[[bytes], bytes]) -> None:
    assert decoded(KINDS["grey"] + tail) == decoded(KINDS["grey"])
