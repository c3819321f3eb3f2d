"""TIFF pictures of every kind of sample, in strips or tiles, together or in planes, compressed or not. See tiffs.py."""

import struct
import zlib
from collections.abc import Callable, Mapping, Sequence

from tests.tiffs import SHORT, Fields, Ifd, written

Pixel = Sequence[float]
"""The samples of one pixel."""
NONE, LZW, DEFLATE, PACKBITS = 1, 5, 8, 32773
GREY, RGB, PALETTE, CMYK, YCBCR, CIELAB, ICCLAB = 1, 2, 3, 5, 6, 8, 9
EXTRA = 338


def halves(
    left: Pixel,
    right: Pixel,
    kind: str = "u1",
    photometric: int | None = GREY,
    fields: Fields | None = None,
    *,
    size: tuple[int, int] = (32, 16),
    order: str = "<",
    tile: int | None = None,
    planes: bool = False,
    compression: int = NONE,
    predictor: int = 1,
    rows: int = 8,
) -> Ifd:
    """A picture of one colour on its left and another on its right. `kind`: u, i or f and a sample's bytes, or b and its bits.

    `order` must be the file's. `tile` is a tile's side; else there are strips of so many `rows`.
    """
    width, height = size
    samples = len(left)
    across, down = (tile, tile) if tile else (width, rows)
    parts = []
    for chosen in [[one] for one in range(samples)] if planes else [list(range(samples))]:
        for top in range(0, height, down):
            for start in range(0, width, across):
                row = [(left if x < width // 2 else right)[one] for x in range(start, start + across) for one in chosen]
                line = _encoded(row, kind, order, predictor, len(chosen))
                parts.append(_COMPRESSIONS[compression](line * (down if tile else min(down, height - top))))
    bits = int(kind[1:]) * (1 if kind[0] == "b" else 8)
    number = {"u": 1, "b": 1, "i": 2, "f": 3}[kind[0]]
    stored: Fields = {
        256: (SHORT, (width,)),
        257: (SHORT, (height,)),
        258: (SHORT, (bits,) * samples),
        259: (SHORT, (compression,)),
        277: (SHORT, (samples,)),
        284: (SHORT, (2 if planes else 1,)),
        339: (SHORT, (number,) * samples),
    }
    stored |= {322: (SHORT, (tile,)), 323: (SHORT, (tile,))} if tile else {278: (SHORT, (rows,))}
    stored |= {} if photometric is None else {262: (SHORT, (photometric,))}
    stored |= {} if predictor == 1 else {317: (SHORT, (predictor,))}
    return Ifd(stored | (fields or {}), parts=tuple(parts), tiled=tile is not None)


def tiff(*args: object, order: str = "<", big: bool = False, **more: object) -> bytes:
    """A file of one such picture."""
    return written(halves(*args, order=order, **more), order=order, big=big)  # type: ignore[arg-type]


def extra(*kinds: int) -> Fields:
    """ExtraSamples: 0 for unspecified, 1 for associated alpha, 2 for unassociated."""
    return {EXTRA: (SHORT, kinds)}


def between(low: float, high: float, kind: int) -> Fields:
    """SMinSampleValue and SMaxSampleValue, of a type of field."""
    return {340: (kind, (low,)), 341: (kind, (high,))}


def near(seen: Sequence[Pixel], right: Sequence[Pixel], by: float = 1) -> bool:
    """Whether colours are the right ones, each number within `by`."""
    pairs = list(zip(seen, right, strict=True))
    return all(len(one) == len(other) and all(abs(a - b) <= by for a, b in zip(one, other, strict=True)) for one, other in pairs)


_LETTERS: Mapping[str, str] = dict(
    zip(("u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8"), "BHIQbhiqefd", strict=True)
)


def _encoded(row: list[float], kind: str, order: str, predictor: int, stride: int) -> bytes:
    if kind[0] == "b":
        return _in_bytes("".join(format(int(value), f"0{kind[1:]}b") for value in row))
    if predictor == 2:
        limit = 256 ** int(kind[1:])
        row = [value if place < stride else (value - row[place - stride]) % limit for place, value in enumerate(row)]
    if predictor == 3:  # TIFF Technical Note 3: the first bytes of all samples, then the second ones; then differences
        whole = struct.pack(f">{len(row)}{_LETTERS[kind]}", *row)
        data = b"".join(whole[byte :: int(kind[1:])] for byte in range(int(kind[1:])))
        return bytes(value if place < stride else (value - data[place - stride]) % 256 for place, value in enumerate(data))
    return struct.pack(f"{order}{len(row)}{_LETTERS[kind]}", *row)


def _in_bytes(bits: str) -> bytes:
    size = -(-len(bits) // 8)
    return int(bits.ljust(size * 8, "0"), 2).to_bytes(size, "big")


def _lzw(data: bytes) -> bytes:
    """Each byte as a code of its own; the table is cleared before codes grow longer than 9 bits."""
    codes = [code for place, value in enumerate(data) for code in ([256, value] if place % 250 == 0 else [value])]
    return _in_bytes("".join(format(code, "09b") for code in [*codes, 257]))


def _packbits(data: bytes) -> bytes:
    pieces = [data[start : start + 128] for start in range(0, len(data), 128)]
    return b"".join(bytes([len(piece) - 1]) + piece for piece in pieces)


_COMPRESSIONS: Mapping[int, Callable[[bytes], bytes]] = {NONE: bytes, LZW: _lzw, DEFLATE: zlib.compress, PACKBITS: _packbits}
