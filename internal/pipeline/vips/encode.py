"""From a picture to a file: one saver a format, with the settings that were measured (DESIGN §10).

Photographs are encoded once. Flat graphics (savers/flatness.py) may be written in another way that is smaller: PNG with a
palette, GIF with fewer colours, WebP without loss. A picture that is too large to be held is written as it is computed.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from msgspec import Struct

from internal.errors import OutputTooLarge
from internal.pipeline.containers.formats import Encoding, OutputFormat
from internal.pipeline.vips.metadata import Kept, with_kept
from internal.pipeline.vips.picture import Picture, Pixels
from internal.pipeline.vips.savers.flat_graphics import is_flat
from internal.pipeline.vips.savers.gif import saved_gif
from internal.pipeline.vips.savers.png import saved_png
from internal.pipeline.vips.savers.webp import flag_alpha

LOOKED_AT = frozenset({"png", "webp", "gif"})
"""Formats in which flat graphics are written otherwise than photographs."""


class Came(Struct, frozen=True):
    """The file that a picture came as: how many colours it could hold, and the bytes of a GIF; None for what sets no measure.

    `palette` as in Header.
    """

    colours: int | None = None
    gif_bytes: int | None = None
    palette: tuple[bytes, ...] = ()


HELD_BYTES = 256 * 2**20
"""Of a picture's pixels: larger ones are encoded once, row by row, as a photograph is."""


def _jpeg(encoding: Encoding) -> dict[str, Any]:
    return {"optimize_coding": True, "interlace": encoding.progressive}


def _png(encoding: Encoding) -> dict[str, Any]:
    return {"interlace": encoding.progressive}


def _webp(encoding: Encoding) -> dict[str, Any]:
    return {"effort": 4, "lossless": encoding.lossless, "exact": encoding.lossless}


def _avif(encoding: Encoding) -> dict[str, Any]:
    """`tune` is named, or else an upgrade of libheif or libaom changes everybody's files, as it did from `ssim` to `iq`.

    `iq` is what libvips 8.18.7's wheel does by itself, and what the quality of 55 was measured with. At an equal CIEDE2000 its
    files have 15 % (graphics) to 30 % (photographs) fewer bytes than those of `ssim`, at an equal PSNR as many; the encoder takes
    as long for as many bytes. libheif refuses it without loss.
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
"""libvips' saver of each format, and its settings but for the quality. Chroma has half the resolution below a quality of 90."""


def encode(picture: Picture, target: Path, result: OutputFormat, encoding: Encoding, kept: Kept, came: Came) -> None:
    """Write `picture` as `result` to `target`. `came`: how small it was, which a flat result is to be again.

    INVARIANT (G8): every saver is told what to keep, which is nothing but what `kept` holds: no GPS, XMP, comments or other EXIF
    reach a result (tests/unit/pipeline/vips/test_metadata.py). Raises OutputTooLarge for sides that the format can't hold and for
    bytes that can't be as few as asked, pyvips.Error from libvips.
    """
    if max(picture.width, picture.height) > result.max_side:
        raise OutputTooLarge(f"A {result.name} result has sides of at most {result.max_side} pixels.")
    if not result.alpha:
        picture = picture.flattened()
    held = result.name in LOOKED_AT and picture.pixels.width * picture.pixels.height * picture.pixels.bands <= HELD_BYTES
    if held or encoding.max_bytes is not None:
        picture = picture.in_memory()
    pixels, keep = with_kept(picture.with_animation_notes(result.max_delay), kept)
    saver, settings = _SAVERS[result.name]
    options = settings(encoding) | {"keep": keep}
    quality = None if encoding.lossless else result.quality and (encoding.quality or result.quality)

    def encoded(quality: int | None) -> bytes:
        if held and result.name == "png":
            return saved_png(pixels, options, None if encoding.lossless else came.colours, came.palette)
        if held and result.name == "gif":
            return saved_gif(pixels, picture.frames, options, came.colours, came.gif_bytes)
        return bytes(getattr(pixels, f"{saver}_buffer")(**options, **_q(quality)))

    flat = held and result.name == "webp" and not encoding.lossless and is_flat(pixels)
    lossless = _lossless_webp(pixels, keep) if flat else None
    if encoding.max_bytes is None and lossless is None and not (held and result.name in ("png", "gif")):
        getattr(pixels, saver)(str(target), **options, **_q(quality))
    else:
        target.write_bytes(_best(encoded, quality, encoding.max_bytes, lossless))
    if result.name == "webp" and picture.frames > 1 and picture.has_alpha:
        flag_alpha(target)


def _lossless_webp(pixels: Pixels, keep: str) -> bytes:
    return bytes(pixels.webpsave_buffer(effort=4, lossless=True, keep=keep))


def _best(encoded: Callable[[int | None], bytes], quality: int | None, max_bytes: int | None, lossless: bytes | None) -> bytes:
    """The smaller of two files of the best quality; a worse quality only where neither fits `max_bytes`."""
    if lossless is not None and (max_bytes is None or len(lossless) <= max_bytes):
        lossy = encoded(quality)
        return lossy if len(lossy) < len(lossless) else lossless
    return encoded(quality) if max_bytes is None else fitted(encoded, quality, max_bytes)


def fitted(encoded: Callable[[int | None], bytes], highest: int | None, max_bytes: int) -> bytes:
    """What `encoded` makes at the best quality, from 1 to `highest`, that has at most `max_bytes`, in 8 tries at the most.

    None stands for a format that has no quality: one try. Raises OutputTooLarge when the lowest one has more.
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
