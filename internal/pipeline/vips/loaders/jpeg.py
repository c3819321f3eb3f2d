"""JPEG: libvips decodes it smaller at no cost in quality, by 2, 4 or 8."""

import re
import struct
from mmap import ACCESS_COPY, mmap
from pathlib import Path
from typing import ClassVar

import pyvips

from internal.errors import InvalidImage
from internal.pipeline.containers.jpeg_scans import JpegFrame, require_plausible_jpeg, write_ended, write_probe
from internal.pipeline.vips.loaders.source import READING, Size, Source
from internal.pipeline.vips.picture import Pixels
from internal.pipeline.vips.scaling import Covered, placement

_EARLY_END = "premature end of data segment"
_ONLY_BEHIND = re.compile(r"\AVipsJpeg: Corrupt JPEG data: \d+ extraneous bytes before marker 0xd9$", re.MULTILINE)
"""Warnings of libjpeg's, in the words of mozjpeg 5.0.0: the second one is the first to come only when all scans were whole."""


MOST_OFF = 0.2
"""How far a part of the picture may be from its place for the sake of speed, in pixels of the result."""


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

    def decoded(self, wanted: Size | None, *, animated: bool) -> Pixels:  # noqa: ARG002 - a JPEG is none
        if self._jpeg.end is not None:
            self.require_whole()
        return self._shrunk(self._shrink_for(wanted)) if wanted else self.pixels

    def covered(self, pixels: Pixels) -> Covered | None:
        shrink = -(-self.header.width // pixels.width)
        across, down = self.header.width / shrink, self.header.height / shrink
        return None if (across, down) == (pixels.width, pixels.height) else (across, down)

    def _shrink_for(self, wanted: Size) -> int:
        """From a ratio of 3 on the largest one above the target, unless another one shows things nearer to where they are."""
        frame, ratio = self._jpeg.frame, self.ratio(wanted)
        if frame is None or frame.is_lossless or ratio < 3:  # lossless ones libvips 8.18.7 would only crop
            return 1
        largest = 8 if ratio >= 8 else 4 if ratio >= 4 else 2
        return next((shrink for shrink in (8, 4, 2) if shrink <= largest and self._is_exact(frame, shrink, wanted)), 1)

    def _is_exact(self, frame: JpegFrame, shrink: int, wanted: Size) -> bool:
        size = self.header.width, self.header.height
        shifts = [placement(-(-side // shrink), side / shrink, to).shift for side, to in zip(size, wanted, strict=True)]
        known = (frame.width, frame.height) == size
        return known and max(shifts) <= MOST_OFF and frame.has_room_for(*_rounded_up(frame, shrink))

    def _shrunk(self, shrink: int) -> Pixels:
        """All of the picture. libvips leaves out the last column and row of those that the picture covers in part only, so that
        it is told of a picture that covers them: in the file they are there, as all blocks are whole.
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
        """Have libjpeg read all scans, and see what it warns of: it makes grey of what is missing.

        Without an EOI no warning is taken but that something follows; with one only that data end early. Only the first is known.
        """
        if self._jpeg.frame is None:
            return
        probe = self.new_copy()
        write_probe(self.path, probe, self._jpeg.frame)
        try:
            self.open(probe, fail_on="warning").crop(0, 0, 1, 1).avg()
        except pyvips.Error as error:
            if _EARLY_END in error.detail if self._jpeg.end is None else not _ONLY_BEHIND.search(error.detail):
                raise InvalidImage("The JPEG file is cut short or damaged.") from error
        self._jpeg = self._jpeg._replace(end=None)


def _rounded_up(frame: JpegFrame, step: int) -> Size:
    """The next width and height that `step` divides."""
    return -(-frame.width // step) * step, -(-frame.height // step) * step
