"""PNG: libvips reads a copy without the chunks that a decoder has no use for."""

from pathlib import Path
from typing import ClassVar

from internal.pipeline.loaders.source import Source
from internal.pipeline.png_chunks import lean_png


class PngSource(Source):
    """A PNG file."""

    loader: ClassVar[str] = "pngload"
    operation_class: ClassVar[str] = "VipsForeignLoadPng"

    def look_over(self, path: Path) -> Path:
        return lean_png(path, self.new_copy())
