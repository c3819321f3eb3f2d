"""The blocks of a GIF file, one after the other, without libvips. Source: the GIF89a specification, sections 15 to 27.

Files of more blocks than any program writes are refused: to walk through them would itself take seconds.
"""

import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

MAX_GIF_BLOCKS = 2**20
"""They have 255 bytes each, but for the last one of a frame."""

PADDING, EXTENSION, IMAGE, TRAILER = 0x00, 0x21, 0x2C, 0x3B
CONTROL, APPLICATION = 0xF9, 0xFF
"""Labels of extensions."""
_CLEAR, _RESTORE = 2, (3, 4)  # 4 is no value of the specification, but some programs write it for 3
_HAS_COLOURS, _INTERLACED = 0x80, 0x40
_PIECE = 2**16


class Box(NamedTuple):
    """A part of the screen, in pixels; `right` and `bottom` are the first column and row outside."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def pixels(self) -> int:
        return max(0, self.right - self.left) * max(0, self.bottom - self.top)

    def covers(self, other: "Box") -> bool:
        inside = self.left <= other.left and self.top <= other.top and self.right >= other.right and self.bottom >= other.bottom
        return inside or not other.pixels

    def within(self, screen: "Box") -> "Box":
        return Box(self.left, self.top, min(self.right, screen.right), min(self.bottom, screen.bottom))


class Control(NamedTuple):
    """How a frame is shown: what a graphic control extension says, or what holds without one."""

    clears: bool = False
    """Its box is cleared before the next frame is drawn (disposal 2)."""
    restores: bool = False
    """What was there before it is restored before the next frame is drawn (disposal 3)."""
    delay: int = 10
    """Hundredths of a second. Without a graphic control extension libnsgif takes 10."""
    transparent: int | None = None
    """The index of pixels that are not drawn."""


class Frame(NamedTuple):
    box: Box
    interlaced: bool
    control: Control


class Block(NamedTuple):
    """Bytes `start` to `end` of a file; an image has a frame. `kind` is an extension's label, else what begins the block."""

    kind: int
    start: int
    end: int
    frame: Frame | None = None


def read_screen(file: BinaryIO) -> Box:
    """The logical screen. The file is then at its first block. Raises struct.error where bytes are missing."""
    width, height, flags = struct.unpack("<6xHHBxx", file.read(13))
    _skip_colours(file, flags)
    return Box(0, 0, width, height)


def blocks(file: BinaryIO) -> Iterator[Block]:
    """The blocks from where `file` is, the trailer too, or to the end of a file without one. A run of NUL bytes is one.

    Raises IndexError and struct.error where bytes are missing, ValueError where there is a block of no known kind or there are
    too many. The file may be read elsewhere meanwhile.
    """
    left, control, waiting, start = MAX_GIF_BLOCKS, Control(), False, file.tell()
    while first := file.read(1):
        kind, frame = first[0], None
        if kind == PADDING:
            _skip_padding(file)
            left -= 1
        elif kind == EXTENSION:
            kind = file.read(1)[0]
            if kind == CONTROL:
                control, waiting = _read_control(file, control), True
            left -= _skip_blocks(file, left)
        elif kind == IMAGE:
            frame = _read_frame(file, control)
            left -= _skip_blocks(file, left)
            control, waiting = Control(), False
        elif kind != TRAILER:
            raise ValueError(f"unknown block {kind:#x}")
        end = file.tell()
        yield Block(kind, start, end, frame)
        if kind == TRAILER:
            return
        file.seek(end)
        start = end
    if waiting:
        raise IndexError("an image is announced and is not there")


def pack_control(control: Control) -> bytes:
    """A graphic control extension that says this."""
    disposal = 2 if control.clears else 3 if control.restores else 0
    flags = disposal << 2 | (control.transparent is not None)
    return bytes([EXTENSION, CONTROL, 4]) + struct.pack("<BHBx", flags, control.delay, control.transparent or 0)


def pack_empty_frame(box: Box) -> bytes:
    """A frame without data, which draws nothing."""
    size = struct.pack("<HHHHB", box.left, box.top, box.right - box.left, box.bottom - box.top, 0)
    return bytes([IMAGE]) + size + bytes([2, 0])


def _read_control(file: BinaryIO, before: Control) -> Control:
    """What follows the label. Of two in a row the second one counts, but no index that was transparent is drawn again."""
    at = file.tell()
    length, flags, delay, index = struct.unpack("<BBHB", file.read(5))
    if length != 4:
        raise ValueError("a graphic control extension of another size")
    file.seek(at)
    disposal = flags >> 2 & 7
    return Control(disposal == _CLEAR, disposal in _RESTORE, delay, index if flags & 1 else before.transparent)


def _read_frame(file: BinaryIO, control: Control) -> Frame:
    """The descriptor; skips colours and the width of the codes."""
    left, top, width, height, flags = struct.unpack("<HHHHB", file.read(9))
    _skip_colours(file, flags)
    file.seek(1, 1)
    return Frame(Box(left, top, left + width, top + height), bool(flags & _INTERLACED), control)


def _skip_padding(file: BinaryIO) -> None:
    while piece := file.read(_PIECE):
        if rest := piece.lstrip(b"\0"):
            file.seek(-len(rest), 1)
            return


def _skip_blocks(file: BinaryIO, most: int) -> int:
    """How many there were, the empty one that ends them too."""
    for number in range(most):
        length = file.read(1)[0]
        if not length:
            return number + 1
        file.seek(length, 1)
    raise ValueError("more blocks than a picture needs")


def _skip_colours(file: BinaryIO, flags: int) -> None:
    if flags & _HAS_COLOURS:
        file.seek(3 * 2 ** ((flags & 0x07) + 1), 1)
