"""TIFF files looked over without libvips: where pixels are missing behind a whole directory, it goes on with black ones."""

import struct
from pathlib import Path
from typing import Any, BinaryIO

from msgspec import Struct

from internal.errors import InvalidImage

_TYPES = {1: "B", 3: "H", 4: "I", 16: "Q"}
_NO_SUCH_PLACE = (struct.error, OverflowError, ValueError, OSError)
"""What reading raises behind a file's end, or farther than any file can reach."""
_PLACES = {273: 279, 324: 325}  # the tag of strips' and tiles' offsets: the tag of their sizes in bytes
MAX_PLACES = 2**20
"""Strips or tiles: more than the largest picture needs."""
MAX_PAGES = 10_000
"""libvips counts them all, at 30 us each, though one is shown."""


def require_whole_tiff(source: Path) -> None:
    """Raise InvalidImage unless all pixels that the first directory names lie within the file, and its pages can be counted.

    The rest libvips notices.
    """
    size = source.stat().st_size
    with source.open("rb") as file:
        try:
            layout, first = _layout(file)
            _require_few_pages(file, layout, first)
            fields = _fields_of(file, layout, first)
            for places, sizes in _PLACES.items():
                ends = zip(_numbers(file, layout, fields, places), _numbers(file, layout, fields, sizes), strict=False)
                if any(start + length > size for start, length in ends):
                    raise InvalidImage("The TIFF file is cut short.")
        except _NO_SUCH_PLACE as error:
            raise InvalidImage("The TIFF file is cut short or damaged.") from error


class _Layout(Struct, frozen=True):
    """How numbers are written: those of struct's letters for a directory's length, for an offset, and for one of its entries."""

    order: str
    length: str
    offset: str
    entry: str
    inline: int  # where an entry's value lies in it


_Fields = dict[int, tuple[str, int, int]]
"""By tag: struct's letter of the type, the count, and where the values lie."""


def _layout(file: BinaryIO) -> tuple[_Layout, int]:
    """The layout, and where the first directory lies."""
    head = file.read(16)
    order = "<" if head[:2] == b"II" else ">"
    big = struct.unpack_from(f"{order}H", head, 2)[0] == 43
    layout = _Layout(
        order,
        f"{order}{'Q' if big else 'H'}",
        f"{order}{'Q' if big else 'I'}",
        f"{order}HH{'Q8s' if big else 'I4s'}",
        12 if big else 8,
    )
    return layout, struct.unpack_from(layout.offset, head, 8 if big else 4)[0]


def _read(file: BinaryIO, form: str, at: int) -> tuple[Any, ...]:
    file.seek(at)
    return struct.unpack(form, file.read(struct.calcsize(form)))


def _require_few_pages(file: BinaryIO, layout: _Layout, directory: int) -> None:
    """Follow the directories from one to the next. One that leads back to an earlier one never ends."""
    for _ in range(MAX_PAGES):
        try:
            (entries,) = _read(file, layout.length, directory)
            end = directory + struct.calcsize(layout.length) + entries * struct.calcsize(layout.entry)
            (directory,) = _read(file, layout.offset, end)
        except _NO_SUCH_PLACE:  # the first page is none the worse for it
            return
        if directory == 0:
            return
    raise InvalidImage("The TIFF file has more pages than are counted.")


def _fields_of(file: BinaryIO, layout: _Layout, directory: int) -> _Fields:
    fields: _Fields = {}
    (entries,) = _read(file, layout.length, directory)
    if not entries:
        raise InvalidImage("The TIFF file has an empty directory.")
    start, size = directory + struct.calcsize(layout.length), struct.calcsize(layout.entry)
    for at in range(start, start + min(entries, 65535) * size, size):
        tag, kind, count, value = _read(file, layout.entry, at)
        if (letter := _TYPES.get(kind)) is not None:
            fits = struct.calcsize(letter) * count <= len(value)
            fields[tag] = (letter, count, at + layout.inline if fits else struct.unpack(layout.offset, value)[0])
    return fields


def _numbers(file: BinaryIO, layout: _Layout, fields: _Fields, tag: int) -> tuple[int, ...]:
    if tag not in fields:
        return ()
    letter, count, start = fields[tag]
    if count > MAX_PLACES:
        raise InvalidImage("The TIFF file names more strips than a picture can have.")
    return _read(file, f"{layout.order}{count}{letter}", start)
