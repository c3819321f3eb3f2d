#!/usr/bin/env bash
# libvips shows some GIFs in another size than browsers, and their background colour where browsers show transparency
#
# Expected: a GIF is as large as its logical screen (GIF89a, section 18), and transparent where no frame draws, as in every browser.
# Seen: pyvips 3.2.0 with pyvips-binary 8.18.7 (libnsgif) on 2026-11-30. A screen of 640x480, 640x512, 800x600, 1024x768, 1280x1024 or
#   1600x1200, or with a side above 2048, is left out of account: the first frame tells the size, and what later ones draw outside is
#   lost. A frame without a transparent index that is to be cleared (disposal 2) leaves the background colour. Of an interlaced frame
#   that reaches below the screen the rows are mixed up. Behind a NUL between two blocks there are no frames, and no error.
# Why it matters: screen recordings have such sizes; optimisers write frames that are smaller than the screen.
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
PALETTE = bytes.fromhex("ff0000 00ff00 0000ff ffffff")


def lzw(indices):
    codes = [code for index in indices for code in (4, index)] + [5]  # codes of three bits; 4 begins anew, 5 ends
    data = sum(code << 3 * place for place, code in enumerate(codes)).to_bytes(-(-3 * len(codes) // 8), "little")
    pieces = [data[start : start + 255] for start in range(0, len(data), 255)]
    return b"\2" + b"".join(bytes([len(piece)]) + piece for piece in pieces) + b"\0"


def head(width, height):
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0x81, 1, 0) + PALETTE  # green is the background


def frame(rows, left=0, top=0, disposal=0, interlaced=False):
    height = len(rows)
    order = [*range(0, height, 8), *range(4, height, 8), *range(2, height, 4), *range(1, height, 2)] if interlaced else range(height)
    control = b"!\xf9\x04" + struct.pack("<BHBB", disposal << 2, 10, 0, 0)
    descriptor = b"," + struct.pack("<HHHHB", left, top, len(rows[0]), height, 0x40 * interlaced)
    return control + descriptor + lzw(index for y in order for index in rows[y])


def plain(index, width, height):
    return [[index] * width for _ in range(height)]


sizes = {}
for size in ((640, 480), (640, 512), (800, 600), (1024, 768), (1280, 1024), (1600, 1200), (2049, 100), (641, 480), (1920, 1080)):
    image = pyvips.Image.gifload_buffer(head(*size) + frame(plain(2, 30, 20)) + frame(plain(3, 9, 9), 99, 50) + b";")
    sizes[size] = (image.width, image.height)
    print(f"screen {size}: {sizes[size]}")

boxes = pyvips.Image.gifload_buffer(head(20, 10) + frame(plain(2, 10, 10), disposal=2) + frame(plain(0, 10, 10), 10) + b";", n=-1)
left = boxes.getpoint(5, 15)
print("second frame, where the first one was cleared:", left)

rows = [[number // 5] * 4 for number in range(20)]
below = pyvips.Image.gifload_buffer(head(4, 10) + frame(plain(3, 4, 10)) + frame(rows, interlaced=True) + b";", n=-1)
seen = [below.getpoint(0, 10 + y) == [*PALETTE[3 * rows[y][0] : 3 * rows[y][0] + 3]] for y in range(10)]
print("rows of an interlaced frame that reaches below the screen, right or not:", seen)

frames = pyvips.Image.gifload_buffer(head(4, 4) + frame(plain(1, 4, 4)) + b"\0" + frame(plain(2, 4, 4)) + b";").get("n-pages")
print("two frames with a NUL between them:", frames)

ignored = all(shown == ((30, 20) if size not in ((641, 480), (1920, 1080)) else size) for size, shown in sizes.items())
sys.exit(not (ignored and left == [0, 255, 0] and not all(seen) and frames == 1))
PYTHON
