"""TIFF copy with rewritten directories: some fields get other values, the pixel data stay in place.

libvips then reads the new first directory. Pure Python; the file is copied unchanged and the new directories are appended.
"""

import shutil
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, TypeAlias

from internal.domain.errors import InvalidImage
from internal.pipeline.containers.tiff_fields import TiffFile

Changes: TypeAlias = Mapping[int, Sequence[int] | None]
"""New values of fields by tag, as unsigned integers; None removes the field."""
_SHORT, _LONG, _LONG8 = (3, "H", 2**16), (4, "I", 2**32), (16, "Q", 2**64)
"""TIFF type, struct format, and exclusive upper bound."""
_OWNER = frozenset({315, 33432})
"""Artist, Copyright."""
EXTRA_BYTES = 32 * 2**20
"""Bytes that a copy may have more than its file: two lists of MAX_PLACES numbers of 8 bytes, and directories."""


def write_copy(source: BinaryIO, tiff: TiffFile, directory: int, pages: Sequence[Changes], target: Path) -> None:
    """Write `source` to `target` with one new directory per page at the head of the chain: `directory` with changes.

    Artist and Copyright of the first directory are copied too. Raises InvalidImage if a classic TIFF is too large for it, and
    OutOfReach if the directory does not exist.
    """
    fields = {tag: entry for tag, entry in tiff.entries(tiff.first).items() if tag in _OWNER} | tiff.entries(directory)
    with target.open("wb") as copy:
        source.seek(0)
        shutil.copyfileobj(source, copy, 2**20)
        try:
            _write_directories(copy, tiff, fields, pages)
        except struct.error as error:
            raise InvalidImage("The TIFF file is too large for its 32 bit offsets.") from error


def _write_directories(copy: BinaryIO, tiff: TiffFile, fields: Mapping[int, bytes], pages: Sequence[Changes]) -> None:
    pointer = 8 if tiff.big else 4  # in the header, then at the end of each directory
    for changes in pages:
        entries = dict(fields)
        for tag, values in changes.items():
            entries.pop(tag, None)
            if values is not None:
                entries[tag] = _entry(copy, tiff, tag, values)
        at = _even_end(copy)
        copy.write(struct.pack(f"{tiff.order}{'Q' if tiff.big else 'H'}", len(entries)))
        copy.write(b"".join(entry for _, entry in sorted(entries.items())))
        following = copy.tell()
        copy.write(bytes(8 if tiff.big else 4))
        copy.seek(pointer)
        copy.write(struct.pack(_offset(tiff), at))
        pointer = following


def _entry(copy: BinaryIO, tiff: TiffFile, tag: int, values: Sequence[int]) -> bytes:
    """A directory entry. Values that do not fit into it are written to `copy`."""
    kind, letter = next((kind, letter) for kind, letter, limit in (_SHORT, _LONG, _LONG8) if max(values) < limit)
    data = struct.pack(f"{tiff.order}{len(values)}{letter}", *values)
    room = 8 if tiff.big else 4
    if len(data) > room:
        at = _even_end(copy)
        copy.write(data)
        data = struct.pack(_offset(tiff), at)
    return struct.pack(f"{tiff.order}HH{'Q' if tiff.big else 'I'}", tag, kind, len(values)) + data.ljust(room, b"\0")


def _even_end(copy: BinaryIO) -> int:
    """The end of the file, padded to an even offset as TIFF 6.0 requires."""
    at = copy.seek(0, 2)
    if at % 2:
        at += copy.write(b"\0")
    return at


def _offset(tiff: TiffFile) -> str:
    return f"{tiff.order}{'Q' if tiff.big else 'I'}"
