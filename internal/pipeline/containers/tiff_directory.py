"""TIFF files looked over without libvips: where pixels are missing behind a whole directory, it goes on with black ones."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from internal.errors import InvalidImage
from internal.pipeline.containers.tiff_fields import Directory, OutOfReach, TiffFile
from internal.pipeline.containers.tiff_pages import main_directory

_PLACES = {273: 279, 324: 325}  # the tag of strips' and tiles' offsets: the tag of their sizes in bytes
MAX_PLACES = 2**20
"""Strips or tiles: more than the largest picture needs."""
MAX_PAGES = 10_000
"""libvips counts them all, at 30 us each, though one is shown."""


def open_tiff(file: BinaryIO) -> tuple[TiffFile, int]:
    """The file, opened, and where the directory lies whose picture is shown (see tiff_pages.py).

    Raises InvalidImage unless all pixels that this directory names lie within the file, and its pages can be counted. The rest
    libvips notices.
    """
    with translate_damage():
        tiff = TiffFile(file)
        _require_few_pages(tiff)
        at = main_directory(tiff)
        directory = tiff.directory(at)
        size = file.seek(0, 2)
        for places, sizes in _PLACES.items():
            ends = zip(_numbers(tiff, directory, places), _numbers(tiff, directory, sizes), strict=False)
            if any(start + length > size for start, length in ends):
                raise InvalidImage("The TIFF file is cut short.")
        return tiff, at


@contextmanager
def translate_damage() -> Iterator[None]:
    """Around all that reads a TIFF file's fields: raises InvalidImage where they can't be read."""
    try:
        yield
    except (OutOfReach, ValueError, OverflowError) as error:
        raise InvalidImage("The TIFF file is cut short or damaged.") from error


def _require_few_pages(tiff: TiffFile) -> None:
    try:
        pages = sum(1 for _ in tiff.chain(most=MAX_PAGES + 1))
    except OutOfReach:  # the first page is none the worse for it
        return
    if pages > MAX_PAGES:
        raise InvalidImage("The TIFF file has more pages than are counted.")


def _numbers(tiff: TiffFile, directory: Directory, tag: int) -> tuple[int, ...]:
    try:
        return tiff.places(directory, tag, most=MAX_PLACES)
    except ValueError as error:
        raise InvalidImage("The TIFF file names more strips than a picture can have.") from error
