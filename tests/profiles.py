"""Colour profiles made in code (ICC.1:2022), for what libvips does not bring along."""

import struct


def grey_profile(gamma: float = 1.0) -> bytes:
    """A profile for one grey channel whose light is the value to the power of `gamma`, under D50."""
    white = b"XYZ \0\0\0\0" + b"".join(_fixed(part) for part in (0.9642, 1.0, 0.8249))
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"
    name = b"desc\0\0\0\0" + struct.pack(">I", 5) + b"grey\0" + bytes(12 + 67 + 4)
    tags = {b"wtpt": white, b"kTRC": curve, b"desc": name, b"cprt": b"text\0\0\0\0none\0\0\0\0"}
    start = 128 + 4 + 12 * len(tags)
    table, body = struct.pack(">I", len(tags)), b""
    for tag, data in tags.items():
        table += tag + struct.pack(">II", start + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    return _header(start + len(body)) + table + body


def _header(size: int) -> bytes:
    """Version 2.4, a monitor's, one grey channel to XYZ, perceptual."""
    head = struct.pack(">I4s4s4s4s4s", size, b"none", b"\x02\x40\0\0", b"mntr", b"GRAY", b"XYZ ")
    head += struct.pack(">6H4s", 2026, 1, 1, 0, 0, 0, b"acsp")
    return (head + bytes(128 - len(head)))[:68] + b"".join(_fixed(part) for part in (0.9642, 1.0, 0.8249)) + bytes(48)


def _fixed(value: float) -> bytes:
    return struct.pack(">i", round(value * 65536))
