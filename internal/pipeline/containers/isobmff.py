"""ISOBMFF walker for AVIF and HEIC (ISO/IEC 14496-12, 23008-12): brands, codecs, stored dimensions, frames of a sequence.

Pure Python, bounded. It also works on a file's first bytes: a box that extends beyond them is read as far as possible.
"""

import struct
from collections.abc import Iterator
from typing import BinaryIO

from internal.pipeline.containers.dimensions import Dimensions

MAX_BOXES = 4096
"""Boxes read per file. A tiled photograph has a few hundred."""
MAX_BODY = 2**20
"""Bytes read of `meta` and of `moov`. A tiled photograph needs some kilobytes, a sequence about ten bytes per frame."""
_MAX_BRANDS = 64
_MAX_ITEMS = 2**16
_ORIENTATIONS = {
    (1, 2, 3, 4): 1,
    (2, 1, 4, 3): 2,
    (4, 3, 2, 1): 3,
    (3, 4, 1, 2): 4,
    (1, 3, 2, 4): 5,
    (3, 1, 4, 2): 6,
    (4, 2, 3, 1): 7,
    (2, 4, 1, 3): 8,
}
"""EXIF orientation by the order in which it shows the quarters 1 2 / 3 4 of the stored picture."""
_TRUNCATED = (struct.error, IndexError)
"""Errors from reading a box that is too short."""


class Boxes:
    """The boxes `meta` and `moov` of an AVIF or HEIC file, as far as `file` has them. The first of each kind counts."""

    def __init__(self, file: BinaryIO) -> None:
        self._left = MAX_BOXES
        self._bodies: dict[bytes, memoryview] = {}
        for kind, start, length in self._top(file):
            if kind in (b"meta", b"moov") and kind not in self._bodies:
                file.seek(start)
                self._bodies[kind] = memoryview(file.read(min(length, MAX_BODY)))

    def codecs(self) -> frozenset[bytes]:
        """Item types in `meta`: `av01`, `hvc1`, `grid`, …"""
        entries = (
            entry
            for items in self._within(self._meta, b"iinf")
            for entry in self._within(items[6:] if bytes(items[:1]) == b"\0" else items[8:], b"infe")
        )
        return frozenset(bytes(entry[8:12] if bytes(entry[:1]) == b"\2" else entry[10:14]) for entry in entries)

    def dimensions(self) -> Dimensions | None:
        """Dimensions of the primary picture; None if the boxes do not tell. The orientation is what the decoder applies."""
        try:
            primary = next(self._within(self._meta, b"pitm"))
            number = int.from_bytes(primary[4:6] if primary[0] == 0 else primary[4:8], "big")
            return self._with_properties(number)
        except (*_TRUNCATED, StopIteration):
            return None

    def frames(self) -> int:
        """The number of frames in the first picture track; 1 for a file that is not a sequence."""
        for track in self._within(self._bodies.get(b"moov", memoryview(b"")), b"trak"):
            if any(bytes(handler[8:12]) == b"pict" for handler in self._within(track, b"mdia", b"hdlr")):
                return max(1, self._samples(track))
        return 1

    @property
    def _meta(self) -> memoryview:
        return self._bodies.get(b"meta", memoryview(b""))[4:]  # after version and flags

    def _top(self, file: BinaryIO) -> Iterator[tuple[bytes, int, int]]:
        """Kind, start and length of the body of each top-level box."""
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
        """Bodies of all boxes of this kind in `data`, or of the boxes at the path below them."""
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
                quarters = _rotated(quarters, body[0] & 3)
            elif kind == b"imir":
                quarters = _mirrored(quarters, body[0] & 1)
        return Dimensions(*side, _ORIENTATIONS[quarters]) if side and all(side) else None

    def _samples(self, track: memoryview) -> int:
        """The number of samples by the size and time tables; the smaller number if they disagree."""
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
    """Brands of the box `ftyp`, the major brand first; empty if the file does not begin with `ftyp`."""
    if head[4:8] != b"ftyp":
        return ()
    end = min(int.from_bytes(head[:4], "big"), len(head), 16 + 4 * _MAX_BRANDS)
    return (head[8:12], *(head[at : at + 4] for at in range(16, end - 3, 4)))


def _sizes(data: memoryview, at: int, room: int) -> tuple[bytes, int, int]:
    """Kind, header size and total size of the box at `at`. The last box may extend to the end of the file."""
    size, kind = struct.unpack_from(">I4s", data, at)
    if size == 1:
        return kind, 16, struct.unpack_from(">Q", data, at + 8)[0] if at + 16 <= len(data) else 0
    return kind, 8, size or room


def _associated(box: memoryview, item: int) -> tuple[int, ...]:
    """Property indexes of an item (`ipma`), counted from 1, in the order of application."""
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


def _rotated(quarters: tuple[int, int, int, int], times: int) -> tuple[int, int, int, int]:
    """The quarters rotated anticlockwise by `times` * 90 degrees (`irot`)."""
    for _ in range(times):
        first, second, third, fourth = quarters
        quarters = (second, fourth, first, third)
    return quarters


def _mirrored(quarters: tuple[int, int, int, int], axis: int) -> tuple[int, int, int, int]:
    """The quarters mirrored vertically (`imir` 0) or horizontally (1)."""
    first, second, third, fourth = quarters
    return (second, first, fourth, third) if axis else (third, fourth, first, second)
