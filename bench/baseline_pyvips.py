"""Baseline: the common chains, each as text for the service and as hand-written pyvips code.

Both use the same encoder settings, so that results are comparable, and neither uses parallel threads.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from msgspec import Struct

from bench.pictures import SMALL, TWELVE, TWO
from bench.sources import Source, gif, jpeg, jpeg_on_its_side, png_with_alpha, webp

if TYPE_CHECKING:
    import pyvips

Baseline: TypeAlias = Callable[[str, str], None]
"""A function that reads the first path and writes the second."""

JPEG: dict[str, Any] = {"Q": 80, "optimize_coding": True, "keep": "none"}
WEBP: dict[str, Any] = {"Q": 80, "effort": 4, "keep": "none"}
AVIF: dict[str, Any] = {"Q": 55, "effort": 3, "compression": "av1", "bitdepth": 8, "keep": "none"}


class Chain(Struct, frozen=True):
    """A chain on `source`: `processing` requests the same result that `baseline` produces."""

    name: str
    source: Callable[[], Source]
    processing: str
    baseline: Baseline


def _thumbnail(path: str, side: int, **options: Any) -> "pyvips.Image":
    import pyvips

    return pyvips.Image.thumbnail(path, side, height=side, size="down", **options)


def _opened(path: str, **options: Any) -> "pyvips.Image":
    import pyvips

    return pyvips.Image.new_from_file(path, access="sequential", **options)


def _small_jpeg(path: str, target: str) -> None:
    _thumbnail(path, 300).jpegsave(target, **JPEG)


def _attention(path: str, target: str) -> None:
    _thumbnail(path, 300, crop="attention").jpegsave(target, **JPEG)


def _web(path: str, target: str) -> None:
    _thumbnail(path, 1024).webpsave(target, **WEBP)


def _avif(path: str, target: str) -> None:
    _thumbnail(path, 512).heifsave(target, **AVIF)


def _grey(path: str, target: str) -> None:
    _opened(path).colourspace("b-w").jpegsave(target, **JPEG)


def _turned(path: str, target: str) -> None:
    _thumbnail(path, 800).copy_memory().rot90().jpegsave(target, **JPEG)


def _recompressed(path: str, target: str) -> None:
    _opened(path).webpsave(target, **WEBP)


def _transparent(path: str, target: str) -> None:
    _thumbnail(path, 800).webpsave(target, **WEBP)


def _animated(path: str, target: str) -> None:
    _thumbnail(f"{path}[n=-1]", 320).webpsave(target, **WEBP)


CHAINS = (
    Chain("12 MP JPEG -> 300", lambda: jpeg(TWELVE), "resize:300x300|format:jpeg", _small_jpeg),
    Chain("2 MP JPEG -> 300", lambda: jpeg(TWO), "resize:300x300|format:jpeg", _small_jpeg),
    Chain("100 kB JPEG -> 300", lambda: jpeg(SMALL), "resize:300x300|format:jpeg", _small_jpeg),
    Chain("2 MP on its side -> 300", jpeg_on_its_side, "resize:300x300|format:jpeg", _small_jpeg),
    Chain(
        "12 MP JPEG -> cover 300, attention",
        lambda: jpeg(TWELVE),
        "resize:300x300,fit=cover,gravity=attention|format:jpeg",
        _attention,
    ),
    Chain("12 MP JPEG -> 1024 WebP", lambda: jpeg(TWELVE), "resize:1024x1024|format:webp", _web),
    Chain("12 MP JPEG -> 512 AVIF", lambda: jpeg(TWELVE), "resize:512x512|format:avif", _avif),
    Chain("2 MP JPEG -> grey, full size", lambda: jpeg(TWO), "grayscale|format:jpeg", _grey),
    Chain("2 MP JPEG -> 800, turned by 90", lambda: jpeg(TWO), "resize:800x800|rotate:90|format:jpeg", _turned),
    Chain("2 MP JPEG -> WebP, full size", lambda: jpeg(TWO), "format:webp", _recompressed),
    Chain("2 MP WebP -> 300 JPEG", webp, "resize:300x300|format:jpeg", _small_jpeg),
    Chain("2 MP PNG with alpha -> 800 WebP", png_with_alpha, "resize:800x800|format:webp", _transparent),
    Chain("GIF of 24 frames -> 320 WebP", gif, "resize:320x320|format:webp", _animated),
)
BY_NAME = {chain.name: chain for chain in CHAINS}
