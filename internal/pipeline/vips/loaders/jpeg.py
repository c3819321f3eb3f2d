"""JPEG loader. libvips can decode a JPEG at 1/2, 1/4 or 1/8 of its size without loss of quality."""

import re
import struct
from mmap import ACCESS_COPY, mmap
from pathlib import Path
from typing import ClassVar

import pyvips

from internal.domain.errors import InvalidImage
from internal.pipeline.containers.jpeg_scans import JpegFrame, inspect_jpeg, write_probe, write_with_eoi
from internal.pipeline.vips.loaders.source import READING, PixelSize, Source
from internal.pipeline.vips.pixels import Pixels
from internal.pipeline.vips.scaling import CoveredArea, placement

_EARLY_END = "premature end of data segment"
_ONLY_TRAILING_BYTES = re.compile(r"\AVipsJpeg: Corrupt JPEG data: \d+ extraneous bytes before marker 0xd9$", re.MULTILINE)
"""Warnings of libjpeg (mozjpeg 5.0.0). The second one comes first only if all scans are complete."""


MAX_DISPLACEMENT = 0.2
"""The largest displacement that shrink-on-load may cause, in pixels of the result."""


class JpegSource(Source):
    """A JPEG file. One without an EOI is read from a copy with an EOI, if its data are complete."""

    loader: ClassVar[str] = "jpegload"
    operation_class: ClassVar[str] = "VipsForeignLoadJpeg"

    def sanitize(self, path: Path) -> Path:
        self._jpeg = inspect_jpeg(path)
        if self._jpeg.end is None:
            return path
        copy = self.new_copy()
        write_with_eoi(path, copy, self._jpeg.end)
        return copy

    def decode(self, wanted: PixelSize | None, *, animated: bool) -> Pixels:  # noqa: ARG002 - a JPEG has one frame
        if self._jpeg.end is not None:
            self.require_whole()
        return self._decode_shrunk(self._shrink_for(wanted)) if wanted else self.pixels

    def covered(self, pixels: Pixels) -> CoveredArea | None:
        shrink = -(-self.header.width // pixels.width)
        across, down = self.header.width / shrink, self.header.height / shrink
        return None if (across, down) == (pixels.width, pixels.height) else (across, down)

    def _shrink_for(self, wanted: PixelSize) -> int:
        """The largest shrink (8, 4, 2) that stays above the target and displaces nothing; 1 below a ratio of 3."""
        frame, ratio = self._jpeg.frame, self.ratio(wanted)
        if frame is None or frame.is_lossless or ratio < 3:  # libvips 8.18.7 would only crop a lossless JPEG
            return 1
        largest = 8 if ratio >= 8 else 4 if ratio >= 4 else 2
        return next((shrink for shrink in (8, 4, 2) if shrink <= largest and self._is_exact(frame, shrink, wanted)), 1)

    def _is_exact(self, frame: JpegFrame, shrink: int, wanted: PixelSize) -> bool:
        size = self.header.width, self.header.height
        shifts = [placement(-(-side // shrink), side / shrink, to).shift for side, to in zip(size, wanted, strict=True)]
        known = (frame.width, frame.height) == size
        return known and max(shifts) <= MAX_DISPLACEMENT and frame.has_room_for(*_rounded_up(frame, shrink))

    def _decode_shrunk(self, shrink: int) -> Pixels:
        """The whole picture, decoded smaller. libvips drops a last column or row that the picture covers only in part.

        So it reads a header with a larger size that covers them: the data has them, as all blocks are complete.
        """
        frame, size = self._jpeg.frame, (self.header.width, self.header.height)
        if frame is None or shrink == 1:
            return self.pixels
        if (larger := _rounded_up(frame, shrink)) == size:
            return self.open(self.path, shrink=shrink)
        with self.path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_COPY) as data:
            struct.pack_into(">HH", data, frame.at, larger[1], larger[0])
            return pyvips.Image.jpegload_buffer(data, shrink=shrink, **READING)

    def require_whole(self) -> None:
        """Raises InvalidImage if data are missing, which libjpeg replaces by grey. It makes libjpeg read all scans and warn.

        Without an EOI, any warning but that of trailing bytes is an error; with an EOI, only that of an early end. Only the first
        warning is visible.
        """
        if self._jpeg.frame is None:
            return
        probe = self.new_copy()
        write_probe(self.path, probe, self._jpeg.frame)
        try:
            self.open(probe, fail_on="warning").crop(0, 0, 1, 1).avg()
        except pyvips.Error as error:
            if _EARLY_END in error.detail if self._jpeg.end is None else not _ONLY_TRAILING_BYTES.search(error.detail):
                raise InvalidImage("The JPEG file is cut short or damaged.") from error
        self._jpeg = self._jpeg._replace(end=None)


def _rounded_up(frame: JpegFrame, step: int) -> PixelSize:
    """Width and height rounded up to multiples of `step`."""
    return -(-frame.width // step) * step, -(-frame.height // step) * step
