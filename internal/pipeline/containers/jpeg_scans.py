"""JPEG walker: checks segments and scans, and finds the end of the picture's data. Source: ITU-T T.81, annex B. Pure Python.

A few bytes can declare a gigabyte of pixels, or make a decoder iterate over them endlessly. Data after the picture do not belong
to it: phones append videos, further pictures and blocks of their own, some without an EOI before them.
"""

import re
import struct
from collections.abc import Sequence
from mmap import ACCESS_READ, mmap
from pathlib import Path
from shutil import copyfileobj
from typing import NamedTuple

from internal.domain.errors import InvalidImage

MAX_SCANS = 100
"""Programs write about ten scans. Each visits all pixels again, so a scan of a few bytes is as expensive as a large one."""
MAX_SEGMENTS = 2**14
"""A profile alone takes up to 255 segments."""

_MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd7\xff]")  # not data, and not a standalone marker
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
_LOSSLESS = frozenset({0xC3, 0xC7, 0xCB, 0xCF})
_ARITHMETIC = frozenset(range(0xC9, 0xD0))
_SCAN, _END = 0xDA, 0xD9
_BETWEEN_SCANS = frozenset({0xC4, 0xCC, 0xDA, 0xDB, 0xDC, 0xDD, 0xFE, *range(0xE0, 0xF0)})
_VIDEO = re.compile(rb"\0\0\0[\x08-\xff]ftyp")
_FURTHER_PICTURES = b"MPF\0"
"""Signature in an APP2 segment of a file with further pictures after the first (CIPA DC-007)."""
_COEFFICIENTS = 64
_LONGEST = 65_500
"""Pixels: the longest side that libjpeg supports."""
_LEAST_BLOCKS = 20
"""Bytes: the smallest directory of Samsung's blocks."""
_MOST_BLOCKS = 2**10
_PIECE = 2**16


