"""AVIF and HEIC: the primary picture, of a sequence its first frame. The decoder turns it upright by itself."""

from pathlib import Path
from typing import ClassVar

import msgspec

from internal.pipeline.containers.dimensions import StoredPicture
from internal.pipeline.containers.isobmff import Boxes
from internal.pipeline.vips.loaders.source import Source


class HeifSource(Source):
    """An AVIF or HEIC file. Its header is of the upright picture; `stored` is how the file keeps it (`ispe`, `irot`, `imir`)."""

    loader: ClassVar[str] = "heifload"
    operation_class: ClassVar[str] = "VipsForeignLoadHeif"

    def look_over(self, path: Path) -> Path:
        with path.open("rb") as file:
            boxes = Boxes(file)
        self._picture, self._frames = boxes.stored_picture(), boxes.frames()
        return path

    def read_stored(self) -> StoredPicture:
        """As the boxes say, and where they do not, as the decoder shows it."""
        return msgspec.structs.replace(self._picture or super().read_stored(), frames=self._frames)
