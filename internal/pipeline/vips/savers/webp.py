"""Animated WebP: the file says that it has transparency wherever it shows some.

libwebp, as of libvips 8.18.7, cuts each frame to the rectangle that changes and sets the alpha flag only for a frame that
has alpha itself. Where opaque frames leave a part of the canvas bare the flag is missing: Chromium shows that part transparent,
Pillow shows it black.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from internal.pipeline.containers.gif_blocks import Box

_CHUNKS_AT = 12
"""Behind `RIFF`, the file's size and `WEBP`."""
_FLAGS_AT = 20
_ALPHA = 0x10
"""Of the flags in VP8X: RFC 9649, section 2.7.1.2."""
_CLEARS = 0x01
"""Of the flags in ANMF: the frame's box is bare when its time is over. RFC 9649, section 2.7.1.1."""
_NOWHERE = Box(0, 0, 0, 0)


class _Chunk(NamedTuple):
    kind: bytes
    head: bytes
    """Its first 16 bytes, which hold all of VP8X, and of ANMF what stands before its picture."""


def flag_alpha(target: Path) -> None:
    """Set the alpha flag of an animated WebP, which libvips wrote to `target`, when some of its canvas is bare for a time."""
    with target.open("r+b") as file:
        if _is_bare_somewhere(file):
            file.seek(_FLAGS_AT)
            flags = file.read(1)[0]
            file.seek(_FLAGS_AT)
            file.write(bytes([flags | _ALPHA]))


def _is_bare_somewhere(file: BinaryIO) -> bool:
    """Whether a frame is shown without the whole of what was bare before it: the canvas first, then what the last one cleared."""
    bare = _NOWHERE
    for kind, head in _chunks(file):
        if kind == b"VP8X":
            bare = Box(0, 0, 1 + _number(head, 4), 1 + _number(head, 7))
        elif kind == b"ANMF":
            left, top, width, height = 2 * _number(head, 0), 2 * _number(head, 3), 1 + _number(head, 6), 1 + _number(head, 9)
            box = Box(left, top, left + width, top + height)
            if not box.covers(bare):
                return True
            bare = box if head[15] & _CLEARS else _NOWHERE
    return False


def _chunks(file: BinaryIO) -> Iterator[_Chunk]:
    at = _CHUNKS_AT
    file.seek(at)
    while len(start := file.read(8)) == 8:
        yield _Chunk(start[:4], file.read(16))
        size = int.from_bytes(start[4:], "little")
        at += 8 + size + size % 2
        file.seek(at)


def _number(head: bytes, at: int) -> int:
    return int.from_bytes(head[at : at + 3], "little")
