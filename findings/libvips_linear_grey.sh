#!/usr/bin/env bash
# icc_transform takes a grey picture with a linear profile for far too dark: one table of 33 points for the whole curve
#
# Expected: a grey value of 3 of 255 in linear light is 28 in sRGB, as it is in a colour picture whose profile has the same curve.
# Seen: pyvips 3.2.0 with pyvips-binary 8.18.7 on 2026-11-30: 19, and 6 instead of 13 for a value of 1. lcms resamples what lies between
#   one grey channel and three colour channels to 33 points. By way of the connection space in XYZ (icc_import with pcs="xyz") it is 28;
#   in Lab 23. With a gamma of 2.2 nothing of it is seen.
# Why it matters: pictures out of renderers and scanners are linear, and their darkest parts come out at half of their value.
# Exit code: 0 while that is so, 1 when the behaviour has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pyvips==3.2.0 pyvips-binary==8.18.7
"$folder/venv/bin/python" - <<'PYTHON'
import struct
import sys
from importlib.metadata import version

import pyvips

print("pyvips", version("pyvips"), "pyvips-binary", version("pyvips-binary"))


def fixed(*values):
    return b"".join(struct.pack(">i", round(value * 65536)) for value in values)


def profile(gamma):
    """ICC.1:2022, version 2.4: one grey channel."""
    white = fixed(0.9642, 1.0, 0.8249)
    tags = {
        b"wtpt": b"XYZ \0\0\0\0" + white,
        b"kTRC": b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0",
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", 5) + b"grey\0" + bytes(79),
        b"cprt": b"text\0\0\0\0none\0\0\0\0",
    }
    start, table, body = 132 + 12 * len(tags), struct.pack(">I", len(tags)), b""
    for tag, data in tags.items():
        table += tag + struct.pack(">II", start + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    head = struct.pack(">I4s4s4s4s4s", start + len(body), b"none", b"\x02\x40\0\0", b"mntr", b"GRAY", b"XYZ ")
    head += struct.pack(">6H4s", 2026, 1, 1, 0, 0, 0, b"acsp")
    return head.ljust(68, b"\0") + white + bytes(48) + table + body


def srgb(light):
    return round(255 * (12.92 * light if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055))


def grey(value, gamma):
    image = pyvips.Image.black(4, 4).linear(0, value).cast("uchar").copy(interpretation="b-w")
    image.set_type(pyvips.GValue.blob_type, "icc-profile-data", profile(gamma))
    return image


def ways(value, gamma):
    image = grey(value, gamma)
    straight = image.icc_transform("srgb", embedded=True, depth=8)
    by_xyz = image.icc_import(embedded=True, pcs="xyz").colourspace("b-w")
    by_lab = image.icc_import(embedded=True, pcs="lab").colourspace("b-w")
    return [round(way.getpoint(0, 0)[0]) for way in (straight, by_xyz, by_lab)]


seen = {}
for gamma, value in ((1.0, 1), (1.0, 3), (1.0, 8), (2.2, 30)):
    seen[gamma, value] = ways(value, gamma)
    right = srgb((value / 255) ** gamma)
    print(f"gamma {gamma}, value {value}: straight, by XYZ, by Lab {seen[gamma, value]}; right is {right}")
sys.exit(seen[1.0, 3] != [19, 28, 23] or seen[1.0, 1][0] != 6)
PYTHON
