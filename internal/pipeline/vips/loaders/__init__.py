"""Loaders: one class per input format, one file per class. They run in the sandbox's children only (G7)."""

from internal.pipeline.vips.loaders.gif import GifSource
from internal.pipeline.vips.loaders.heif import HeifSource
from internal.pipeline.vips.loaders.jpeg import JpegSource
from internal.pipeline.vips.loaders.png import PngSource
from internal.pipeline.vips.loaders.source import Source
from internal.pipeline.vips.loaders.tiff import TiffSource
from internal.pipeline.vips.loaders.webp import WebpSource

SOURCES: dict[str, type[Source]] = {
    "image/jpeg": JpegSource,
    "image/png": PngSource,
    "image/webp": WebpSource,
    "image/gif": GifSource,
    "image/tiff": TiffSource,
    "image/avif": HeifSource,
    "image/heic": HeifSource,
}
"""The loader of each media type that can be allowed. libvips never guesses the format."""

HEIF = frozenset(media_type for media_type, source in SOURCES.items() if source is HeifSource)
"""Media types that are allowed only by configuration."""
