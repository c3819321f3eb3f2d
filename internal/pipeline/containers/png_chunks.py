"""PNG files without what a decoder has no use for. Pure Python, streaming, constant memory.

One megabyte of compressed text chunks takes libvips two gigabytes just to open the header, and a colour profile may be a bomb as
well: so what it reads is a copy of the chunks that make the picture. Nor does libvips notice that IEND is missing.
"""

import struct
import zlib
from collections.abc import Container, Iterator
from pathlib import Path
from typing import BinaryIO

from internal.errors import InvalidImage

SIGNATURE = b"\x89PNG\r\n\x1a\n"
CRITICAL = frozenset({b"IHDR", b"PLTE", b"IDAT", b"IEND"})
"""What PNG 3 has of the chunks that no decoder may do without; their types begin with a capital."""
EXTRAS = frozenset({b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"cICP", b"iCCP", b"eXIf", b"pHYs"})
"""Of the chunks that a decoder may do without, these are kept: how the colours are meant, which side is up, resolution."""
MAX_PROFILE = 4 * 2**20
"""Bytes that a PNG's colour profile may unpack to; those of printing presses have two million."""
MAX_EXIF = 2**16
"""Bytes of EXIF in a PNG: a JPEG can't have more either."""
MAX_CHUNKS = 2**17
"""Pictures come in chunks of 8 kB; to walk through more than these would itself take long."""
_BLOCK = 2**20
_CHUNK_OVERHEAD = 12  # bytes: length, type and checksum

MAX_CONTENT = 1024
"""Bytes of the largest chunk that is read whole: a palette has 768."""

Chunk = tuple[bytes, int, int]
"""Type, start and whole length in bytes."""


def strip_chunks(source: Path, target: Path) -> Path:
    """The path of a PNG of chunks that a decoder needs: `source` when it has no others, else `target`, a copy without them.

    Raises InvalidImage for a file that is no PNG or is cut short. What follows IEND is not read.
    """
    size = source.stat().st_size
    with source.open("rb") as file:
        unwanted = _unwanted(file, size)
        if not unwanted:
            return source
        with target.open("wb") as copy:
            copy.write(SIGNATURE)
            for start, length in _kept_runs(iter_chunks(file, size), unwanted):
                file.seek(start)
                _copy(file, copy, length)
    return target


def read_leading_chunks(source: Path, kinds: Container[bytes]) -> dict[bytes, bytes]:
    """What the first chunk of each of these `kinds` holds that stands before the first IDAT; one that is damaged is left out.

    Raises InvalidImage for a file that is no PNG, or is cut short before its pixels.
    """
    told: dict[bytes, bytes] = {}
    with source.open("rb") as file:
        for kind, start, length in iter_chunks(file, source.stat().st_size):
            if kind == b"IDAT":
                break
            if kind in kinds and kind not in told and (content := chunk_content(file, start, length)) is not None:
                told[kind] = content
    return told


def chunk_content(file: BinaryIO, start: int, length: int) -> bytes | None:
    """What a small chunk holds; None when it is damaged, or holds more than MAX_CONTENT bytes."""
    if length > MAX_CONTENT + _CHUNK_OVERHEAD:
        return None
    file.seek(start + 4)
    body, checksum = file.read(length - 8), file.read(4)
    return body[4:] if zlib.crc32(body) == int.from_bytes(checksum, "big") else None


def png_chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk, with its length and checksum."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(content, zlib.crc32(kind)))


def _unwanted(file: BinaryIO, size: int) -> set[int]:
    """Where the chunks begin that are left out. Raises InvalidImage for one that would be needed and is not known."""
    unwanted, seen = set(), set()
    for kind, start, length in iter_chunks(file, size):
        if kind[0] & 0x20:
            if kind in seen or not _is_wanted(file, kind, start, length):
                unwanted.add(start)
            seen.add(kind)
        elif kind not in CRITICAL:
            if not kind.isalpha() or chunk_content(file, start, length) is None:
                raise InvalidImage("The PNG file is cut short or damaged.")
            raise InvalidImage(
                f"The PNG file has a chunk {kind.decode()} that its pixels depend on, and that no PNG standard describes."
            )
    return unwanted


def _is_wanted(file: BinaryIO, kind: bytes, start: int, length: int) -> bool:
    if kind == b"iCCP":
        return _is_small_profile(file, start + 8, length - _CHUNK_OVERHEAD)
    return kind in EXTRAS and (kind != b"eXIf" or length <= MAX_EXIF)


def _is_small_profile(file: BinaryIO, start: int, length: int) -> bool:
    """Whether it unpacks to no more than MAX_PROFILE, without unpacking more of it than that."""
    file.seek(start)
    if length > MAX_PROFILE:
        return False
    _, _, packed = file.read(length).partition(b"\0")
    if not packed:
        return False
    unpacking = zlib.decompressobj()
    try:
        return len(unpacking.decompress(packed[1:], MAX_PROFILE)) < MAX_PROFILE  # behind the byte that names the method
    except zlib.error:
        return False


def _kept_runs(chunks: Iterator[Chunk], unwanted: set[int]) -> Iterator[tuple[int, int]]:
    """Start and length of each run of neighbouring chunks that are kept: pictures come in thousands of small ones."""
    start = length = 0
    for _, position, size in chunks:
        if position in unwanted:
            if length:
                yield start, length
            length = 0
        else:
            start = start if length else position
            length += size
    yield start, length


def iter_chunks(file: BinaryIO, size: int) -> Iterator[Chunk]:
    """Each chunk, IEND last."""
    file.seek(0)
    if file.read(len(SIGNATURE)) != SIGNATURE:
        raise InvalidImage("The file is not a PNG, though it begins like one.")
    position, kind = len(SIGNATURE), b""
    for _ in range(MAX_CHUNKS):
        file.seek(position)
        head = file.read(8)
        length, kind = int.from_bytes(head[:4], "big") + _CHUNK_OVERHEAD, head[4:]
        if len(head) < 8 or position + length > size:
            raise InvalidImage("The PNG file is cut short or damaged.")
        yield kind, position, length
        if kind == b"IEND":
            return
        position += length
    raise InvalidImage("The PNG file has more chunks than a picture needs.")


def _copy(source: BinaryIO, target: BinaryIO, length: int) -> None:
    while length > 0 and (block := source.read(min(_BLOCK, length))):
        target.write(block)
        length -= len(block)
