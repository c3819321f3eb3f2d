"""From a picture to a file: one saver a format, with the settings that were measured (DESIGN §10)."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from internal.errors import OutputTooLarge
from internal.pipeline.formats import OutputFormat

if TYPE_CHECKING:
    from internal.pipeline.picture import Picture

QUALITY = 80
"""Of JPEG and WebP, when nothing else is asked for."""


def _jpeg(pixels: Any, target: str, quality: int) -> None:
    pixels.jpegsave(target, Q=quality, optimize_coding=True, keep="none")


def _png(pixels: Any, target: str, _quality: int) -> None:
    pixels.pngsave(target, keep="none")


def _webp(pixels: Any, target: str, quality: int) -> None:
    pixels.webpsave(target, Q=quality, effort=4, keep="none")


def _gif(pixels: Any, target: str, _quality: int) -> None:
    pixels.gifsave(target, keep="none")


SAVERS: dict[str, Callable[[Any, str, int], None]] = {"jpeg": _jpeg, "png": _png, "webp": _webp, "gif": _gif}


def encode(picture: "Picture", target: Path, result: OutputFormat, quality: int | None) -> None:
    """Write `picture` as `result` to `target`.

    INVARIANT (G8): every saver is told to keep nothing: no EXIF, GPS, XMP, comments or profile reach a result
    (tests/unit/pipeline/test_metadata.py). Raises OutputTooLarge for sides that the format can't hold, pyvips.Error from libvips.
    """
    if max(picture.width, picture.height) > result.max_side:
        raise OutputTooLarge(f"A {result.name} result has sides of at most {result.max_side} pixels.")
    if not result.alpha:
        picture = picture.flattened()
    SAVERS[result.name](picture.with_animation_notes(), str(target), quality or QUALITY)
