"""AVIF and HEIC loader. It decodes the primary picture, or the first frame of a sequence; libheif turns it upright."""

from pathlib import Path
from typing import ClassVar

import msgspec

from internal.pipeline.containers.dimensions import Dimensions
from internal.pipeline.containers.isobmff import Boxes
from internal.pipeline.vips.loaders.source import Source


class HeifSource(Source):
    """An AVIF or HEIC file. `header` describes the upright picture; `dimensions` the stored one (`ispe`, `irot`, `imir`)."""

    loader: ClassVar[str] = "heifload"
    operation_class: ClassVar[str] = "VipsForeignLoadHeif"

    def sanitize(self, path: Path) -> Path:
        with path.open("rb") as file:
            boxes = Boxes(file)
        self._primary, self._frames = boxes.dimensions(), boxes.frames()
        return path

    def read_dimensions(self) -> Dimensions:
        """The dimensions from the boxes, or the decoder's if the boxes have none."""
        return msgspec.structs.replace(self._primary or super().read_dimensions(), frames=self._frames)
