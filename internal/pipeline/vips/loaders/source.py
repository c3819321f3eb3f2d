"""What every format has in common: a file whose container is looked over, whose header is read, and whose pixels are decoded."""

from pathlib import Path
from typing import Any, ClassVar, Self

import pyvips
from msgspec import Struct

from internal.pipeline.containers.dimensions import StoredPicture
from internal.pipeline.vips.picture import Pixels
from internal.pipeline.vips.scaling import Covered

Size = tuple[int, int]
"""Width and height in pixels."""
READING: dict[str, Any] = {"access": "sequential", "fail_on": "truncated"}
"""How every loader reads: row by row, and not beyond where the file ends. Some formats ask for more (loaders/tiff.py)."""


class Header(Struct, frozen=True):
    """What is decoded: the size of one frame in pixels, how many there are, and the orientation it still needs.

    `still_apart`: a still shows a picture that is none of the frames. `colours`: the most that can be stored so, with a palette
    or as grey of fewer than 8 bits; None for all others. `palette`: a PNG's, red, green, blue and alpha of each entry.
    """

    width: int
    height: int
    frames: int
    orientation: int
    has_alpha: bool
    still_apart: bool = False
    colours: int | None = None
    palette: tuple[bytes, ...] = ()

    @property
    def pixels(self) -> int:
        """Of all frames."""
        return self.width * self.height * self.frames


class Source:
    """An original that is open: its container was looked over and its header read; no pixel is decoded yet.

    A subclass names libvips' loader and says what is different about its format: what its container must be checked for
    (`look_over`), what its header says (`read_header`), how it is stored where the decoder shows it otherwise (`read_stored`),
    and how its pixels are decoded (`decoded`). `path` is what libvips reads: the file itself, or a copy of it that `look_over`
    has made (`new_copy`).
    """

    loader: ClassVar[str]
    """libvips' operation, `jpegload` for example."""
    operation_class: ClassVar[str]
    """The class of `loader`, by which it is blocked and unblocked."""
    premultiplied: ClassVar[bool] = False
    """Whether a transparent pixel comes from the loader in black, so that scaling need not multiply by alpha."""

    def __init__(self, path: Path, media_type: str, folder: Path, name: str) -> None:
        """Copies are files in `folder` whose names begin with `name-`; whoever opens a source removes them.

        Raises InvalidImage for a container that is cut short, is not what it says, or was made to be slow; pyvips.Error.
        """
        self.media_type = media_type
        self._folder, self._name, self._copies = folder, name, 0
        self.path = self.look_over(path)
        self.pixels = self.read()
        self.header = self.read_header(self.pixels)
        self.stored = self.read_stored()

    def look_over(self, path: Path) -> Path:
        """Check the container in pure Python, streaming and in constant memory; returns the file that libvips may read."""
        return path

    def new_copy(self) -> Path:
        """The path of a further copy, in the one folder where a child may write."""
        self._copies += 1
        return self._folder / f"{self._name}-{self._copies}"

    @classmethod
    def open(cls, path: Path, **options: Any) -> Pixels:
        """The file as libvips' loader opens it: its header is read, its pixels come row by row and once."""
        return getattr(pyvips.Image, cls.loader)(str(path), **(READING | options))

    def read(self) -> Pixels:
        """The pixels as they come when all of them are decoded: those of `path`, unless a format puts them together otherwise."""
        return self.open(self.path)

    def reopened(self) -> Self:
        """The same original, to be decoded once more. Its container is not looked over again."""
        again = type(self).__new__(type(self))
        again.__dict__.update(self.__dict__)
        again.pixels = self.read()
        return again

    def read_header(self, pixels: Pixels) -> Header:
        """What the header says, `pixels` being what `read` gave."""
        orientation = int(pixels.get("orientation")) if pixels.get_typeof("orientation") else 1
        orientation = orientation if 1 <= orientation <= 8 else 1
        frames, has_alpha = self.frames_of(pixels), bool(pixels.hasalpha())
        return Header(pixels.width, pixels.height, frames, orientation, has_alpha, colours=stored_colours(pixels))

    def read_stored(self) -> StoredPicture:
        """The original as its file keeps it: what the header says, unless the decoder turns it or shows one frame only."""
        return StoredPicture(self.header.width, self.header.height, self.header.orientation, self.header.frames)

    @classmethod
    def frames_of(cls, pixels: Pixels) -> int:  # noqa: ARG003 - for those that hold animations
        """How many frames an open file has that can be shown one after the other."""
        return 1

    def decoded(self, wanted: Size | None, *, animated: bool) -> Pixels:
        """The pixels as stored, in the file's own colours, to be read once from top to bottom.

        `animated`: all frames, one below the other, with libvips' fields `delay` and `loop`; else the first one. `wanted` is the
        size that the chain scales to first, as stored, and smaller than the picture: what is decoded may be smaller too, but not
        below it.
        """
        options = {"n": -1} if animated else self.shrink_options(wanted) if wanted else {}
        return self.open(self.path, **options) if options else self.pixels

    def require_whole(self) -> None:
        """Raise InvalidImage if the decoder has made up a part of the picture that is missing. Asked after it has warned."""

    def covered(self, pixels: Pixels) -> Covered | None:  # noqa: ARG002 - for those that decode a little more than the picture
        """How many columns and rows of what `decoded` gave the picture covers; None for all."""
        return None

    def shrink_options(self, wanted: Size) -> dict[str, Any]:  # noqa: ARG002 - for those whose decoder can leave something out
        """The loader's options that decode no more than is needed for `wanted`."""
        return {}

    def ratio(self, wanted: Size) -> float:
        """How many times the picture is larger than `wanted`, by the side that shrinks less."""
        return min(self.header.width / wanted[0], self.header.height / wanted[1])


def stored_colours(pixels: Pixels) -> int | None:
    """As in Header, by what libvips' loaders say; a GIF's are those of the largest of its palettes."""
    bits = int(pixels.get("bits-per-sample")) if pixels.get_typeof("bits-per-sample") else 8
    has_palette = bool(pixels.get_typeof("palette") and pixels.get("palette"))
    return 1 << bits if bits < 8 or has_palette else None
