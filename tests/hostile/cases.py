"""The list of hostile files with the expected outcome on upload and, if the upload missed it, in a decoder."""

from collections.abc import Callable
from functools import partial

from msgspec import Struct

from tests import pictures
from tests.hostile import files

JPEG, PNG, WEBP, GIF, TIFF, AVIF = (f"image/{kind}" for kind in ("jpeg", "png", "webp", "gif", "tiff", "avif"))

TAKEN = "accepted"
MADE = "processed"
TOO_LARGE = "image_too_large"
INVALID = "invalid_image"
UNKNOWN = "unsupported_media_type"
OUTPUT = "output_too_large"


class Hostile(Struct, frozen=True):
    """`upload` and `sandbox`: an error code, or TAKEN and MADE. `heif`: AVIF is allowed. `chain`: the pipeline."""

    name: str
    media_type: str
    make: Callable[[], bytes]
    upload: str
    sandbox: str
    heif: bool = False
    chain: str = "resize:2048x2048"


def _jpeg(side: int, *, progressive: bool, padding: int = 0) -> Callable[[], bytes]:
    made = partial(files.jpeg_of, side, side, progressive=progressive)
    return (lambda: files.jpeg_with_hidden_size(made(), padding)) if padding else made


def _cut(make: Callable[[], bytes]) -> Callable[[], bytes]:
    return lambda: pictures.cut(make())


