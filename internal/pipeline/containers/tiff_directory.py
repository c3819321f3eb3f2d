"""TIFF check: all pixel data must lie within the file. libvips would replace missing data by black."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from internal.domain.errors import InvalidImage
from internal.pipeline.containers.tiff_fields import Directory, OutOfReach, TiffFile
from internal.pipeline.containers.tiff_pages import main_directory

_PLACES = {273: 279, 324: 325}  # tags of offsets and of byte counts, for strips and tiles
MAX_PLACES = 2**20
"""Strips or tiles. The largest picture needs fewer."""
MAX_PAGES = 10_000
"""libvips counts all pages, at 30 us each, though one is shown."""


def open_tiff(file: BinaryIO) -> tuple[TiffFile, int]:
    """The open file and the offset of the directory whose picture is shown (see tiff_pages.py).

    Raises InvalidImage if pixel data of that directory lie outside the file, or there are too many pages. libvips detects other
    damage.
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
    """Context for reading a TIFF file's fields: raises InvalidImage if they can't be read."""
    try:
        yield
    except (OutOfReach, ValueError, OverflowError) as error:
        raise InvalidImage("The TIFF file is cut short or damaged.") from error


def _require_few_pages(tiff: TiffFile) -> None:
    try:
        pages = sum(1 for _ in tiff.chain(most=MAX_PAGES + 1))
    except OutOfReach:  # the first page may still be intact
        return
    if pages > MAX_PAGES:
        raise InvalidImage("The TIFF file has too many pages.")


def _numbers(tiff: TiffFile, directory: Directory, tag: int) -> tuple[int, ...]:
    try:
        return tiff.places(directory, tag, most=MAX_PLACES)
    except ValueError as error:
        raise InvalidImage("The TIFF file has too many strips.") from error
