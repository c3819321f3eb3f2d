"""The boxes of AVIF and HEIC files (ISO/IEC 14496-12, 23008-12): brands, codecs, the picture as stored, frames of a sequence.

Pure Python and bounded; it works on a file's first bytes too: a box that reaches beyond them is read as far as it goes.
"""

import struct
from collections.abc import Iterator
from typing import BinaryIO

from internal.pipeline.containers.dimensions import Dimensions

MAX_BOXES = 4096
"""Looked at in one file. A photograph of tiles has a few hundred."""
MAX_BODY = 2**20
"""Bytes of `meta` and of `moov` that are read: a photograph of tiles has some kilobytes, a sequence some ten bytes a frame."""
_MAX_BRANDS = 64
_MAX_ITEMS = 2**16
_MIRRORED_OR_TURNED = {
    (1, 2, 3, 4): 1,
    (2, 1, 4, 3): 2,
    (4, 3, 2, 1): 3,
    (3, 4, 1, 2): 4,
    (1, 3, 2, 4): 5,
    (3, 1, 4, 2): 6,
    (4, 2, 3, 1): 7,
    (2, 4, 1, 3): 8,
}
"""The EXIF orientation that shows the quarters 1 2 / 3 4 of a stored picture like this."""
_NOT_WHOLE = (struct.error, IndexError)
"""What reading a box raises that is shorter than its kind."""


