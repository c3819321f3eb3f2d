"""JPEG: libvips decodes it smaller at no cost in quality, by 2, 4 or 8."""

import re
from pathlib import Path
from typing import Any, ClassVar

import pyvips

from internal.errors import InvalidImage
from internal.pipeline.jpeg_scans import JpegFrame, require_plausible_jpeg, write_ended, write_probe
from internal.pipeline.loaders.source import Size, Source
from internal.pipeline.picture import Pixels

_ONLY_BEHIND = re.compile(r"\AVipsJpeg: Corrupt JPEG data: \d+ extraneous bytes before marker 0xd9$", re.MULTILINE)
"""libjpeg's first warning, if all scans were whole: its words are those of mozjpeg 5.0.0."""


class JpegSource(Source):
    """A JPEG file. One without an EOI is read from a copy that has one, if its data are whole."""

    loader: ClassVar[str] = "jpegload"
    operation_class: ClassVar[str] = "VipsForeignLoadJpeg"

    def look_over(self, path: Path) -> Path:
        self._jpeg = require_plausible_jpeg(path)
        if self._jpeg.end is None:
            return path
        copy = self.new_copy()
        write_ended(path, copy, self._jpeg.end)
        return copy

    def decoded(self, wanted: Size | None, *, animated: bool) -> Pixels:
        if self._jpeg.frame and self._jpeg.end is not None:
            self._require_whole_scans(self._jpeg.frame)
            self._jpeg = self._jpeg._replace(end=None)
        return super().decoded(wanted, animated=animated)

    def shrink_options(self, wanted: Size) -> dict[str, Any]:
        """From a ratio of 3 on the largest shrink above the target."""
        ratio = self.ratio(wanted)
        return {"shrink": 8 if ratio >= 8 else 4 if ratio >= 4 else 2} if ratio >= 3 else {}

    def _require_whole_scans(self, frame: JpegFrame) -> None:
        """Have libjpeg read all scans: it warns of data that end early and makes grey of them. What follows them does no harm."""
        probe = self.new_copy()
        write_probe(self.path, probe, frame)
        try:
            self.open(probe, fail_on="warning").crop(0, 0, 1, 1).avg()
        except pyvips.Error as error:
            if not _ONLY_BEHIND.search(error.detail):
                raise InvalidImage("The JPEG file is cut short.") from error
