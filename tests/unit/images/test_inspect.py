"""What a file says of itself, by magic bytes and header alone."""

import contextlib
import sys
from random import Random

import msgspec
import pytest

from internal.errors import ImageTooLarge, InvalidImage, UnsupportedMediaType
from internal.images.inspect import HEIF_MEDIA_TYPES, MEDIA_TYPES, read_size, sniff_media_type
from tests import pictures
from tests.integration.conftest import RULES


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp", "gif", "tiff"])
def test_kind_and_size_come_from_the_bytes(kind: str) -> None:
    data: bytes = getattr(pictures, kind)(70, 50)

    assert sniff_media_type(data, RULES) == f"image/{kind}"
    assert read_size(data, f"image/{kind}", RULES, whole=True) == (70, 50)


@pytest.mark.parametrize(
    "data", [b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"%PDF-1.4", b"PK\x03\x04", b"hello", b"BM" + bytes(60)]
)
def test_what_is_not_a_picture_of_ours_is_refused(data: bytes) -> None:
    with pytest.raises(UnsupportedMediaType):
        sniff_media_type(data, RULES)


WITH_HEIF = msgspec.structs.replace(RULES, media_types=MEDIA_TYPES | HEIF_MEDIA_TYPES)


def test_avif_and_heif_are_taken_only_where_that_is_configured() -> None:
    data = pictures.avif(70, 50)

    with pytest.raises(UnsupportedMediaType, match="GIF or TIFF"):
        sniff_media_type(data, RULES)
    with pytest.raises(UnsupportedMediaType, match="AVIF or HEIC"):
        sniff_media_type(b"BM" + bytes(60), WITH_HEIF)
    assert sniff_media_type(data, WITH_HEIF) == "image/avif"
    assert sniff_media_type(heic(), WITH_HEIF) == "image/heic"
    assert read_size(data, "image/avif", WITH_HEIF, whole=True) == (70, 50)
    assert read_size(heic(), "image/heic", WITH_HEIF, whole=True) == (None, None)  # left to the worker


def heic() -> bytes:
    """The first box of a picture from a telephone, and nothing behind it."""
    return b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic"


@pytest.mark.parametrize("seed", range(20))
def test_no_header_of_avif_holds_up_the_api(seed: int) -> None:
    """Bytes that are turned at random are read, or not, and that is soon over."""
    random = Random(seed)
    data = bytearray(pictures.avif(70, 50))
    for _ in range(random.randrange(1, 40)):
        data[random.randrange(16, len(data))] = random.randrange(256)

    with contextlib.suppress(ImageTooLarge):
        width, height = read_size(bytes(data), "image/avif", WITH_HEIF, whole=True)
        assert width is None or height is None or width * height <= WITH_HEIF.max_pixels


def test_an_empty_file_is_no_picture() -> None:
    with pytest.raises(InvalidImage):
        sniff_media_type(b"", RULES)


@pytest.mark.parametrize("size", [(20_001, 1), (1, 20_001), (20_000, 20_000)])
def test_a_header_that_promises_too_much_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ImageTooLarge):
        read_size(pictures.huge_header_png(*size), "image/png", RULES, whole=False)


@pytest.mark.parametrize("length", [0, 1, 8, 20])
@pytest.mark.parametrize("kind", ["jpeg", "png", "webp", "gif"])
def test_a_broken_header_is_refused(kind: str, length: int) -> None:
    data: bytes = getattr(pictures, kind)(9, 9)
    broken = data[:4] + b"\xff" * length

    with pytest.raises((InvalidImage, ImageTooLarge)):
        read_size(broken, f"image/{kind}", RULES, whole=True)


def test_a_header_that_may_come_later_is_left_to_the_worker() -> None:
    assert read_size(pictures.jpeg()[:16], "image/jpeg", RULES, whole=False) == (None, None)
    assert read_size(pictures.tiff()[:16], "image/tiff", RULES, whole=True) == (None, None)


def test_looking_at_a_file_loads_no_decoder() -> None:
    """G7: the API never runs libvips. In a process of its own, for here the tests' pictures need it."""
    import subprocess

    code = "import sys, internal.api.app; sys.exit('pyvips' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
