"""JPEG: libvips decodes it smaller at no cost in quality, by 2, 4 or 8."""

from pathlib import Path
from typing import Any, ClassVar

from internal.pipeline.jpeg_scans import require_plausible_jpeg
from internal.pipeline.loaders.source import Size, Source


class JpegSource(Source):
    """A JPEG file."""

    loader: ClassVar[str] = "jpegload"
    operation_class: ClassVar[str] = "VipsForeignLoadJpeg"

    def look_over(self, path: Path) -> Path:
        require_plausible_jpeg(path)
        return path

    def shrink_options(self, wanted: Size) -> dict[str, Any]:
        """From a ratio of 3 on the largest shrink above the target."""
        ratio = self.ratio(wanted)
        return {"shrink": 8 if ratio >= 8 else 4 if ratio >= 4 else 2} if ratio >= 3 else {}
