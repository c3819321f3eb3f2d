"""ICC profile writer (ICC.1:2022, version 4) for a colour space given as numbers. Pure Python."""

import codecs
import struct

from internal.pipeline.containers.colour_space import D50, Curve, Matrix, Primaries, Vector, adaptation

_VERSION = 0x04400000
_RELATIVE_COLORIMETRIC = 1
_DATE = (2026, 1, 1, 0, 0, 0)
"""Fixed, so that the same picture always produces the same file."""
_NAME = "RGB as the file describes it"
_UTF_16 = codecs.lookup("utf-16-be")
"""Looked up at import: Python loads the codec on first use, which is not possible inside the sandbox."""


def icc_profile(primaries: Primaries, curve: Curve) -> bytes:
    """A display profile with these primaries and this transfer function. Raises ValueError for impossible primaries."""
    x, y = primaries.white
    columns = zip(*primaries.to_d50(), strict=True)
    tags = {b"desc": _text(_NAME), b"cprt": _text("No copyright, use freely"), b"wtpt": _xyz(D50)}
    tags[b"chad"] = _matrix(adaptation([x / y, 1.0, (1 - x - y) / y], D50))
    tags |= {name: _xyz(list(column)) for name, column in zip((b"rXYZ", b"gXYZ", b"bXYZ"), columns, strict=True)}
    return _profile(tags | dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), _curve(curve)))


def _profile(tags: dict[bytes, bytes]) -> bytes:
    """Header, tag table and tag data. Equal data are stored once."""
    start, places, data = 128 + 4 + 12 * len(tags), {}, b""
    for content in tags.values():
        if content not in places:
            places[content] = start + len(data)
            data += content + bytes(-len(content) % 4)
    table = struct.pack(">I", len(tags))
    table += b"".join(name + struct.pack(">II", places[content], len(content)) for name, content in tags.items())
    header = struct.pack(">I4xI", start + len(data), _VERSION) + b"mntrRGB XYZ "
    header += struct.pack(">6H", *_DATE) + b"acsp" + bytes(24) + struct.pack(">I", _RELATIVE_COLORIMETRIC) + _fixed(D50)
    return header.ljust(128, b"\0") + table + data


def _curve(curve: Curve) -> bytes:
    """A parametric curve: type 0 for a pure power, else type 3."""
    if curve == Curve(curve.gamma):
        return b"para" + struct.pack(">4xHxx", 0) + _fixed([curve.gamma])
    return b"para" + struct.pack(">4xHxx", 3) + _fixed([curve.gamma, curve.scale, curve.offset, curve.slope, curve.knee])


def _text(text: str) -> bytes:
    encoded, _ = _UTF_16.encode(text)
    return b"mluc" + struct.pack(">4xII4sII", 1, 12, b"enUS", len(encoded), 28) + encoded


def _xyz(values: Vector) -> bytes:
    return b"XYZ " + bytes(4) + _fixed(values)


def _matrix(matrix: Matrix) -> bytes:
    return b"sf32" + bytes(4) + _fixed([value for row in matrix for value in row])


def _fixed(values: Vector) -> bytes:
    """Values as s15Fixed16Number."""
    return b"".join(struct.pack(">i", round(value * 65536)) for value in values)
