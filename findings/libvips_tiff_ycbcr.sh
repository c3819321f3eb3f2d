#!/usr/bin/env bash
# libvips shows a TIFF in YCbCr as if luma and colour differences were red, green and blue, when none of them are left out
#
# Expected: (76, 85, 255) in YCbCr (TIFF 6.0, section 21, full resolution) is red: (254, 0, 0).
# Seen: pyvips-binary 8.18.7 (libvips 8.18.7, pyvips 3.2.0) and Pillow 13.0.0, on 2026-11-30: with YCbCrSubSampling 1, 1 and no JPEG, libvips
#   says `srgb` and gives (76, 85, 255), without an error; with 2, 2 it is right. Pillow is right with 1, 1 (it refuses 2, 2 unpacked).
# Why it matters: another picture comes out, and nothing tells. Our loader makes the colours itself (loaders/tiff_colours.py,
#   test_ycbcr_of_full_resolution).
# Exit code: 0 while that is so, 1 when the behaviour has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pyvips==3.2.0 pyvips-binary==8.18.7 pillow==13.0.0
"$folder/venv/bin/python" - <<'PYTHON'
import io
import struct
import sys
from importlib.metadata import version

import pyvips
from PIL import Image

print("pyvips-binary", version("pyvips-binary"), "Pillow", version("pillow"))
SIDE = 16


def tiff(subsampling: int) -> bytes:
    """Plain red: blocks of luma, each followed by one value of each difference."""
    pixels = (bytes([76]) * subsampling**2 + bytes([85, 255])) * (SIDE // subsampling) ** 2
    fields = [(256, [SIDE]), (257, [SIDE]), (258, [8, 8, 8]), (259, [1]), (262, [6]), (273, [8]), (277, [3]), (278, [SIDE])]
    fields += [(279, [len(pixels)]), (530, [subsampling] * 2)]
    out = bytearray(b"II*\0" + bytes(4) + pixels)
    entries = b""
    for tag, values in fields:
        data = struct.pack(f"<{len(values)}H", *values)
        if len(data) > 4:
            data, place = struct.pack("<I", len(out)), data
            out += place
        entries += struct.pack("<HHI", tag, 3, len(values)) + data.ljust(4, b"\0")
    out += bytes(len(out) % 2)
    out[4:8] = struct.pack("<I", len(out))
    return bytes(out + struct.pack("<H", len(fields)) + entries + bytes(4))


seen = []
for subsampling in (1, 2):
    data = tiff(subsampling)
    image = pyvips.Image.tiffload_buffer(data)
    shown = tuple(map(int, image(8, 8)[:3]))
    print(f"subsampling {subsampling}: libvips {image.interpretation} {shown}")
    seen.append(shown)
pillow = Image.open(io.BytesIO(tiff(1))).convert("RGB").getpixel((8, 8))
print(f"subsampling 1: Pillow {pillow}")
sys.exit(seen[0] != (76, 85, 255) or any(colour[0] < 250 or max(colour[1:]) > 5 for colour in (seen[1], pillow)))
PYTHON
