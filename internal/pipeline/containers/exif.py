"""EXIF, as far as we carry it: who owns a picture, read from the original and written afresh. Pure Python.

EXIF is a TIFF structure, so that a TIFF file itself is read by the same walk. Nothing but the two texts is ever looked at: GPS,
orientation, thumbnails and maker's notes can't come along by mistake.
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
    """Fresh EXIF with Artist and Copyright of the EXIF in `data`, as they are stored; None when it has neither."""
    return copyright_exif_of_tiff(BytesIO(data.removeprefix(_HEADER)))


def copyright_exif_of_tiff(file: BinaryIO) -> bytes | None:
    """As `copyright_exif`, of a TIFF structure that begins where `file` does. What is broken counts as not there."""
    try:
        texts = _texts(TiffFile(file))
    except (OutOfReach, ValueError):
        return None
    return _written(texts) if texts else None


def _texts(tiff: TiffFile) -> dict[int, bytes]:
    """By tag, from the first directory, with the zero byte at the end."""
    directory = tiff.directory(tiff.first, max_fields=_MAX_ENTRIES)
    found = {tag: tiff.bytes_of(directory, tag, most=_MAX_TEXT).rstrip(b"\0") for tag in (_ARTIST, _COPYRIGHT)}
    return {tag: text + b"\0" for tag, text in found.items() if text}


def _written(texts: dict[int, bytes]) -> bytes:
    """EXIF that holds these texts and nothing else."""
    entries, values = b"", b""
    start = 8 + 2 + 12 * len(texts) + 4
    for tag, text in sorted(texts.items()):
        entries += struct.pack("<HHI", tag, _ASCII, len(text))
        entries += text.ljust(4, b"\0") if len(text) <= 4 else struct.pack("<I", start + len(values))
        values += text if len(text) > 4 else b""
    return _HEADER + b"II*\0" + struct.pack("<IH", 8, len(texts)) + entries + struct.pack("<I", 0) + values
