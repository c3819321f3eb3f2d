"""GIF files made block by block, and what they show by the specification: composed here, pixel by pixel, without any decoder."""

import random
import struct
from collections.abc import Iterable, Sequence

from msgspec import Struct

Pixel = tuple[int, int, int, int]
Canvas = list[list[Pixel]]
"""Rows of red, green, blue and alpha."""
CLEAR: Pixel = (0, 0, 0, 0)
PALETTE = ((255, 0, 0), (0, 200, 0), (0, 0, 255), (250, 250, 250))
LOCAL = ((9, 9, 9), (200, 0, 200), (0, 220, 220), (240, 200, 0))


class GifFrame(Struct, frozen=True):
    """`rows` hold indices below 4. Without `control` it has no graphic control extension."""

    rows: Sequence[Sequence[int]]
    left: int = 0
    top: int = 0
    disposal: int = 0
    transparent: int | None = None
    local: bool = False
    interlaced: bool = False
    control: bool = True
    delay: int = 7

    @property
    def size(self) -> tuple[int, int]:
        return len(self.rows[0]), len(self.rows)

    @property
    def palette(self) -> Sequence[tuple[int, int, int]]:
        return LOCAL if self.local else PALETTE

    def written(self) -> bytes:
        flags = self.disposal << 2 | (self.transparent is not None)
        control = b"!\xf9\x04" + struct.pack("<BHBB", flags, self.delay, self.transparent or 0, 0) if self.control else b""
        colours = bytes(value for colour in LOCAL for value in colour) if self.local else b""
        descriptor = struct.pack("<HHHHB", self.left, self.top, *self.size, 0x40 * self.interlaced | 0x81 * self.local)
        return control + b"," + descriptor + colours + lzw(index for y in self._order() for index in self.rows[y])

    def _order(self) -> Iterable[int]:
        height = len(self.rows)
        if not self.interlaced:
            return range(height)
        return [*range(0, height, 8), *range(4, height, 8), *range(2, height, 4), *range(1, height, 2)]


def plain(index: int, width: int, height: int) -> list[list[int]]:
    return [[index] * width for _ in range(height)]


def lzw(indices: Iterable[int]) -> bytes:
    """Codes of three bits, which begin anew (4) before there would be longer ones; 5 ends them."""
    codes: list[int] = []
    for number, index in enumerate(indices):
        codes += [4, index] if number % 2 == 0 else [index]
    codes.append(5)
    data = b"".join(_eight_codes(codes[start : start + 8]) for start in range(0, len(codes), 8))
    pieces = [data[start : start + 255] for start in range(0, len(data), 255)]
    return b"\2" + b"".join(bytes([len(piece)]) + piece for piece in pieces) + b"\0"


def _eight_codes(codes: Sequence[int]) -> bytes:
    return sum(code << 3 * place for place, code in enumerate(codes)).to_bytes(-(-3 * len(codes) // 8), "little")


def head(width: int, height: int, *, background: int = 1, loop: int | None = None) -> bytes:
    colours = bytes(value for colour in PALETTE for value in colour)
    plays = b"" if loop is None else b"!\xff\x0bNETSCAPE2.0\3\1" + struct.pack("<H", loop) + b"\0"
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0x81, background, 0) + colours + plays


def gif_file(width: int, height: int, *frames: GifFrame, background: int = 1, loop: int | None = None) -> bytes:
    return head(width, height, background=background, loop=loop) + b"".join(frame.written() for frame in frames) + b";"


def screen_of(width: int, height: int, frames: Sequence[GifFrame]) -> tuple[int, int]:
    """The first frame may be larger than the logical screen."""
    first = frames[0]
    return max(width, first.left + first.size[0]), max(height, first.top + first.size[1])


def composed(width: int, height: int, frames: Sequence[GifFrame]) -> list[Canvas]:
    """Each frame as browsers show it, on a screen of this size."""
    canvas: Canvas = [[CLEAR] * width for _ in range(height)]
    shown = []
    for frame in frames:
        before = [list(row) for row in canvas]
        inside = [
            (x, y, index)
            for y, row in enumerate(frame.rows, frame.top)
            for x, index in enumerate(row, frame.left)
            if x < width and y < height
        ]
        for x, y, index in inside:
            if not frame.control or index != frame.transparent:
                canvas[y][x] = (*frame.palette[index], 255)
        shown.append([list(row) for row in canvas])
        if frame.control and frame.disposal == 2:
            for x, y, _ in inside:
                canvas[y][x] = CLEAR
        elif frame.control and frame.disposal in (3, 4):
            canvas = before
    return shown


def is_clear_somewhere(canvases: Iterable[Canvas]) -> bool:
    return any(pixel[3] == 0 for canvas in canvases for row in canvas for pixel in row)


def any_frames(chance: random.Random, width: int, height: int) -> list[GifFrame]:
    """Up to five frames of all kinds, inside the screen, across its borders, and outside."""
    return [_any_frame(chance, width, height) for _ in range(chance.choice((1, 2, 3, 5)))]


def _any_frame(chance: random.Random, width: int, height: int) -> GifFrame:
    whole = chance.random() < 0.4
    left, top = (0, 0) if whole else (chance.randint(0, width), chance.randint(0, height))
    across, down = (width, height) if whole else (chance.randint(1, 20), chance.randint(1, 20))
    return GifFrame(
        [[chance.randrange(4) for _ in range(across)] for _ in range(down)],
        left,
        top,
        disposal=chance.choice((0, 1, 2, 2, 3, 4)),
        transparent=chance.choice((None, None, 0, 3, 255)),
        local=chance.random() < 0.3,
        interlaced=chance.random() < 0.3,
        control=chance.random() < 0.9,
    )
