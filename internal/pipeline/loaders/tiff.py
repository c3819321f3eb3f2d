"""TIFF: the first directory's picture."""

from pathlib import Path
from typing import ClassVar

from internal.pipeline.camera_raw import require_no_raw
from internal.pipeline.loaders.source import Source
from internal.pipeline.tiff_directory import require_whole_tiff


class TiffSource(Source):
    """A TIFF file."""

    loader: ClassVar[str] = "tiffload"
    operation_class: ClassVar[str] = "VipsForeignLoadTiff"

    def look_over(self, path: Path) -> Path:
        require_no_raw(path)
        require_whole_tiff(path)
        return path
