"""The logical screen of a GIF: its size, the area that frames leave clear, and whether libnsgif, libvips' decoder, shows it so.

libnsgif, as of libvips 8.18.7, does not show every file as browsers do. It ignores a logical screen that has the size of a
monitor or a side of more than 2048 pixels. Undrawn areas are black, or the background colour after a frame without a transparent
index was cleared; browsers show transparency. It drops the frames after NUL bytes between blocks. Of an interlaced frame that
reaches below the screen it decodes the wrong rows. `write_normalized` writes the same frames in a form that it decodes correctly.
"""

import struct
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple

from internal.domain.errors import ImageTooLarge, InvalidImage
from internal.pipeline.containers.gif_blocks import (
    APPLICATION,
    PADDING,
    TRAILER,
    Box,
    Control,
    GifFrame,
    blocks,
    pack_control,
    pack_empty_frame,
    read_screen,
)

MAX_GIF_FRAMES = 2**16
"""Upper bound regardless of the configured limit: walking through more frames would take seconds."""
MAX_ROWS_BELOW = 1024
"""Rows that an interlaced frame may reach below the screen, or as many as the screen has if that is more."""

_IGNORED = frozenset({(640, 480), (640, 512), (800, 600), (1024, 768), (1280, 1024), (1600, 1200)})
_IGNORED_FROM = 2049
_PIECE = 2**16
_SIZE = slice(6, 10)
"""Position of the screen's size in the file."""
_LONGEST = 2**16 - 1
"""Pixels: the longest side that libvips supports."""
_NOWHERE = Box(0, 0, 0, 0)


class Gif(NamedTuple):
    """Summary of a GIF file's blocks."""

    screen: Box
    canvas: Box
    """The area that the frames cover, including what an interlaced one covers below the screen."""
    frames: int
    drawn_pixels: int
    """Pixels inside the screen that the frames cover, summed over all frames."""
    has_alpha: bool
    """True if a frame has a transparent index, or a part of the screen is ever clear."""
    decodes_correctly: bool
    """True if libnsgif decodes the file correctly without normalization."""
    maybe_truncated: bool
    """True if the file has no trailer or NUL padding: a frame may be truncated."""


def inspect_gif(source: Path) -> Gif:
    """Read all blocks of a GIF. The trailer may be missing, and NUL bytes may stand between blocks.

    Raises InvalidImage for a truncated or unknown block and for a file without a picture; ImageTooLarge.
    """
    with source.open("rb") as file:
        try:
            return _summarize(file)
        except (IndexError, ValueError, struct.error) as error:
            raise InvalidImage("The GIF file is cut short or damaged.") from error


def gif_size(head: BinaryIO) -> tuple[int, int] | None:
    """Width and height in pixels from the first bytes of a file; None if they do not tell."""
    try:
        screen = read_screen(head)
    except struct.error:
        return None
    with suppress(IndexError, ValueError, struct.error):
        screen = next((_enlarged(screen, block.frame) for block in blocks(head) if block.frame), screen)
    return (screen.right, screen.bottom) if screen.pixels else None


def write_normalized(source: Path, target: Path, gif: Gif, *, apart: bool = False) -> None:
    """Write the frames of `source` in a form that libnsgif decodes correctly, on `gif.canvas`.

    An empty frame is inserted before each frame, so that frame n becomes 2n + 1. The first empty frame is as large as the canvas,
    and libnsgif takes its size from it. The others do the disposal of the frame before them: they have a transparent index, so
    libnsgif clears to transparency. With `apart` each frame is drawn with all its pixels on a clear canvas.
    """
    index = 0 if gif.has_alpha or apart else None
    before, clears = gif.canvas, False
    with source.open("rb") as file, target.open("wb") as out:
        read_screen(file)
        start = file.tell()
        _copy(file, out, 0, _SIZE.start)
        out.write(bytes(4))  # no screen, so that the first frame sets the size
        _copy(file, out, _SIZE.stop, start)
        file.seek(start)
        for block in blocks(file):
            if block.frame:
                out.write(pack_control(Control(clears=clears, delay=0, transparent=index)) + pack_empty_frame(before))
                control = block.frame.control._replace(clears=False)
                out.write(pack_control(control._replace(restores=False, transparent=None) if apart else control))
                before, clears = (gif.canvas, True) if apart else (block.frame.box, block.frame.control.clears)
            if block.frame or block.kind == APPLICATION:  # an application extension holds the number of plays
                _copy(file, out, block.start, block.end)
        out.write(bytes([TRAILER]))


def _summarize(file: BinaryIO) -> Gif:
    written = read_screen(file)
    screen = bare = written
    taken = Box(0, 0, 1, 1) if _is_ignored(written) else written  # by libnsgif
    frames = shown = right = bottom = 0
    padded = has_trailer = has_alpha = has_index = cleared = shows_background = False
    for kind, _, _, frame in blocks(file):
        padded |= kind == PADDING
        has_trailer |= kind == TRAILER
        if frame is None:
            continue
        if not frames:
            screen = bare = _enlarged(written, frame)
            taken = _enlarged(taken, frame)
        if (frames := frames + 1) > MAX_GIF_FRAMES:
            raise ImageTooLarge(f"The animation has more than {MAX_GIF_FRAMES} frames.")
        box, control = frame.box.within(screen), frame.control
        shown += box.pixels
        has_index |= control.transparent is not None
        has_alpha |= control.transparent is not None or not box.covers(bare)
        bare = box if control.clears else bare if control.restores else _NOWHERE
        shows_background |= cleared
        cleared |= control.clears and control.transparent is None
        if box.pixels:
            right = max(right, box.right)
            bottom = max(bottom, frame.box.bottom if frame.interlaced else box.bottom)
    if max(screen.right, screen.bottom, bottom) > _LONGEST:
        raise ValueError("a screen that is larger than it can say")
    if not frames or not screen.pixels or bottom > screen.bottom + max(screen.bottom, MAX_ROWS_BELOW):
        raise ValueError("no picture, or one far below the screen")
    right_size = taken == screen and bottom <= screen.bottom
    right_ground = not has_alpha or (has_index and not shows_background)
    canvas = Box(0, 0, max(1, right), max(1, bottom))
    plain = right_size and right_ground and not padded
    return Gif(screen, canvas, frames, shown, has_alpha, plain, padded or not has_trailer)


def _enlarged(screen: Box, first: GifFrame) -> Box:
    """The screen enlarged to the first frame, as in libnsgif and browsers. Later frames are clipped."""
    return Box(0, 0, max(screen.right, first.box.right), max(screen.bottom, first.box.bottom))


def _is_ignored(screen: Box) -> bool:
    size = screen.right, screen.bottom
    return size in _IGNORED or not screen.pixels or max(size) >= _IGNORED_FROM


def _copy(file: BinaryIO, out: BinaryIO, start: int, end: int) -> None:
    file.seek(start)
    while start < end and (piece := file.read(min(_PIECE, end - start))):
        out.write(piece)
        start += len(piece)
