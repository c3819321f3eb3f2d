"""EXIF, as far as we carry it: who owns a picture, read from the original and written afresh. Pure Python.

EXIF is a TIFF structure, so that a TIFF file itself is read by the same walk. Nothing but the two texts is ever looked at: GPS,
orientation, thumbnails and maker's notes can't come along by mistake.
"""

import struct
from io import BytesIO
from typing import BinaryIO

_ARTIST, _COPYRIGHT = 0x013B, 0x8298
_ASCII = 2
_MAX_TEXT = 2048  # bytes: JPEG has room for 64 KiB of EXIF, and a name is shorter
_MAX_ENTRIES = 512
_HEADER = b"Exif\0\0"


def ownership(data: bytes) -> bytes | None:
    """Fresh EXIF with Artist and Copyright of the EXIF in `data`, as they are stored; None when it has neither."""
    return ownership_in(BytesIO(data.removeprefix(_HEADER)))


def ownership_in(file: BinaryIO) -> bytes | None:
    """As `ownership`, of a TIFF structure that begins where `file` does. What is broken counts as not there."""
    try:
        texts = _texts(file)
    except (struct.error, OSError, OverflowError):
        return None
    return _written(texts) if texts else None


def _texts(file: BinaryIO) -> dict[int, bytes]:
    """By tag, from the first directory, with the zero byte at the end."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(file.read(4))
    if order is None:
        return {}
    (directory,) = struct.unpack(f"{order}I", file.read(4))
    file.seek(directory)
    (count,) = struct.unpack(f"{order}H", file.read(2))
    entries = file.read(12 * min(count, _MAX_ENTRIES))
    found = {}
    for at in range(0, len(entries) - 11, 12):
        tag, kind, length, value = struct.unpack_from(f"{order}HHI4s", entries, at)
        if tag in (_ARTIST, _COPYRIGHT) and kind == _ASCII and length <= _MAX_TEXT:
            if length > 4:
                file.seek(struct.unpack(f"{order}I", value)[0])
                value = file.read(length)
            if text := value[:length].rstrip(b"\0"):
                found[tag] = text + b"\0"
    return found


def _written(texts: dict[int, bytes]) -> bytes:
    """EXIF that holds these texts and nothing else."""
    entries, values = b"", b""
    start = 8 + 2 + 12 * len(texts) + 4
    for tag, text in sorted(texts.items()):
        entries += struct.pack("<HHI", tag, _ASCII, len(text))
        entries += text.ljust(4, b"\0") if len(text) <= 4 else struct.pack("<I", start + len(values))
        values += text if len(text) > 4 else b""
    return _HEADER + b"II*\0" + struct.pack("<IH", 8, len(texts)) + entries + struct.pack("<I", 0) + values
