"""TIFF walker: directories and fields of TIFF 6.0 and BigTIFF in either byte order. Pure Python, bounded.

It reads any seekable file, also the first bytes of an upload in progress: reading beyond them raises OutOfReach.
"""

import struct
from collections.abc import Iterator
from typing import Any, BinaryIO

from msgspec import Struct

_LETTERS = dict(zip(range(1, 14), ("B", "s", "H", "I", "II", "b", "s", "h", "i", "ii", "f", "d", "I"), strict=True))
_LETTERS |= {16: "Q", 17: "q", 18: "Q"}
"""Struct formats by TIFF type: numbers, IFD pointers, ASCII, undefined bytes. A rational is two numbers."""
_UNSIGNED = frozenset("BHIQ")
MAX_FIELDS = 65_535
"""Fields of one directory: the maximum of a classic TIFF."""


class OutOfReach(Exception):
    """The offset lies outside the file or is not a valid offset."""


class Field(Struct, frozen=True):
    """One field of a directory: struct format of its type, number of values, and their offset."""

    letter: str
    count: int
    at: int


class Directory(Struct, frozen=True):
    """One directory (IFD): its fields by tag, and the offset of the next directory, 0 for the last."""

    fields: dict[int, Field]
    next: int


class TiffFile:
    """An open TIFF file. Every method raises OutOfReach if bytes are missing.

    `first` is the offset of the first directory in bytes.
    """

    def __init__(self, file: BinaryIO) -> None:
        """Raises ValueError if the file does not begin like a TIFF."""
        self._file = file
        head = file.read(16)
        self.order = {b"II": "<", b"MM": ">"}.get(head[:2], "")
        version = struct.unpack_from(f"{self.order}H", head, 2)[0] if self.order and len(head) >= 4 else 0
        if version not in (42, 43):
            raise ValueError("not a TIFF file")
        self.big = version == 43
        self._length = f"{self.order}{'Q' if self.big else 'H'}"
        self._offset = f"{self.order}{'Q' if self.big else 'I'}"
        self._entry = f"{self.order}HH{'Q8s' if self.big else 'I4s'}"
        self._inline = 12 if self.big else 8  # offset of the value inside an entry
        (self.first,) = self._read(self._offset, 8 if self.big else 4)

    def directory(self, at: int, *, max_fields: int = MAX_FIELDS) -> Directory:
        """The directory at `at`. Fields of unknown types and beyond `max_fields` are left out. The first of duplicates wins."""
        (count,) = self._read(self._length, at)
        start, size = at + struct.calcsize(self._length), struct.calcsize(self._entry)
        fields: dict[int, Field] = {}
        for entry in range(start, start + min(count, max_fields) * size, size):
            tag, kind, values, value = self._read(self._entry, entry)
            if (letter := _LETTERS.get(kind)) is not None:
                fits = struct.calcsize(f"={letter}") * values <= len(value)
                fields.setdefault(
                    tag, Field(letter, values, entry + self._inline if fits else struct.unpack(self._offset, value)[0])
                )
        return Directory(fields, self._next(start + count * size))

    def entries(self, at: int) -> dict[int, bytes]:
        """Raw entries of the directory at `at` by tag: tag, type, count, and the value or its offset."""
        (count,) = self._read(self._length, at)
        start, size = at + struct.calcsize(self._length), struct.calcsize(self._entry)
        (data,) = self._read(f"{min(count, MAX_FIELDS) * size}s", start)
        pieces = [data[place : place + size] for place in range(0, len(data), size)]
        return {struct.unpack_from(f"{self.order}H", piece)[0]: piece for piece in reversed(pieces)}

    def chain(self, *, most: int) -> Iterator[int]:
        """Offsets of the directories in the chain, at most `most`: a chain may be circular."""
        at = self.first
        for _ in range(most):
            yield at
            (count,) = self._read(self._length, at)
            (at,) = self._read(self._offset, at + struct.calcsize(self._length) + count * struct.calcsize(self._entry))
            if at == 0:
                return

    def numbers(self, directory: Directory, tag: int, *, most: int) -> tuple[Any, ...]:
        """Values of a field; empty if it is absent. Raises ValueError if there are more than `most`."""
        field = directory.fields.get(tag)
        if field is None or field.letter == "s":
            return ()
        if field.count > most:
            raise ValueError(f"tag {tag} has {field.count} values")
        values = self._read(f"{self.order}{field.count * len(field.letter)}{field.letter[0]}", field.at)
        if len(field.letter) == 1:
            return values
        return tuple(above / below if below else 0.0 for above, below in zip(values[::2], values[1::2], strict=True))

    def places(self, directory: Directory, tag: int, *, most: int) -> tuple[int, ...]:
        """As `numbers`, for a field of offsets; empty if its values are not unsigned integers."""
        field = directory.fields.get(tag)
        return self.numbers(directory, tag, most=most) if field and field.letter in _UNSIGNED else ()

    def number(self, directory: Directory, tag: int) -> int | None:
        """The value of a field with one unsigned integer; None if there is none."""
        field = directory.fields.get(tag)
        return int(self.numbers(directory, tag, most=1)[0]) if field and field.count == 1 and field.letter in _UNSIGNED else None

    def text(self, directory: Directory, tag: int, *, most: int = 64) -> bytes:
        """The first bytes of an ASCII field, up to its zero byte; empty if it is absent."""
        field = directory.fields.get(tag)
        if field is None or field.letter != "s":
            return b""
        return bytes(self._read(f"{min(field.count, most)}s", field.at)[0]).partition(b"\0")[0]

    def bytes_of(self, directory: Directory, tag: int, *, most: int) -> bytes:
        """A whole ASCII field, which may hold several texts; empty if it is absent or longer than `most`."""
        field = directory.fields.get(tag)
        if field is None or field.letter != "s" or field.count > most:
            return b""
        return bytes(self._read(f"{field.count}s", field.at)[0])

    def _next(self, at: int) -> int:
        try:
            return int(self._read(self._offset, at)[0])
        except OutOfReach:  # the directory itself is intact
            return 0

    def _read(self, form: str, at: int) -> tuple[Any, ...]:
        try:
            self._file.seek(at)
            return struct.unpack(form, self._file.read(struct.calcsize(form)))
        except (struct.error, OverflowError, ValueError, OSError) as error:
            raise OutOfReach from error
