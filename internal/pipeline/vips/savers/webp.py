"""Fix for animated WebP: sets the alpha flag if any part of the canvas is ever transparent.

libwebp, as of libvips 8.18.7, crops each frame to the rectangle that changes and sets the alpha flag only if a frame itself has
alpha. If opaque frames leave a part of the canvas clear, the flag is missing: Chromium shows that part transparent, Pillow black.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from internal.pipeline.containers.gif_blocks import Box

_CHUNKS_AT = 12
"""After `RIFF`, the file's size and `WEBP`."""
_FLAGS_AT = 20
_ALPHA = 0x10
"""Alpha flag in VP8X: RFC 9649, section 2.7.1.2."""
_CLEARS = 0x01
"""Disposal flag in ANMF: the frame's box is cleared after it was shown. RFC 9649, section 2.7.1.1."""
_NOWHERE = Box(0, 0, 0, 0)


class _Chunk(NamedTuple):
    kind: bytes
    head: bytes
    """The first 16 bytes: all of VP8X, and the part of ANMF before its picture."""


def flag_alpha(target: Path) -> None:
    """Set the alpha flag of the animated WebP `target`, written by libvips, if any part of its canvas is ever clear."""
    with target.open("r+b") as file:
        if _is_ever_transparent(file):
            file.seek(_FLAGS_AT)
            flags = file.read(1)[0]
            file.seek(_FLAGS_AT)
            file.write(bytes([flags | _ALPHA]))


def _is_ever_transparent(file: BinaryIO) -> bool:
    """True if a frame does not cover the clear area before it: first the canvas, then what the last frame cleared."""
    clear = _NOWHERE
    for kind, head in _chunks(file):
        if kind == b"VP8X":
            clear = Box(0, 0, 1 + _number(head, 4), 1 + _number(head, 7))
        elif kind == b"ANMF":
            left, top, width, height = 2 * _number(head, 0), 2 * _number(head, 3), 1 + _number(head, 6), 1 + _number(head, 9)
            box = Box(left, top, left + width, top + height)
            if not box.covers(clear):
                return True
            clear = box if head[15] & _CLEARS else _NOWHERE
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
