"""What a file says of itself, by magic bytes and header alone."""

import contextlib
import sys
from random import Random

import msgspec
import pytest

from internal.domain.errors import ImageTooLarge, InvalidImage, UnsupportedMediaType
from internal.intake.inspect import HEIF_MEDIA_TYPES, MEDIA_TYPES, Measured, is_animated, measure, sniff_media_type
from tests import pictures, tiffs
from tests.integration.conftest import POLICY


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp", "gif", "tiff"])
def test_kind_and_size_come_from_the_bytes(kind: str) -> None:
    data: bytes = getattr(pictures, kind)(70, 50)

    assert sniff_media_type(data, POLICY) == f"image/{kind}"
    measured = measure(data, f"image/{kind}", POLICY, whole=True)
    assert (measured.width, measured.height) == (70, 50)


WITH_HEIF = msgspec.structs.replace(POLICY, media_types=MEDIA_TYPES | HEIF_MEDIA_TYPES)


def test_avif_and_heif_are_taken_only_where_that_is_configured() -> None:
    data = pictures.avif(70, 50)

    with pytest.raises(UnsupportedMediaType, match="GIF or TIFF"):
        sniff_media_type(data, POLICY)
    assert sniff_media_type(data, WITH_HEIF) == "image/avif"
    assert sniff_media_type(heic(), WITH_HEIF) == "image/heic"
    assert measure(data, "image/avif", WITH_HEIF, whole=True) == Measured(70, 50, 1)
    assert measure(heic(), "image/heic", WITH_HEIF, whole=True) == Measured()  # left to the worker


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_size_is_as_stored_and_beside_it_how_it_is_turned(orientation: int) -> None:
    """imagesize 2.0.1 turns JPEG and TIFF by themselves, and reads no AVIF that has `irot`."""
    stored = Measured(48, 64, orientation) if orientation >= 5 else Measured(64, 48, orientation)

    assert measure(pictures.exif_jpeg(orientation), "image/jpeg", POLICY, whole=True) == stored
    turned = tiffs.picture(64, 48, {274: (tiffs.SHORT, (orientation,))})
    for order, big in (("<", False), (">", False), ("<", True), (">", True)):
        data = tiffs.written(turned, order=order, big=big)
        assert measure(data, "image/tiff", POLICY, whole=True) == Measured(64, 48, orientation)
    assert measure(pictures.turned_avif(orientation), "image/avif", WITH_HEIF, whole=True) == stored


def test_an_orientation_that_does_not_come_first_is_left_to_the_worker() -> None:
    """A JPEG's could still come, a WebP's and a PNG's stand behind their pixels; a GIF has none."""
    assert measure(pictures.jpeg(64, 48, keep="none"), "image/jpeg", POLICY, whole=True) == Measured(64, 48, None)
    assert measure(pictures.png(64, 48), "image/png", POLICY, whole=True) == Measured(64, 48, None)
    assert measure(pictures.webp(64, 48), "image/webp", POLICY, whole=True) == Measured(64, 48, None)
    assert measure(pictures.gif(64, 48), "image/gif", POLICY, whole=True) == Measured(64, 48, 1)
    odd = pictures.exif_jpeg(1).replace(pictures.exif(1), pictures.exif(9))
    assert measure(odd, "image/jpeg", POLICY, whole=True).orientation is None


def test_a_bigtiff_with_sides_of_64_bits_is_measured() -> None:
    wide = tiffs.picture(64, 48, {256: (tiffs.LONG8, (64,)), 257: (tiffs.LONG8, (48,))})

    assert measure(tiffs.written(wide, big=True), "image/tiff", POLICY, whole=True) == Measured(64, 48, 1)
    huge = tiffs.picture(64, 48, {256: (tiffs.LONG8, (2**63,))})
    with pytest.raises(ImageTooLarge):
        measure(tiffs.written(huge, big=True), "image/tiff", POLICY, whole=True)


def test_a_reduced_picture_that_comes_first_does_not_tell_the_size() -> None:
    preview = tiffs.picture(16, 12, {254: (tiffs.LONG, (1,))})

    assert measure(tiffs.written(preview, tiffs.picture(64, 48)), "image/tiff", POLICY, whole=True) == Measured()