PICTURES = [
    Hostile("20 zTXt of 50 MB", PNG, partial(files.png_full_of_text, b"zTXt", 20), TAKEN, MADE),
    Hostile("40 zTXt of 50 MB", PNG, partial(files.png_full_of_text, b"zTXt", 40), TAKEN, MADE),
    Hostile("40 iTXt of 50 MB", PNG, partial(files.png_full_of_text, b"iTXt", 40), TAKEN, MADE),
    Hostile("1000 zTXt of 1 MB", PNG, partial(files.png_full_of_text, b"zTXt", 1000, 2**20 - 64), TAKEN, MADE),
    Hostile("iCCP of 58 MB", PNG, partial(files.png_with_profile, 58_000_000), TAKEN, MADE),
    Hostile("10000 iCCP of 4 MB", PNG, partial(files.png_with_profile, 4 * 2**20 - 1, 10_000), TAKEN, MADE),
    Hostile("60000 x 60000, one bit", PNG, partial(files.png_of, 60_000, 60_000, depth=1), TOO_LARGE, TOO_LARGE),
    Hostile("30000 x 30000, interlaced", PNG, partial(files.png_of, 30_000, 30_000, interlaced=True), TOO_LARGE, TOO_LARGE),
    Hostile("14000 x 14000, interlaced, no rows", PNG, partial(files.png_of, 14_000, 14_000, interlaced=True), TAKEN, INVALID),
    Hostile("a million chunks", PNG, partial(files.png_of_crumbs, b"tEXt", 10**6), TAKEN, INVALID),
    Hostile("a million pieces", PNG, partial(files.png_of_crumbs, b"IDAT", 10**6), TAKEN, INVALID),
    Hostile("5000 frames", PNG, partial(files.apng_of_frames, 5_000), TAKEN, TOO_LARGE),
    Hostile("900 frames of 500 x 500", PNG, partial(files.apng_of_frames, 900, 500), TAKEN, TOO_LARGE),
    Hostile("900 frames of 100 x 100", PNG, partial(files.apng_of_frames, 900, 100), TAKEN, MADE),
    Hostile("900 frames that move", PNG, partial(files.apng_of_frames, 900, 100), TAKEN, MADE, chain="format:webp"),
    Hostile("100000 pieces", PNG, partial(files.apng_of_frames, 2, 9, pieces=100_000), TAKEN, MADE, chain="format:webp"),
    Hostile("100000 frames", PNG, partial(files.apng_of_frames, 100_000), TAKEN, INVALID),
    Hostile("16383 x 16383 of 38 bytes", WEBP, partial(files.webp_of, 16_383, 16_383), TOO_LARGE, TOO_LARGE),
    Hostile("progressive 20000 x 20000", JPEG, _jpeg(20_000, progressive=True), TOO_LARGE, INVALID),
    Hostile("progressive 65500 x 65500", JPEG, _jpeg(65_500, progressive=True), TOO_LARGE, INVALID),
    Hostile("65500 x 65500", JPEG, _jpeg(65_500, progressive=False), TOO_LARGE, INVALID),
    Hostile("hidden 20000 x 20000", JPEG, _jpeg(20_000, progressive=True, padding=400_000), TAKEN, TOO_LARGE),
    Hostile("hidden 65500 x 65500", JPEG, _jpeg(65_500, progressive=True, padding=4_000_000), TAKEN, TOO_LARGE),
    Hostile("progressive 14000 x 14000 of 700 bytes", JPEG, _jpeg(14_000, progressive=True), TAKEN, INVALID),
    Hostile("800 scans", JPEG, partial(files.jpeg_of_many_scans, 800, 13_992), TAKEN, INVALID),
    Hostile("ten million segments", JPEG, partial(files.jpeg_of_crumbs, 10**7), TAKEN, INVALID),
    Hostile("40 MB of NUL for an EOI", JPEG, partial(files.jpeg_and_more, bytes(40_000_000)), TAKEN, MADE),
    Hostile("40 MB of directory for an EOI", JPEG, partial(files.jpeg_and_directory, 40_000_000), TAKEN, INVALID),
    Hostile("a canvas of 65535 x 65535", GIF, partial(files.gif_of, 65_535, 65_535), TOO_LARGE, TOO_LARGE),
    Hostile("a canvas of 14000 x 14000", GIF, partial(files.gif_of, 14_000, 14_000), TAKEN, MADE),
    Hostile("900 dots on 640 x 480", GIF, partial(files.gif_of_frames, 900, 640, 480), TAKEN, TOO_LARGE),
    Hostile("60000 dots on 2 x 4000", GIF, partial(files.gif_of_frames, 60_000, 2, 4000), TAKEN, TOO_LARGE),
    Hostile("40 MB of NUL", GIF, partial(files.gif_full_of_nul, 40_000_000), TAKEN, MADE),
    Hostile("5000 frames", GIF, partial(files.gif_of_frames, 5_000), TAKEN, TOO_LARGE),
    Hostile("900 frames of 500 x 500", GIF, partial(files.gif_of_frames, 900, 500, 500), TAKEN, TOO_LARGE),
    Hostile("a million frames", GIF, partial(files.gif_of_frames, 10**6), TAKEN, TOO_LARGE),
    Hostile("ten million blocks", GIF, partial(files.gif_of_crumbs, 10**7), TAKEN, INVALID),
    Hostile("50000 x 50000, deflate", TIFF, partial(files.tiff_of, 50_000, 50_000), TOO_LARGE, TOO_LARGE),
    Hostile("hidden 50000 x 50000", TIFF, partial(files.tiff_of, 50_000, 50_000, padding=2**17), TAKEN, TOO_LARGE),
    Hostile("1000 pages", TIFF, partial(files.tiff_of, 100, 100, 1000), TAKEN, MADE),
    Hostile("200000 pages", TIFF, partial(files.tiff_of, 100, 100, 200_000), TAKEN, INVALID),
    Hostile("a page that follows itself", TIFF, partial(files.tiff_of, 100, 100, loop=True), TAKEN, INVALID),
    Hostile("a header and nothing else", TIFF, lambda: b"II*\0\x08\0\0\0", INVALID, INVALID),
    Hostile("four billion strips", TIFF, files.tiff_with_greedy_tag, TAKEN, INVALID),
    Hostile("16384 x 16384", AVIF, partial(files.avif_of, 16_384, 16_384), TOO_LARGE, TOO_LARGE, heif=True),
    Hostile("16384 x 16384 where it is not taken", AVIF, partial(files.avif_of, 16_384, 16_384), UNKNOWN, UNKNOWN),
    Hostile("a good one where it is not taken", AVIF, files.avif, UNKNOWN, UNKNOWN),
    Hostile("a sequence of four billion frames", AVIF, partial(files.avif_sequence, 2**32 - 1), TAKEN, INVALID, heif=True),
    Hostile("a sequence cut", AVIF, _cut(pictures.animated_avif), TAKEN, INVALID, heif=True),
    Hostile("BigTIFF, cut", TIFF, _cut(partial(pictures.tiff, bigtiff=True)), TAKEN, INVALID),
    Hostile("a preview within a preview, 250 deep", TIFF, partial(files.tiff_of_previews, 250), TAKEN, MADE),
    Hostile("a preview within a preview, 400 deep", TIFF, partial(files.tiff_of_previews, 400), TAKEN, INVALID),
    Hostile("a preview of itself", TIFF, files.tiff_preview_of_itself, TAKEN, MADE),
    Hostile("900 doubles in a pixel", TIFF, partial(files.tiff_of_samples, 900, 30), TAKEN, MADE),
    Hostile("900 doubles in a pixel, 1000 wide", TIFF, partial(files.tiff_of_samples, 900, 1000), TAKEN, INVALID),
    Hostile("four billion samples in a pixel", TIFF, partial(files.tiff_of_samples, 2**32 - 1, 30), TAKEN, INVALID),
    Hostile("directories within directories", TIFF, files.tiff_of_subdirectories, TAKEN, MADE),
    Hostile("cut", AVIF, _cut(files.avif), TAKEN, INVALID, heif=True),
    Hostile("cut", JPEG, _cut(partial(pictures.photo_jpeg, 300, 200)), TAKEN, INVALID),
    Hostile("cut", PNG, _cut(pictures.png), TAKEN, INVALID),
    Hostile("cut", WEBP, _cut(pictures.webp), TAKEN, INVALID),
    Hostile("cut", GIF, _cut(pictures.animated_gif), TAKEN, INVALID),
    Hostile("cut", TIFF, _cut(pictures.header_first_tiff), TAKEN, INVALID),
    Hostile("PHP in a comment", JPEG, files.php_jpeg, TAKEN, MADE),
    Hostile("PHP in a comment", GIF, files.php_gif, TAKEN, MADE),
    Hostile("PHP in a comment", PNG, files.php_png, TAKEN, MADE),
]

NO_PICTURES = [
    Hostile(f"{name} as {media_type}", media_type, partial(bytes, data), UNKNOWN, INVALID)
    for name, data in files.TEXTS.items()
    for media_type in (JPEG, PNG, WEBP, GIF, TIFF)
]
