"""What must be known of a file's blocks before libvips sees it. Pure Python, streaming, constant memory.

PNG: one megabyte of compressed text chunks takes libvips two gigabytes just to open the header, so they are left out of what it
reads; nor does it notice that IEND is missing. GIF: it drops the frames that a cut animation lacks and calls the rest whole.
TIFF: where pixels are missing at the end, behind a whole directory, it goes on with black ones.
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from internal.errors import InvalidImage

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
TEXT_CHUNKS = frozenset({b"tEXt", b"zTXt", b"iTXt"})
_BLOCK = 2**20
_CHUNK_OVERHEAD = 12  # bytes: length, type and checksum


def png_without_text(source: Path, target: Path) -> Path:
    """The path of a PNG that holds no text chunk: `source` when it has none, else `target`, written as a copy without them.

    Raises InvalidImage for a file that is no PNG or is cut short. What follows IEND is not read.
    """
    size = source.stat().st_size
    with source.open("rb") as file:
        if not sum(kind in TEXT_CHUNKS for kind, _, _ in _png_chunks(file, size)):  # to its end: a cut file must not pass
            return source
        with target.open("wb") as copy:
            copy.write(PNG_SIGNATURE)
            for start, length in _kept_runs(_png_chunks(file, size)):
                file.seek(start)
                _copy(file, copy, length)
    return target


def _kept_runs(chunks: Iterator[tuple[bytes, int, int]]) -> Iterator[tuple[int, int]]:
    """Start and length of each run of neighbouring chunks that are kept: pictures come in thousands of small ones."""
    start = length = 0
    for kind, position, size in chunks:
        if kind in TEXT_CHUNKS:
            if length:
                yield start, length
            length = 0
        else:
            start = start if length else position
            length += size
    yield start, length


def _png_chunks(file: BinaryIO, size: int) -> Iterator[tuple[bytes, int, int]]:
    """Type, start and whole length in bytes of each chunk, IEND last."""
    file.seek(0)
    if file.read(len(PNG_SIGNATURE)) != PNG_SIGNATURE:
        raise InvalidImage("The file is not a PNG, though it begins like one.")
    position, kind = len(PNG_SIGNATURE), b""
    while kind != b"IEND":
        file.seek(position)
        head = file.read(8)
        length, kind = int.from_bytes(head[:4], "big") + _CHUNK_OVERHEAD, head[4:]
        if len(head) < 8 or position + length > size:
            raise InvalidImage("The PNG file is cut short.")
        yield kind, position, length
        position += length


def _copy(source: BinaryIO, target: BinaryIO, length: int) -> None:
    while length > 0 and (block := source.read(min(_BLOCK, length))):
        target.write(block)
        length -= len(block)


def require_whole_gif(source: Path) -> None:
    """Raise InvalidImage unless the GIF's blocks reach its trailer: a cut animation is not processed in part."""
    with source.open("rb") as file:
        try:
            _walk_gif(file)
        except (IndexError, ValueError) as error:
            raise InvalidImage("The GIF file is cut short or damaged.") from error


def _walk_gif(file: BinaryIO) -> None:
    """Raises IndexError where bytes are missing, ValueError where there is a block of no known kind."""
    header = file.read(13)
    _skip_colours(file, header[10])
    while (kind := file.read(1)[0]) != 0x3B:
        if kind == 0x21:  # extension: its label, then sub-blocks
            file.seek(1, 1)
        elif kind == 0x2C:  # image: its place and size, perhaps colours, the width of its codes, then sub-blocks
            _skip_colours(file, file.read(9)[8])
            file.seek(1, 1)
        else:
            raise ValueError(f"unknown block {kind:#x}")
        while length := file.read(1)[0]:
            file.seek(length, 1)


def _skip_colours(file: BinaryIO, flags: int) -> None:
    if flags & 0x80:
        file.seek(3 * 2 ** ((flags & 0x07) + 1), 1)


_TIFF_TYPES = {1: "B", 3: "H", 4: "I", 16: "Q"}
_TIFF_PLACES = {273: 279, 324: 325}  # the tag of strips' and tiles' offsets: the tag of their sizes in bytes
_MAX_PLACES = 2**20  # strips or tiles: more than the largest picture needs


def require_whole_tiff(source: Path) -> None:
    """Raise InvalidImage unless all pixels that the first directory names lie within the file; the rest libvips notices."""
    size = source.stat().st_size
    with source.open("rb") as file:
        try:
            fields = _tiff_fields(file)
            for places, sizes in _TIFF_PLACES.items():
                ends = zip(_tiff_numbers(file, fields, places), _tiff_numbers(file, fields, sizes), strict=False)
                if any(start + length > size for start, length in ends):
                    raise InvalidImage("The TIFF file is cut short.")
        except (struct.error, OverflowError, OSError) as error:  # no such place in a file
            raise InvalidImage("The TIFF file is cut short or damaged.") from error


class _Fields(dict[int, tuple[str, int, int]]):
    """By tag: struct's letter of the type, the count, and where the values lie; `order` is struct's byte order."""

    order: str


def _tiff_fields(file: BinaryIO) -> _Fields:
    head = file.read(16)
    fields = _Fields()
    fields.order = order = "<" if head[:2] == b"II" else ">"
    (version,) = struct.unpack_from(f"{order}H", head, 2)
    big = version == 43
    (directory,) = struct.unpack_from(f"{order}Q" if big else f"{order}I", head, 8 if big else 4)
    entry, inline = (f"{order}HHQ8s", 12) if big else (f"{order}HHI4s", 8)
    file.seek(directory)
    (entries,) = struct.unpack(f"{order}Q" if big else f"{order}H", file.read(8 if big else 2))
    start = file.tell()
    for number in range(min(entries, 65535)):
        at = start + number * struct.calcsize(entry)
        file.seek(at)
        tag, kind, count, value = struct.unpack(entry, file.read(struct.calcsize(entry)))
        letter = _TIFF_TYPES.get(kind)
        if letter is not None:
            fits = struct.calcsize(letter) * count <= len(value)
            fields[tag] = (letter, count, at + inline if fits else struct.unpack(f"{order}{'Q' if big else 'I'}", value)[0])
    return fields


def _tiff_numbers(file: BinaryIO, fields: _Fields, tag: int) -> tuple[int, ...]:
    if tag not in fields:
        return ()
    letter, count, start = fields[tag]
    if count > _MAX_PLACES:
        raise InvalidImage("The TIFF file names more strips than a picture can have.")
    file.seek(start)
    return struct.unpack(f"{fields.order}{count}{letter}", file.read(struct.calcsize(f"{fields.order}{count}{letter}")))