class JpegFrame(NamedTuple):
    """The frame header. `at` is the position of its height in the file; the width follows."""

    at: int
    kind: int
    width: int
    height: int
    components: Sequence[tuple[int, int, int]]
    """Identifier, horizontal and vertical sampling factor of each component."""

    @property
    def is_progressive(self) -> bool:
        return self.kind in _PROGRESSIVE

    @property
    def is_lossless(self) -> bool:
        return self.kind in _LOSSLESS

    def has_room_for(self, width: int, height: int) -> bool:
        """True if a picture of this size has the same 8 x 8 blocks in each component."""
        return max(width, height) <= _LONGEST and self._blocks(width, height) == self._blocks(self.width, self.height)

    def _blocks(self, width: int, height: int) -> list[tuple[int, int]]:
        widest, highest = max(across for _, across, _ in self.components), max(down for _, _, down in self.components)
        return [(-(-width * across // (8 * widest)), -(-height * down // (8 * highest))) for _, across, down in self.components]


class Jpeg(NamedTuple):
    """Summary of a JPEG file. `frame` is None for a file without a valid structure, which libvips refuses."""

    frame: JpegFrame | None = None
    end: int | None = None
    """End of the picture's data in a file without an EOI. Only a decoder can tell whether the data are complete."""


def inspect_jpeg(source: Path) -> Jpeg:
    """Read the segments of a JPEG.

    Raises InvalidImage for a file that is too short for its size in pixels, lacks scans, or has too many scans or segments.
    libvips detects other damage.
    """
    with source.open("rb") as file:
        if not source.stat().st_size:
            return Jpeg()
        with mmap(file.fileno(), 0, access=ACCESS_READ) as data:
            try:
                return _walk(data)
            except struct.error as error:
                raise InvalidImage("The JPEG file is cut short or damaged.") from error


def write_with_eoi(source: Path, target: Path, end: int) -> None:
    """Write `source` up to `end`, followed by an EOI."""
    with source.open("rb") as file, target.open("wb") as out:
        copyfileobj(file, out)
        out.truncate(end)
        out.seek(end)
        out.write(bytes([0xFF, _END]))


def write_probe(source: Path, target: Path, frame: JpegFrame) -> None:
    """Write `source` with additional components that have no data.

    libjpeg (as of mozjpeg 5.0.0) then reads all scans before it returns the first row, and has warned by then of one that ends
    early. For a picture in one scan it would warn row by row, and libvips misses that in the last rows. With five components no
    warning about the colour space is possible.
    """
    data, start, parts = source.read_bytes(), frame.at - 3, frame.at + 5
    count = len(frame.components)
    more = 5 - count if 1 < count < 5 else 1
    names = [name for name in range(256) if name not in {part[0] for part in frame.components}][:more]
    with target.open("wb") as out:
        out.write(data[:start] + struct.pack(">H", 8 + 3 * (count + more)) + data[start + 2 : parts - 1])
        out.write(bytes([count + more]) + data[parts : parts + 3 * count] + b"".join(bytes([name, 0x11, 0]) for name in names))
        out.write(data[parts + 3 * count :])


class _Scans:
    """Progress of the coefficients of all components over the scans."""

    def __init__(self) -> None:
        self.count = 0
        self._open: dict[int, list[bool]] = {}

    def begin(self, frame: JpegFrame) -> None:
        self._open = {name: [True] * _COEFFICIENTS for name, _, _ in frame.components}

    def add(self, data: mmap, at: int, frame: JpegFrame) -> None:
        self.count += 1
        parts = at + 3 + 2 * data[at + 2]
        names, (first, last, exactness) = data[at + 3 : parts : 2], struct.unpack_from("BBB", data, parts)
        is_open = bool(exactness & 15)
        for name in names:
            sent = self._open.get(name, [])
            if frame.is_progressive:
                sent[first : last + 1] = [is_open] * len(sent[first : last + 1])
            else:
                sent[:] = [False] * len(sent)

    @property
    def are_complete(self) -> bool:
        return not any(any(sent) for sent in self._open.values())


def _walk(data: mmap) -> Jpeg:
    frame, scans, at = None, _Scans(), 2
    for _ in range(MAX_SEGMENTS):
        marker = _MARKER.search(data, at)
        kind = data[marker.end() - 1] if marker else None
        if kind == _END:
            return Jpeg(frame)
        if frame and scans.count and (kind not in _BETWEEN_SCANS or scans.are_complete):
            return Jpeg(frame, _end_of_data(data, frame, scans, at, marker.start() if marker else len(data)))
        if marker is None or marker.end() + 8 > len(data):
            return Jpeg()
        at = marker.end()
        if kind in _FRAMES:
            frame = _read_frame(data, at)
            scans.begin(frame)
        elif kind == _SCAN and frame:
            scans.add(data, at, frame)
            if scans.count > MAX_SCANS:
                raise InvalidImage("The JPEG file has too many scans.")
        at += struct.unpack_from(">H", data, at)[0]
        if kind == _SCAN and frame and scans.are_complete and not frame.is_progressive and _ends_with_picture(data, at):
            return Jpeg(frame)
    raise InvalidImage("The JPEG file has too many segments.")


def _ends_with_picture(data: mmap, start: int) -> bool:
    """True if nothing seems to follow the picture, whose last data begin at `start`.

    The data themselves are not searched, which would cost a twentieth of decoding them: if they end early, libjpeg says so.
    """
    return data[-2:] == bytes([0xFF, _END]) and data.find(_FURTHER_PICTURES, 0, start) < 0


def _read_frame(data: mmap, at: int) -> JpegFrame:
    """The frame header. Raises InvalidImage if the file is too small for the picture.

    Each block of 8 x 8 pixels takes at least one bit of Huffman code in some channel, if only for a quarter of the rows.
    """
    kind = data[at - 1]
    height, width, count = struct.unpack_from(">HHB", data, at + 3)
    if kind not in _ARITHMETIC and len(data) * 8 * 4 < (width // 8) * (height // 8):
        raise InvalidImage("The JPEG file is cut short or damaged.")
    parts = data[at + 8 : at + 8 + 3 * count]
    components = [(parts[n], parts[n + 1] >> 4, parts[n + 1] & 15) for n in range(0, len(parts) - 2, 3)]
    return JpegFrame(at + 3, kind, width, height, components)


def _end_of_data(data: mmap, frame: JpegFrame, scans: _Scans, start: int, stop: int) -> int:
    """End of the last scan, whose data begin at `start` and extend at most to `stop`.

    NUL bytes, videos and Samsung's blocks after the picture do not belong to it. Raises InvalidImage if scans are missing, and
    for arithmetic coding, where an early end can't be detected.
    """
    if not scans.are_complete or frame.kind in _ARITHMETIC:
        raise InvalidImage("The JPEG file is cut short or damaged.")
    video = _VIDEO.search(data, start, stop)
    stop = min(stop, video.start() if video else stop, _samsung_blocks(data))
    while stop > start and not data[stop - 1]:
        piece = data[max(start, stop - _PIECE) : stop]
        stop -= len(piece) - len(piece.rstrip(b"\0"))
    return max(start, stop)


def _samsung_blocks(data: mmap) -> int:
    """Start of the blocks that Samsung phones append, from their directory at the end of the file; else the end of the file."""
    if len(data) < _LEAST_BLOCKS or data[-4:] != b"SEFT":
        return len(data)
    start = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    if start < 0 or data[start : start + 4] != b"SEFH":
        return len(data)
    entries = data[start + 12 : -8][: 12 * _MOST_BLOCKS]
    furthest = max((int(struct.unpack_from("<I", entries, at + 4)[0]) for at in range(0, len(entries) - 11, 12)), default=0)
    return max(0, start - furthest)
