"""From a picture to a file: one saver a format, with the settings that were measured (DESIGN §10)."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from internal.errors import OutputTooLarge
from internal.pipeline.formats import Encoding, OutputFormat
from internal.pipeline.kept import Kept, with_kept
from internal.pipeline.picture import Picture


def _jpeg(encoding: Encoding) -> dict[str, Any]:
    return {"optimize_coding": True, "interlace": encoding.progressive}


def _png(encoding: Encoding) -> dict[str, Any]:
    return {"interlace": encoding.progressive}


def _webp(encoding: Encoding) -> dict[str, Any]:
    return {"effort": 4, "lossless": encoding.lossless, "exact": encoding.lossless}


def _avif(encoding: Encoding) -> dict[str, Any]:
    return {"compression": "av1", "effort": 3, "bitdepth": 8, "lossless": encoding.lossless}


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


def encode(picture: Picture, target: Path, result: OutputFormat, encoding: Encoding, kept: Kept) -> None:
    """Write `picture` as `result` to `target`.

    INVARIANT (G8): every saver is told what to keep, which is nothing but what `kept` holds: no GPS, XMP, comments or other EXIF
    reach a result (tests/unit/pipeline/test_metadata.py). Raises OutputTooLarge for sides that the format can't hold and for
    bytes that can't be as few as asked, pyvips.Error from libvips.
    """
    if max(picture.width, picture.height) > result.max_side:
        raise OutputTooLarge(f"A {result.name} result has sides of at most {result.max_side} pixels.")
    if not result.alpha:
        picture = picture.flattened()
    if encoding.max_bytes is not None:
        picture = picture.in_memory()
    pixels, keep = with_kept(picture.with_animation_notes(result.max_delay), kept)
    saver, settings = _SAVERS[result.name]
    options = settings(encoding) | {"keep": keep}
    quality = None if encoding.lossless else result.quality and (encoding.quality or result.quality)
    if encoding.max_bytes is None:
        getattr(pixels, saver)(str(target), **options, **_q(quality))
        return

    def encoded(quality: int | None) -> bytes:
        return bytes(getattr(pixels, f"{saver}_buffer")(**options, **_q(quality)))

    target.write_bytes(fitted(encoded, quality, encoding.max_bytes))


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
