"""Source: base class of the loaders. It sanitizes a file's container, reads its header and decodes its pixels."""

from pathlib import Path
from typing import Any, ClassVar, Self

import pyvips
from msgspec import Struct

from internal.pipeline.containers.dimensions import Dimensions
from internal.pipeline.vips.pixels import Pixels
from internal.pipeline.vips.scaling import CoveredArea

PixelSize = tuple[int, int]
"""Width and height in pixels."""
READING: dict[str, Any] = {"access": "sequential", "fail_on": "truncated"}
"""Options of every loader: read row by row, and fail at a truncated file. Some formats are stricter (loaders/tiff.py)."""


class Header(Struct, frozen=True):
    """The header of what will be decoded: size of a frame in pixels, number of frames, EXIF orientation still to be applied.

    `separate_still`: the still is not one of the frames. `colours`: the maximum number of colours of a palette, or of grey with
    fewer than 8 bits; None for anything else. `palette`: RGBA of each entry of a PNG's palette.
    """

    width: int
    height: int
    frames: int
    orientation: int
    has_alpha: bool
    separate_still: bool = False
    colours: int | None = None
    palette: tuple[bytes, ...] = ()

    @property
    def pixels(self) -> int:
        """Pixels of all frames."""
        return self.width * self.height * self.frames


class Source:
    """An open original. Its container is sanitized and its header read; no pixel is decoded yet.

    A subclass names libvips' loader and overrides what is special about its format: `sanitize` checks the container,
    `read_header` reads the header, `read_dimensions` returns the stored size if the decoder shows another one, and `decode`
    decodes the pixels. `path` is the file that libvips reads: the original, or a copy that `sanitize` wrote (`new_copy`).
    """

    loader: ClassVar[str]
    """libvips' operation, for example `jpegload`."""
    operation_class: ClassVar[str]
    """The libvips class of `loader`, used to block and unblock it."""
    premultiplied: ClassVar[bool] = False
    """True if the loader decodes transparent pixels as black, so that scaling need not premultiply."""

    def __init__(self, path: Path, media_type: str, folder: Path, name: str) -> None:
        """Copies are files in `folder` whose names begin with `name-`. The caller removes them.

        Raises pyvips.Error, and InvalidImage for a container that is truncated, mislabelled, or built to be slow.
        """
        self.media_type = media_type
        self._folder, self._name, self._copies = folder, name, 0
        self.path = self.sanitize(path)
        self.pixels = self.read()
        self.header = self.read_header(self.pixels)
        self.dimensions = self.read_dimensions()

    def sanitize(self, path: Path) -> Path:
        """Check the container in pure Python, streaming, in constant memory. Returns the file that libvips may read."""
        return path

    def new_copy(self) -> Path:
        """The path for a further copy, in the only folder where a child may write."""
        self._copies += 1
        return self._folder / f"{self._name}-{self._copies}"

    @classmethod
    def open(cls, path: Path, **options: Any) -> Pixels:
        """The file opened by libvips' loader. Its header is read; its pixels stream once, row by row."""
        return getattr(pyvips.Image, cls.loader)(str(path), **(READING | options))

    def read(self) -> Pixels:
        """The full-size pixels: those of `path`, unless a format assembles them differently."""
        return self.open(self.path)

    def reopened(self) -> Self:
        """The same original, ready to be decoded once more. Its container is not sanitized again."""
        again = type(self).__new__(type(self))
        again.__dict__.update(self.__dict__)
        again.pixels = self.read()
        return again

    def read_header(self, pixels: Pixels) -> Header:
        """The header. `pixels` come from `read`."""
        orientation = int(pixels.get("orientation")) if pixels.get_typeof("orientation") else 1
        orientation = orientation if 1 <= orientation <= 8 else 1
        frames, has_alpha = self.frames_of(pixels), bool(pixels.hasalpha())
        return Header(pixels.width, pixels.height, frames, orientation, has_alpha, colours=palette_size(pixels))

    def read_dimensions(self) -> Dimensions:
        """The original's dimensions as stored. Override it if the decoder turns the picture or shows only one frame."""
        return Dimensions(self.header.width, self.header.height, self.header.orientation, self.header.frames)

    @classmethod
    def frames_of(cls, pixels: Pixels) -> int:  # noqa: ARG003 - used by formats with animations
        """The number of frames of an open file."""
        return 1

    def decode(self, wanted: PixelSize | None, *, animated: bool) -> Pixels:
        """The pixels in stored orientation and in the file's own colours. They stream once, from top to bottom.

        `animated`: all frames, one below the other, with libvips' fields `delay` and `loop`; else the first frame. `wanted`: the
        size, as stored, to which the chain scales first, smaller than the picture. The result may be smaller than the picture,
        but not smaller than `wanted`.
        """
        options = {"n": -1} if animated else self.shrink_options(wanted) if wanted else {}
        return self.open(self.path, **options) if options else self.pixels

    def require_whole(self) -> None:
        """Raise InvalidImage if the decoder invented missing parts of the picture. Called after it has warned."""

    def covered(self, pixels: Pixels) -> CoveredArea | None:  # noqa: ARG002 - used by formats that decode a little more than the picture
        """The columns and rows of the decoded pixels that the picture covers; None for all."""
        return None

    def shrink_options(self, wanted: PixelSize) -> dict[str, Any]:  # noqa: ARG002 - used by formats whose decoder can shrink
        """The loader's options to decode no more than `wanted` needs."""
        return {}

    def ratio(self, wanted: PixelSize) -> float:
        """How many times larger the picture is than `wanted`, on the side that shrinks less."""
        return min(self.header.width / wanted[0], self.header.height / wanted[1])


def palette_size(pixels: Pixels) -> int | None:
    """`Header.colours` from libvips' fields. For a GIF it is the size of its largest palette."""
    bits = int(pixels.get("bits-per-sample")) if pixels.get_typeof("bits-per-sample") else 8
    has_palette = bool(pixels.get_typeof("palette") and pixels.get("palette"))
    return 1 << bits if bits < 8 or has_palette else None
