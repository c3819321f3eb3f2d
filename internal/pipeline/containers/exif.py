"""EXIF copyright: reads Artist and Copyright of an original and writes them as new EXIF. Pure Python.

EXIF is a TIFF structure, so the same code reads a TIFF file. It reads only these two texts: GPS, orientation, thumbnails and
maker's notes can't be copied by mistake.
"""

import struct
from io import BytesIO
from typing import BinaryIO

from internal.pipeline.containers.tiff_fields import OutOfReach, TiffFile

_ARTIST, _COPYRIGHT = 0x013B, 0x8298
_ASCII = 2
_MAX_TEXT = 2048  # bytes: JPEG has room for 64 KiB of EXIF, and a name is shorter
_MAX_ENTRIES = 512
_HEADER = b"Exif\0\0"


def copyright_exif(data: bytes) -> bytes | None:
    """New EXIF with the Artist and Copyright of the EXIF in `data`, unchanged; None if it has neither."""
    return copyright_exif_of_tiff(BytesIO(data.removeprefix(_HEADER)))


def copyright_exif_of_tiff(file: BinaryIO) -> bytes | None:
    """As `copyright_exif`, for a TIFF structure that begins at the start of `file`. Damaged fields count as absent."""
    try:
        texts = _texts(TiffFile(file))
    except (OutOfReach, ValueError):
        return None
    return _pack(texts) if texts else None


def _texts(tiff: TiffFile) -> dict[int, bytes]:
    """The texts by tag, from the first directory, with a trailing zero byte."""
    directory = tiff.directory(tiff.first, max_fields=_MAX_ENTRIES)
    found = {tag: tiff.bytes_of(directory, tag, most=_MAX_TEXT).rstrip(b"\0") for tag in (_ARTIST, _COPYRIGHT)}
    return {tag: text + b"\0" for tag, text in found.items() if text}


def _pack(texts: dict[int, bytes]) -> bytes:
    """EXIF with these texts and nothing else."""
    entries, values = b"", b""
    start = 8 + 2 + 12 * len(texts) + 4
    for tag, text in sorted(texts.items()):
        entries += struct.pack("<HHI", tag, _ASCII, len(text))
        entries += text.ljust(4, b"\0") if len(text) <= 4 else struct.pack("<I", start + len(values))
        values += text if len(text) > 4 else b""
    return _HEADER + b"II*\0" + struct.pack("<IH", 8, len(texts)) + entries + struct.pack("<I", 0) + values
