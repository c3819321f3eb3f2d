#!/usr/bin/env bash
# libvips loses the last columns and rows of a JPEG that it shrinks as it loads it, and crops a lossless one
#
# Expected: jpegload with shrink=8 shows all of the picture, each pixel where it is; for what can't be shrunk, an error or full size.
# Seen: pyvips 3.2.0 with pyvips-binary 8.18.7 (mozjpeg 5.0.0) on 2026-11-30. 1607 / 8 is 200.9: 200 columns come, and the last seven of the
#   file are in none of them, so that a black frame of six pixels is gone on the right. A lossless JPEG (SOF3), which libjpeg does
#   not scale, comes as its upper left part: with shrink=2 as the upper left quarter, in full size.
# Why it matters: thumbnails are made from what is loaded so. A line near the right edge is off by 0.9 pixels of a thumbnail of 200, and of
#   a lossless JPEG (medical and scientific pictures) most is not shown at all. Without an error in either case.
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

white = pyvips.Image.black(1595, 1195, bands=3) + 255
framed = white.embed(6, 6, 1607, 1207).cast("uchar").copy(interpretation="srgb").jpegsave_buffer(Q=95)
small = pyvips.Image.jpegload_buffer(framed, shrink=8)
left, right = small.getpoint(0, 75)[0], small.getpoint(small.width - 1, 75)[0]
print(f"1607 pixels, shrink=8: {small.width} columns; the first, of the frame, is {left:.0f}, the last {right:.0f}")


def lossless(rows):
    """Grey SOF3, predictor 1."""
    bits = ""
    for y, row in enumerate(rows):
        for x, value in enumerate(row):
            difference = value - (row[x - 1] if x else rows[y - 1][0] if y else 128)
            length = abs(difference).bit_length()
            bits += f"{length:04b}"
            if length:
                bits += f"{difference if difference > 0 else difference + 2**length - 1:0{length}b}"
    bits += "1" * (-len(bits) % 8)
    data = int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\0")
    frame = b"\xff\xc3" + struct.pack(">HBHHB", 11, 8, len(rows), len(rows[0]), 1) + b"\1\x11\0"
    codes = b"\xff\xc4\0\x1c\0" + bytes([0, 0, 0, 9, *[0] * 12]) + bytes(range(9))
    return b"\xff\xd8" + frame + codes + b"\xff\xda\0\x08\1\1\0\1\0\0" + data + b"\xff\xd9"


halves = lossless([[40] * 60 + [200] * 60 for _ in range(80)])
full, half = pyvips.Image.jpegload_buffer(halves), pyvips.Image.jpegload_buffer(halves, shrink=2)
print(f"lossless, left half 40, right half 200: from {full.min():.0f} to {full.max():.0f}")
print(f"the same with shrink=2: {half.width}x{half.height}, from {half.min():.0f} to {half.max():.0f}")
sys.exit(not (small.width == 200 and left < 128 and right > 200 and full.max() == 200 and half.max() == 40))
PYTHON
