"""PNG walker: iterates over chunks and strips those that a decoder does not need. Pure Python, streaming, constant memory.

One megabyte of compressed text chunks makes libvips allocate two gigabytes just for the header, and a colour profile may be a
decompression bomb too. So libvips reads a copy with the chunks of the picture only. Nor does it detect a missing IEND.
"""

import struct
import zlib
from collections.abc import Container, Iterator
from pathlib import Path
from typing import BinaryIO

from internal.domain.errors import InvalidImage

SIGNATURE = b"\x89PNG\r\n\x1a\n"
CRITICAL = frozenset({b"IHDR", b"PLTE", b"IDAT", b"IEND"})
"""Critical chunks of PNG 3. Their types begin with a capital letter."""
KEPT_ANCILLARY = frozenset({b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"cICP", b"iCCP", b"eXIf", b"pHYs"})
"""Ancillary chunks that are kept: transparency, colour space, orientation, resolution."""
MAX_PROFILE = 4 * 2**20
"""Largest decompressed colour profile in bytes. Profiles of printing presses have two million."""
MAX_EXIF = 2**16
"""Bytes of EXIF in a PNG. A JPEG has the same limit."""
MAX_CHUNKS = 2**17
"""Programs write chunks of 8 kB; walking through more than this number would take long."""
_BLOCK = 2**20
_CHUNK_OVERHEAD = 12  # bytes: length, type and checksum

MAX_CONTENT = 1024
"""Bytes of the largest chunk that is read as a whole. A palette has 768."""

Chunk = tuple[bytes, int, int]
"""Type, start and total length in bytes."""


def strip_chunks(source: Path, target: Path) -> Path:
    """Path of a PNG with only the chunks that a decoder needs: `source` if it has no others, else `target`, a stripped copy.

    Raises InvalidImage for a file that is not a PNG or is truncated. Data after IEND are not read.
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
    """Contents of the first chunk of each of these `kinds` before the first IDAT. Damaged chunks are left out.

    Raises InvalidImage for a file that is not a PNG or is truncated before its pixels.
    """
    contents: dict[bytes, bytes] = {}
    with source.open("rb") as file:
        for kind, start, length in iter_chunks(file, source.stat().st_size):
            if kind == b"IDAT":
                break
            if kind in kinds and kind not in contents and (content := chunk_content(file, start, length)) is not None:
                contents[kind] = content
    return contents


def chunk_content(file: BinaryIO, start: int, length: int) -> bytes | None:
    """Content of a small chunk; None if it is damaged or larger than MAX_CONTENT."""
    if length > MAX_CONTENT + _CHUNK_OVERHEAD:
        return None
    file.seek(start + 4)
    body, checksum = file.read(length - 8), file.read(4)
    return body[4:] if zlib.crc32(body) == int.from_bytes(checksum, "big") else None


def png_chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk with its length and checksum."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(content, zlib.crc32(kind)))


def _unwanted(file: BinaryIO, size: int) -> set[int]:
    """Starts of the chunks to strip. Raises InvalidImage for an unknown critical chunk."""
    unwanted, seen = set(), set()
    for kind, start, length in iter_chunks(file, size):
        if kind[0] & 0x20:
            if kind in seen or not _is_wanted(file, kind, start, length):
                unwanted.add(start)
            seen.add(kind)
        elif kind not in CRITICAL:
            if not kind.isalpha() or chunk_content(file, start, length) is None:
                raise InvalidImage("The PNG file is cut short or damaged.")
            raise InvalidImage(f"The PNG file has a critical chunk {kind.decode()}, which no PNG standard describes.")
    return unwanted


def _is_wanted(file: BinaryIO, kind: bytes, start: int, length: int) -> bool:
    if kind == b"iCCP":
        return _is_small_profile(file, start + 8, length - _CHUNK_OVERHEAD)
    return kind in KEPT_ANCILLARY and (kind != b"eXIf" or length <= MAX_EXIF)


def _is_small_profile(file: BinaryIO, start: int, length: int) -> bool:
    """True if the profile decompresses to at most MAX_PROFILE. Decompresses no more than that."""
    file.seek(start)
    if length > MAX_PROFILE:
        return False
    _, _, packed = file.read(length).partition(b"\0")
    if not packed:
        return False
    unpacking = zlib.decompressobj()
    try:
        return len(unpacking.decompress(packed[1:], MAX_PROFILE)) < MAX_PROFILE  # after the byte with the method
    except zlib.error:
        return False


def _kept_runs(chunks: Iterator[Chunk], unwanted: set[int]) -> Iterator[tuple[int, int]]:
    """Start and length of each run of adjacent kept chunks. Pictures may have thousands of small ones."""
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
    """Each chunk in order, IEND last. Raises InvalidImage for a truncated file or too many chunks."""
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
    raise InvalidImage("The PNG file has too many chunks.")


def _copy(source: BinaryIO, target: BinaryIO, length: int) -> None:
    while length > 0 and (block := source.read(min(_BLOCK, length))):
        target.write(block)
        length -= len(block)