def test_a_gif_whose_screen_has_no_size_is_as_large_as_its_first_frame_or_left_to_the_worker() -> None:
    data = pictures.gif(64, 48)
    data = data[:6] + bytes(4) + data[10:]

    assert measure(data, "image/gif", POLICY, whole=True) == Measured(64, 48, 1)
    assert measure(data[:20], "image/gif", POLICY, whole=False) == Measured(None, None, 1)


def apng() -> bytes:
    return pictures.with_png_chunks(pictures.png(), pictures.png_chunk(b"acTL", bytes(7) + b"\x02" + bytes(4)))


def test_what_may_be_an_animation_is_told_by_the_first_bytes() -> None:
    moving = [pictures.animated_gif(), pictures.gif(), pictures.animated_webp(), apng()]
    late = pictures.png().replace(pictures.png()[-12:], pictures.png_chunk(b"acTL", bytes(8)) + pictures.png()[-12:])
    still = [pictures.webp(), pictures.png(), pictures.jpeg(), pictures.tiff(), late, b"\x89PNG", b"RIFF", b""]

    assert [is_animated(data) for data in moving] == [True] * 4
    assert [is_animated(data) for data in still] == [False] * 8


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
        measured = measure(bytes(data), "image/avif", WITH_HEIF, whole=True)
        assert (measured.width or 1) * (measured.height or 1) <= WITH_HEIF.max_pixels


def test_an_empty_file_is_no_picture() -> None:
    with pytest.raises(InvalidImage):
        sniff_media_type(b"", POLICY)


@pytest.mark.parametrize("size", [(20_001, 1), (1, 20_001), (20_000, 20_000)])
def test_a_header_that_promises_too_much_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ImageTooLarge):
        measure(pictures.huge_header_png(*size), "image/png", POLICY, whole=False)


@pytest.mark.parametrize(
    ("size", "limit"),
    [
        ((40_000, 2), f"the maximum width is {POLICY.max_width}"),
        ((2, 40_000), f"the maximum height is {POLICY.max_height}"),
        ((POLICY.max_width, POLICY.max_height), f"the maximum is {POLICY.max_pixels} pixels in all"),
    ],
)
def test_the_limit_that_is_exceeded_is_named(size: tuple[int, int], limit: str) -> None:
    with pytest.raises(ImageTooLarge) as refused:
        measure(pictures.huge_header_png(*size), "image/png", POLICY, whole=False)

    assert refused.value.detail == f"The picture has {size[0]} x {size[1]} pixels; {limit}."


@pytest.mark.parametrize("length", [0, 1, 8, 20])
@pytest.mark.parametrize("kind", ["jpeg", "png", "webp", "gif"])
def test_a_broken_header_is_refused(kind: str, length: int) -> None:
    data: bytes = getattr(pictures, kind)(9, 9)
    broken = data[:4] + b"\xff" * length

    with pytest.raises((InvalidImage, ImageTooLarge)):
        measure(broken, f"image/{kind}", POLICY, whole=True)


@pytest.mark.parametrize("head", [b"II*\0", b"MM\0*\0\0\0\x08", b"II+\0\x08\0\0\0", b"II+\0\x08\0\0\0\x10\0\0\0\0\0\0\0"])
def test_a_tiff_that_is_its_header_only_is_refused(head: bytes) -> None:
    with pytest.raises(InvalidImage, match="header is broken"):
        measure(head, "image/tiff", POLICY, whole=True)
    assert measure(head, "image/tiff", POLICY, whole=False) == Measured()


def test_a_header_that_may_come_later_is_left_to_the_worker() -> None:
    assert measure(pictures.jpeg()[:16], "image/jpeg", POLICY, whole=False) == Measured()
    assert measure(pictures.tiff()[:16], "image/tiff", POLICY, whole=True) == Measured()


def test_looking_at_a_file_loads_no_decoder() -> None:
    """G7: the API never runs libvips. In a process of its own, for here the tests' pictures need it."""
    import subprocess

    code = "import sys, internal.api.app; sys.exit('pyvips' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
