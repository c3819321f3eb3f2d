"""TIFF files written field by field: either byte order, classic or BigTIFF, with sub-directories, strips or tiles.

For what cameras write, what no encoder writes, and what each writes in its own way. tiff_pictures.py makes pixels for them.
"""

import struct

from msgspec import Struct

BYTE, ASCII, SHORT, LONG, RATIONAL, UNDEFINED, SLONG, DOUBLE, LONG8 = 1, 2, 3, 4, 5, 7, 9, 12, 16
_LETTERS = {BYTE: "B", ASCII: "s", SHORT: "H", LONG: "I", RATIONAL: "II", UNDEFINED: "s"}
_LETTERS |= {SLONG: "i", DOUBLE: "d", LONG8: "Q"}
_SUBDIRECTORIES, _STRIP_OFFSETS = 330, 273
_STRIPS, _TILES = (273, 279), (324, 325)


Fields = dict[int, tuple[int, bytes | tuple[float, ...]]]
"""By tag: type and values; a text has its zero byte, a rational is two values."""


class Ifd(Struct):
    """A directory: its fields, the directories below it, the bytes of its one strip, or of each `part`: strips or tiles."""

    fields: Fields
    below: tuple["Ifd", ...] = ()
    strip: bytes = b""
    parts: tuple[bytes, ...] = ()
    tiled: bool = False


def picture(width: int = 8, height: int = 6, fields: Fields | None = None, *, pixel: bytes = b"\x5a\x5a\x5a") -> Ifd:
    """A plain picture in RGB, with further fields."""
    strip = (pixel * (width * height))[: width * height * 3].ljust(width * height * 3, b"\0")
    plain: Fields = {
        256: (SHORT, (width,)),
        257: (SHORT, (height,)),
        258: (SHORT, (8, 8, 8)),
        259: (SHORT, (1,)),
        262: (SHORT, (2,)),
        277: (SHORT, (3,)),
        278: (SHORT, (height,)),
        279: (LONG, (len(strip),)),
    }
    return Ifd(plain | (fields or {}), strip=strip)


def written(*chain: Ifd, order: str = "<", big: bool = False, padding: int = 0) -> bytes:
    """The file: header, then the strip of the first directory at once, `padding` zeros, and all directories in order."""
    out = bytearray((b"II" if order == "<" else b"MM") + struct.pack(f"{order}H", 43 if big else 42))
    out += struct.pack(f"{order}HHQ", 8, 0, 0) if big else struct.pack(f"{order}I", 0)
    link = 8 if big else 4  # where the place of the next directory is to be written
    first = len(out)
    out += chain[0].strip + bytes(padding)
    for number, ifd in enumerate(chain):
        start, end = _append(out, ifd, order, big=big, strip_at=first if number == 0 else None)
        struct.pack_into(f"{order}{'Q' if big else 'I'}", out, link, start)
        link = end
    return bytes(out)


def _append(out: bytearray, ifd: Ifd, order: str, *, big: bool, strip_at: int | None = None) -> tuple[int, int]:
    """Where the directory begins, and where its link to the next one lies."""
    if strip_at is None:
        strip_at = len(out)
        out += ifd.strip
    fields = dict(ifd.fields)
    if ifd.strip:
        fields[_STRIP_OFFSETS] = (LONG, (strip_at,))
    if ifd.parts:
        places, sizes = _TILES if ifd.tiled else _STRIPS
        starts = [len(out) + sum(map(len, ifd.parts[:number])) for number in range(len(ifd.parts))]
        fields |= {places: (LONG, tuple(starts)), sizes: (LONG, tuple(map(len, ifd.parts)))}
        out += b"".join(ifd.parts)
    if ifd.below:
        fields[_SUBDIRECTORIES] = (LONG, tuple(_append(out, below, order, big=big)[0] for below in ifd.below))
    room, entries = 8 if big else 4, b""
    for tag, (kind, values) in sorted(fields.items()):
        data = values if isinstance(values, bytes) else struct.pack(f"{order}{len(values)}{_LETTERS[kind][0]}", *values)
        if len(data) > room:
            out += bytes(len(out) % 2)
            data, place = struct.pack(f"{order}{'Q' if big else 'I'}", len(out)), data
            out += place
        entries += struct.pack(f"{order}HH{'Q' if big else 'I'}", tag, kind, len(values) // len(_LETTERS[kind])) + data.ljust(
            room, b"\0"
        )
    out += bytes(len(out) % 2)
    start = len(out)
    out += struct.pack(f"{order}{'Q' if big else 'H'}", len(fields)) + entries
    link = len(out)
    out += bytes(room)
    return start, link
