"""Encoder: writes a picture to a file, with one libvips saver per format and the settings that were measured (DESIGN §10).

Photographs are encoded once. Flat graphics (savers/flat_graphics.py) may be encoded in a second, smaller way: PNG with a palette,
GIF with fewer colours, lossless WebP. A picture that is too large to hold in memory is streamed to the file.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from msgspec import Struct

from internal.domain.errors import OutputTooLarge
from internal.pipeline.containers.formats import Encoding, OutputFormat
from internal.pipeline.vips.metadata import ResultMetadata, attach_metadata
from internal.pipeline.vips.picture import Picture
from internal.pipeline.vips.pixels import Pixels
from internal.pipeline.vips.savers.flat_graphics import is_flat
from internal.pipeline.vips.savers.gif import save_gif
from internal.pipeline.vips.savers.png import save_png
from internal.pipeline.vips.savers.webp import flag_alpha

FLAT_FORMATS = frozenset({"png", "webp", "gif"})
"""Formats with a special encoding for flat graphics."""


class InputTraits(Struct, frozen=True):
    """Traits of the original that bound a flat result: its number of colours, its size in bytes if it is a GIF, its palette.

    None means no bound. `palette` as in Header.
    """

    colours: int | None = None
    gif_bytes: int | None = None
    palette: tuple[bytes, ...] = ()


MAX_HELD_BYTES = 256 * 2**20
"""Bytes of pixels. Larger pictures are encoded once, row by row, like photographs."""


def _jpeg(encoding: Encoding) -> dict[str, Any]:
    return {"optimize_coding": True, "interlace": encoding.progressive}


def _png(encoding: Encoding) -> dict[str, Any]:
    return {"interlace": encoding.progressive}


def _webp(encoding: Encoding) -> dict[str, Any]:
    return {"effort": 4, "lossless": encoding.lossless, "exact": encoding.lossless}


def _avif(encoding: Encoding) -> dict[str, Any]:
    """`tune` is explicit, so that an upgrade of libheif or libaom does not change files, as it did from `ssim` to `iq`.

    `iq` is the default of libvips 8.18.7's wheel, and the quality of 55 was measured with it. At equal CIEDE2000 its files are
    15 % (graphics) to 30 % (photographs) smaller than those of `ssim`, at equal PSNR of the same size; encoding takes the same
    time per byte. libheif refuses `iq` in lossless mode.
    """
    tune = "ssim" if encoding.lossless else "iq"
    return {"compression": "av1", "effort": 3, "bitdepth": 8, "lossless": encoding.lossless, "tune": tune}


def _gif(_encoding: Encoding) -> dict[str, Any]:
    return {"keep_duplicate_frames": True}


_SAVERS: dict[str, tuple[str, Callable[[Encoding], dict[str, Any]]]] = {
    "jpeg": ("jpegsave", _jpeg),
    "png": ("pngsave", _png),
    "webp": ("webpsave", _webp),
    "avif": ("heifsave", _avif),
    "gif": ("gifsave", _gif),
}
"""libvips' saver for each format and its settings without quality. Chroma has half the resolution below quality 90."""


def encode(
    picture: Picture, target: Path, result: OutputFormat, encoding: Encoding, metadata: ResultMetadata, traits: InputTraits
) -> None:
    """Write `picture` as `result` to `target`. `traits` bound the size of flat results.

    INVARIANT (G8): every saver gets an explicit `keep`, which names only what `metadata` holds. No GPS, XMP, comments or other
    EXIF reach a result (tests/unit/pipeline/vips/test_metadata.py). Raises OutputTooLarge if a side exceeds the format's limit or
    `max_bytes` can't be met, and pyvips.Error.
    """
    if max(picture.width, picture.height) > result.max_side:
        raise OutputTooLarge(f"A {result.name} result has sides of at most {result.max_side} pixels.")
    if not result.alpha:
        picture = picture.flattened()
    held = result.name in FLAT_FORMATS and picture.pixels.width * picture.pixels.height * picture.pixels.bands <= MAX_HELD_BYTES
    if held or encoding.max_bytes is not None:
        picture = picture.in_memory()
    pixels, keep = attach_metadata(picture.with_animation_metadata(result.max_delay), metadata)
    saver, settings = _SAVERS[result.name]
    options = settings(encoding) | {"keep": keep}
    quality = None if encoding.lossless else result.quality and (encoding.quality or result.quality)

    def encoded(quality: int | None) -> bytes:
        if held and result.name == "png":
            return save_png(pixels, options, None if encoding.lossless else traits.colours, traits.palette)
        if held and result.name == "gif":
            return save_gif(pixels, picture.frames, options, traits.colours, traits.gif_bytes)
        return bytes(getattr(pixels, f"{saver}_buffer")(**options, **_q(quality)))

    is_flat_webp = held and result.name == "webp" and not encoding.lossless and is_flat(pixels)
    lossless = _lossless_webp(pixels, keep) if is_flat_webp else None
    if encoding.max_bytes is None and lossless is None and not (held and result.name in ("png", "gif")):
        getattr(pixels, saver)(str(target), **options, **_q(quality))
    else:
        target.write_bytes(_smaller(encoded, quality, encoding.max_bytes, lossless))
    if result.name == "webp" and picture.frames > 1 and picture.has_alpha:
        flag_alpha(target)


def _lossless_webp(pixels: Pixels, keep: str) -> bytes:
    return bytes(pixels.webpsave_buffer(effort=4, lossless=True, keep=keep))


def _smaller(encoded: Callable[[int | None], bytes], quality: int | None, max_bytes: int | None, lossless: bytes | None) -> bytes:
    """The smaller of the lossy and the lossless file; a lower quality only if neither fits `max_bytes`."""
    if lossless is not None and (max_bytes is None or len(lossless) <= max_bytes):
        lossy = encoded(quality)
        return lossy if len(lossy) < len(lossless) else lossless
    return encoded(quality) if max_bytes is None else fit_to_bytes(encoded, quality, max_bytes)


def fit_to_bytes(encoded: Callable[[int | None], bytes], highest: int | None, max_bytes: int) -> bytes:
    """The output of `encoded` at the best quality from 1 to `highest` that has at most `max_bytes`, in at most 8 tries.

    `highest` is None for a format without quality: one try. Raises OutputTooLarge if the lowest quality has more bytes.
    """
    best = encoded(highest)
    if len(best) <= max_bytes:
        return best
    smallest, best = best, b""
    low, high = 1, (highest or 1) - 1
    while low <= high:
        middle = (low + high) // 2
        data = encoded(middle)
        if len(data) <= max_bytes:
            best, low = data, middle + 1
        else:
            smallest, high = data, middle - 1
    if not best:
        how = "at the lowest quality" if highest else "and its format has no quality to lower"
        raise OutputTooLarge(f"The result has {len(smallest)} bytes {how}; `max_bytes` allows {max_bytes}.")
    return best


def _q(quality: int | None) -> dict[str, int]:
    return {} if quality is None else {"Q": quality}
