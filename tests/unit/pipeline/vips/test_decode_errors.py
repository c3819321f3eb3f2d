"""Errors of libraries during processing become our own errors."""

from collections.abc import Callable

import pytest
import pyvips

from internal.domain.errors import InvalidImage
from internal.pipeline.vips.decode_errors import translate_errors
from tests import pictures
from tests.unit.pipeline.conftest import Renderer

PHOTO = pictures.photo_jpeg(320, 240)
MAKERS: dict[str, Callable[[], bytes]] = {
    "JPEG": lambda: PHOTO,
    "PNG": lambda: pictures.png(200, 100),
    "WebP": lambda: pictures.webp(300, 200),
    "GIF": lambda: pictures.animated_gif(),
    "AVIF": lambda: pictures.avif(200, 150),
}


def _turned(data: bytes, start: int, count: int = 20) -> bytes:
    """`count` bytes from `start` on with all bits inverted; nothing is missing."""
    return data[:start] + bytes(255 - value for value in data[start : start + count]) + data[start + count :]


@pytest.mark.usefixtures("heif_input")
@pytest.mark.parametrize("share", [0.1, 0.3, 0.6, 0.9])
@pytest.mark.parametrize("name", MAKERS)
def test_a_file_that_is_cut_is_named(name: str, share: float, rendered: Renderer) -> None:
    """libvips 8.18.7 reports `(2.100)` for an AVIF file and `unable to parse image` for a WebP file."""
    with pytest.raises(InvalidImage) as failed:
        rendered(pictures.cut(MAKERS[name](), share), "format:png", f"image/{name.lower()}")

    assert failed.value.detail == f"The {name} file is cut short or damaged."


@pytest.mark.usefixtures("heif_input")
@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("JPEG", _turned(PHOTO, len(PHOTO) - 900, 700)),
        ("JPEG", _turned(PHOTO, PHOTO.index(b"\xff\xc4") + 4)),
        ("PNG", _turned(pictures.png(200, 100), -60, 20)),
        ("WebP", _turned(pictures.webp(300, 200), 24, 20)),
        ("GIF", _turned(pictures.gif(), -30)),
        ("AVIF", _turned(pictures.avif(200, 150), -200, 100)),
    ],
)
def test_a_file_that_is_damaged_is_named(name: str, data: bytes, rendered: Renderer) -> None:
    """libvips 8.18.7 reports `libpng read error` for damaged data."""
    with pytest.raises(InvalidImage) as failed:
        rendered(data, "format:png", f"image/{name.lower()}")

    assert failed.value.detail == f"The {name} file is cut short or damaged."


@pytest.mark.parametrize(
    ("media_type", "words", "sentence"),
    [
        ("image/jpeg", "VipsJpeg: Unsupported JPEG process: SOF type 0xc5", "Unsupported JPEG process: SOF type 0xc5"),
        (
            "image/avif",
            "heif: Unsupported feature: version 78 is not implemented (4.3002)",
            "Unsupported feature: version 78 is not implemented",
        ),
        ("image/tiff", "tiff2vips: unsupported tiff image type", "unsupported tiff image type"),
    ],
)
def test_unsupported_features_are_named_in_the_words_of_the_library(media_type: str, words: str, sentence: str) -> None:
    with pytest.raises(InvalidImage) as failed, translate_errors(media_type):
        raise _error(words)

    name = media_type.removeprefix("image/").upper()
    assert failed.value.detail == f"The {name} file is damaged, or of a kind that can't be decoded: {sentence}."


@pytest.mark.parametrize("media_type", ["image/jpeg", "image/png", "image/webp", "image/gif", "image/tiff"])
def test_an_error_of_a_saver_is_not_blamed_on_the_file(media_type: str) -> None:
    with pytest.raises(InvalidImage, match=r"^The picture can't be processed: anim add error\.$"), translate_errors(media_type):
        raise _error("webpsave: anim add error")


def _error(words: str) -> pyvips.Error:
    error = pyvips.Error("unable to call something")
    error.detail = f"{words}\n"
    return error


def test_a_message_that_is_no_text_is_a_fault_of_the_picture() -> None:
    """libvips quotes a damaged file's bytes, and pyvips 3.2.0 then raises UnicodeDecodeError instead of its own error."""
    with pytest.raises(InvalidImage, match=r"^The AVIF file is cut short or damaged\.$"), translate_errors("image/avif"):
        b"heifload: bad brand \xff\xfe".decode()
