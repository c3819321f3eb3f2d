"""GIF walker: iterates over the blocks of a GIF file. Source: the GIF89a specification, sections 15 to 27. Pure Python.

Files with more blocks than any program writes are refused: walking through them would take seconds.
"""

import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

MAX_GIF_BLOCKS = 2**20
"""Data blocks have 255 bytes each, except the last one of a frame."""

PADDING, EXTENSION, IMAGE, TRAILER = 0x00, 0x21, 0x2C, 0x3B
CONTROL, APPLICATION = 0xF9, 0xFF
"""Labels of extensions."""
_CLEAR, _RESTORE = 2, (3, 4)  # 4 is no value of the specification, but some programs write it for 3
_HAS_COLOURS, _INTERLACED = 0x80, 0x40
_PIECE = 2**16


class Box(NamedTuple):
    """A rectangle on the screen, in pixels. `right` and `bottom` are exclusive."""

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
    """A graphic control extension, or the defaults without one."""

    clears: bool = False
    """The frame's box is cleared before the next frame is drawn (disposal 2)."""
    restores: bool = False
    """The previous content is restored before the next frame is drawn (disposal 3)."""
    delay: int = 10
    """Hundredths of a second. Without a graphic control extension libnsgif takes 10."""
    transparent: int | None = None
    """The palette index of transparent pixels."""


class GifFrame(NamedTuple):
    box: Box
    interlaced: bool
    control: Control


class Block(NamedTuple):
    """A block: bytes `start` to `end` of a file. An image has a frame. `kind` is an extension's label, else the first byte."""

    kind: int
    start: int
    end: int
    frame: GifFrame | None = None


def read_screen(file: BinaryIO) -> Box:
    """The logical screen. Leaves the file at its first block. Raises struct.error if bytes are missing."""
    width, height, flags = struct.unpack("<6xHHBxx", file.read(13))
    _skip_colours(file, flags)
    return Box(0, 0, width, height)


def blocks(file: BinaryIO) -> Iterator[Block]:
    """The blocks from the current position up to the trailer or the end of the file. A run of NUL bytes counts as a block.

    Raises IndexError and struct.error if bytes are missing, ValueError for an unknown block or too many blocks. The caller may
    move the file's position between blocks.
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
    """The bytes of a graphic control extension."""
    disposal = 2 if control.clears else 3 if control.restores else 0
    flags = disposal << 2 | (control.transparent is not None)
    return bytes([EXTENSION, CONTROL, 4]) + struct.pack("<BHBx", flags, control.delay, control.transparent or 0)


def pack_empty_frame(box: Box) -> bytes:
    """The bytes of a frame without data, which draws nothing."""
    size = struct.pack("<HHHHB", box.left, box.top, box.right - box.left, box.bottom - box.top, 0)
    return bytes([IMAGE]) + size + bytes([2, 0])


def _read_control(file: BinaryIO, before: Control) -> Control:
    """The extension after its label. Of two in a row the second wins, but a transparent index stays transparent."""
    at = file.tell()
    length, flags, delay, index = struct.unpack("<BBHB", file.read(5))
    if length != 4:
        raise ValueError("a graphic control extension of another size")
    file.seek(at)
    disposal = flags >> 2 & 7
    return Control(disposal == _CLEAR, disposal in _RESTORE, delay, index if flags & 1 else before.transparent)


def _read_frame(file: BinaryIO, control: Control) -> GifFrame:
    """The image descriptor. Skips the palette and the code size."""
    left, top, width, height, flags = struct.unpack("<HHHHB", file.read(9))
    _skip_colours(file, flags)
    file.seek(1, 1)
    return GifFrame(Box(left, top, left + width, top + height), bool(flags & _INTERLACED), control)


def _skip_padding(file: BinaryIO) -> None:
    while piece := file.read(_PIECE):
        if rest := piece.lstrip(b"\0"):
            file.seek(-len(rest), 1)
            return


def _skip_blocks(file: BinaryIO, most: int) -> int:
    """Skips data blocks and returns their number, with the empty one at the end."""
    for number in range(most):
        length = file.read(1)[0]
        if not length:
            return number + 1
        file.seek(length, 1)
    raise ValueError("more blocks than a picture needs")


def _skip_colours(file: BinaryIO, flags: int) -> None:
    if flags & _HAS_COLOURS:
        file.seek(3 * 2 ** ((flags & 0x07) + 1), 1)