class Boxes:
    """The boxes `meta` and `moov` of an AVIF or HEIC file, as far as `file` has them. Of several of a kind the first counts."""

    def __init__(self, file: BinaryIO) -> None:
        self._left = MAX_BOXES
        self._bodies: dict[bytes, memoryview] = {}
        for kind, start, length in self._top(file):
            if kind in (b"meta", b"moov") and kind not in self._bodies:
                file.seek(start)
                self._bodies[kind] = memoryview(file.read(min(length, MAX_BODY)))

    def codecs(self) -> frozenset[bytes]:
        """The types of the pictures in `meta`: `av01`, `hvc1`, `grid`, …"""
        entries = (
            entry
            for items in self._within(self._meta, b"iinf")
            for entry in self._within(items[6:] if bytes(items[:1]) == b"\0" else items[8:], b"infe")
        )
        return frozenset(bytes(entry[8:12] if bytes(entry[:1]) == b"\2" else entry[10:14]) for entry in entries)

    def dimensions(self) -> Dimensions | None:
        """The primary picture; None where the boxes do not tell. Its orientation is how the decoder turns and mirrors it."""
        try:
            primary = next(self._within(self._meta, b"pitm"))
            number = int.from_bytes(primary[4:6] if primary[0] == 0 else primary[4:8], "big")
            return self._with_properties(number)
        except (*_NOT_WHOLE, StopIteration):
            return None

    def frames(self) -> int:
        """How many frames the first track of pictures has; 1 for a file that is no sequence."""
        for track in self._within(self._bodies.get(b"moov", memoryview(b"")), b"trak"):
            if any(bytes(handler[8:12]) == b"pict" for handler in self._within(track, b"mdia", b"hdlr")):
                return max(1, self._samples(track))
        return 1

    @property
    def _meta(self) -> memoryview:
        return self._bodies.get(b"meta", memoryview(b""))[4:]  # behind its version and flags

    def _top(self, file: BinaryIO) -> Iterator[tuple[bytes, int, int]]:
        """Kind, start of the body and its length, of each box of the file."""
        at, end = 0, file.seek(0, 2)
        while at + 8 <= end and self._left > 0:
            self._left -= 1
            file.seek(at)
            kind, header, size = _sizes(memoryview(file.read(16)), 0, end - at)
            if size < header:
                return
            yield kind, at + header, size - header
            at += size

    def _inside(self, data: memoryview) -> Iterator[tuple[bytes, memoryview]]:
        """Kind and body of each box in `data`."""
        at = 0
        while at + 8 <= len(data) and self._left > 0:
            self._left -= 1
            kind, header, size = _sizes(data, at, len(data) - at)
            if size < header:
                return
            yield kind, data[at + header : at + size]
            at += size

    def _within(self, data: memoryview, kind: bytes, *further: bytes) -> Iterator[memoryview]:
        """The bodies of all boxes of this kind in `data`, or of those further down."""
        for found, body in self._inside(data):
            if found == kind:
                yield from self._within(body, *further) if further else (body,)

    def _with_properties(self, item: int) -> Dimensions | None:
        properties = next(self._within(self._meta, b"iprp"))
        container = next(self._within(properties, b"ipco"))
        indexes = next((found for box in self._within(properties, b"ipma") if (found := _associated(box, item))), ())
        side: tuple[int, int] | None = None
        quarters = (1, 2, 3, 4)
        listed = list(self._inside(container))
        for index in indexes:
            kind, body = listed[index - 1] if 0 < index <= len(listed) else (b"", memoryview(b""))
            if kind == b"ispe":
                side = struct.unpack_from(">II", body, 4)
            elif kind == b"irot":
                quarters = _turned(quarters, body[0] & 3)
            elif kind == b"imir":
                quarters = _mirrored(quarters, body[0] & 1)
        return Dimensions(*side, _MIRRORED_OR_TURNED[quarters]) if side and all(side) else None

    def _samples(self, track: memoryview) -> int:
        """What the tables of sizes and of times agree on: the smaller number, where they do not."""
        counts = []
        try:
            for sizes in self._within(track, b"mdia", b"minf", b"stbl", b"stsz"):
                same, count = struct.unpack_from(">II", sizes, 4)
                counts.append(count if same else min(count, (len(sizes) - 12) // 4))
            for times in self._within(track, b"mdia", b"minf", b"stbl", b"stts"):
                counts.append(sum(count for count, _ in struct.iter_unpack(">II", times[8 : 8 + (len(times) - 8) // 8 * 8])))
        except struct.error:
            return 1
        return min(counts, default=1)


def brands_of(head: bytes) -> tuple[bytes, ...]:
    """The brands of the box `ftyp`, the major one first; none when the file does not begin with it."""
    if head[4:8] != b"ftyp":
        return ()
    end = min(int.from_bytes(head[:4], "big"), len(head), 16 + 4 * _MAX_BRANDS)
    return (head[8:12], *(head[at : at + 4] for at in range(16, end - 3, 4)))


def _sizes(data: memoryview, at: int, room: int) -> tuple[bytes, int, int]:
    """Kind, bytes of the header, and bytes in all of the box at `at`; the last one may reach to the end of all."""
    size, kind = struct.unpack_from(">I4s", data, at)
    if size == 1:
        return kind, 16, struct.unpack_from(">Q", data, at + 8)[0] if at + 16 <= len(data) else 0
    return kind, 8, size or room


def _associated(box: memoryview, item: int) -> tuple[int, ...]:
    """The properties of an item (`ipma`), counted from 1 and in the order in which they are applied."""
    wide, large = box[0] >= 1, box[3] & 1
    entry, index = struct.Struct(">IB" if wide else ">HB"), 2 if large else 1
    at = 8
    for _ in range(min(int.from_bytes(box[4:8], "big"), _MAX_ITEMS)):
        number, count = entry.unpack_from(box, at)
        at += entry.size
        if number == item:
            found = (int.from_bytes(box[place : place + index], "big") for place in range(at, at + count * index, index))
            return tuple(value & (0x7FFF if large else 0x7F) for value in found)
        at += count * index
    return ()


def _turned(quarters: tuple[int, int, int, int], times: int) -> tuple[int, int, int, int]:
    """By 90 degrees anticlockwise, so many times (`irot`)."""
    for _ in range(times):
        first, second, third, fourth = quarters
        quarters = (second, fourth, first, third)
    return quarters


def _mirrored(quarters: tuple[int, int, int, int], axis: int) -> tuple[int, int, int, int]:
    """Top and bottom change places (`imir` 0), or left and right (1)."""
    first, second, third, fourth = quarters
    return (second, first, fourth, third) if axis else (third, fourth, first, second)
