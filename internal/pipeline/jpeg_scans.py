"""JPEG files looked over without libvips: a few bytes may promise a gigabyte of pixels, or have it go over them for ever."""

import re
import struct
from mmap import ACCESS_READ, mmap
from pathlib import Path

from internal.errors import InvalidImage

MAX_SCANS = 100
"""Programs write about ten. Each goes over all pixels again, in which a scan of a few bytes is as dear as a large one."""
MAX_SEGMENTS = 2**14
"""A profile has up to 255 of them."""

_MARK = re.compile(rb"\xff[^\x00\x01\xd0-\xd7\xff]")  # neither data nor one that stands for itself
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
_ARITHMETIC = frozenset(range(0xC9, 0xD0))
_SCAN, _END = 0xDA, 0xD9


def require_plausible_jpeg(source: Path) -> None:
    """Raise InvalidImage for a file that is too short for its size in pixels, or has too many scans or segments.

    The rest libvips notices. A picture in one scan, as most are, is read no further than to that scan.
    """
    with source.open("rb") as file:
        if source.stat().st_size:
            with mmap(file.fileno(), 0, access=ACCESS_READ) as data:
                _walk(data)


def _walk(data: mmap) -> None:
    channels = scans = 0  # channels: of the frame, all more than a scan's where it is progressive
    at = 2
    for _ in range(MAX_SEGMENTS):
        mark = _MARK.search(data, at)
        if mark is None or mark.end() + 8 > len(data):
            return
        at, kind = mark.end(), data[mark.end() - 1]
        if kind == _END:
            return
        if kind in _FRAMES:
            channels = _channels(data, at, kind)
        elif kind == _SCAN:
            if not scans and data.rfind(b"\xff\xd9", at) < 0:  # libvips reads no rows that a shrink leaves over at the bottom
                raise InvalidImage("The JPEG file is cut short.")
            scans += 1
            if data[at + 2] >= channels:
                return
            if scans > MAX_SCANS:
                raise InvalidImage("The JPEG file has more scans than a picture needs.")
        at += struct.unpack_from(">H", data, at)[0]
    raise InvalidImage("The JPEG file has more segments than a picture needs.")


def _channels(data: mmap, at: int, kind: int) -> int:
    """Raises InvalidImage where the file can't hold the picture.

    A Huffman code is a bit at least, and each block of 8 x 8 pixels has one in some channel, if only for a quarter of the rows.
    """
    height, width, channels = struct.unpack_from(">HHB", data, at + 3)
    if kind not in _ARITHMETIC and len(data) * 8 * 4 < (width // 8) * (height // 8):
        raise InvalidImage("The JPEG file is cut short.")
    return 256 if kind in _PROGRESSIVE else int(channels)
