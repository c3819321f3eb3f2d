#!/usr/bin/env bash
# Pillow composes an animated PNG otherwise than PNG 3 says, in four points, and can't open an interlaced one
#
# Expected (PNG 3, section 11.3.6): the canvas is transparent black before the first frame, also when the static picture is no frame;
#   dispose_op BACKGROUND clears to transparent black; PREVIOUS brings back what was there before the frame, however the frame was
#   blended; OVER blends with the alpha of both; every frame may be interlaced.
# Seen with Pillow 13.0.0 on 2026-11-30: the first frame is laid on the static picture; a frame of an RGB file is cleared to opaque
#   black; after PREVIOUS with OVER the frame stays, once its pixels were read; OVER on a half transparent ground mixes alpha as if it
#   were a colour (half on half is 128, and not 192); the second frame of an interlaced file is a TypeError. Chromium 156 shows all five
#   as the standard says.
# Why it matters: Pillow is what most tests of animations are held against, and it writes such files itself.
# Exit code: 0 while that is so, 1 when the behaviour has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pillow==13.0.0 pyvips==3.2.0 pyvips-binary==8.18.7
"$folder/venv/bin/python" - <<'PYTHON'
import io
import struct
import sys
import zlib
from importlib.metadata import version

import pyvips
from PIL import Image

print("Pillow", version("pillow"), "(files encoded with pyvips-binary", version("pyvips-binary") + ")")
NONE, BACKGROUND, PREVIOUS = range(3)
SOURCE, OVER = range(2)
RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def plain(colour, width=4, height=4):
    image = pyvips.Image.black(width, height, bands=len(colour)).linear(0, list(colour)).cast("uchar")
    return image.copy(interpretation="srgb")


def coded(image, interlaced):
    """Header and pixels."""
    data, at, found = bytes(image.pngsave_buffer(keep="none", interlace=interlaced)), 8, {}
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        kind = data[at + 4 : at + 8]
        found[kind] = found.get(kind, b"") + data[at + 8 : at + 8 + length]
        at += 12 + length
    return found[b"IHDR"], found[b"IDAT"]


def apng(frames, static=None, interlaced=False):
    """`frames`: pixels, disposal, blending; the first one is the static picture unless there is another."""
    header, first = coded(static or frames[0][0], interlaced)
    parts = [chunk(b"IHDR", header), chunk(b"acTL", struct.pack(">II", len(frames), 0))]
    parts += [chunk(b"IDAT", first)] if static else []
    number = 0
    for image, disposal, blending in frames:
        control = struct.pack(">IIIIIHHBB", number, image.width, image.height, 0, 0, 1, 10, disposal, blending)
        parts.append(chunk(b"fcTL", control))
        number += 1
        if number == 1 and not static:
            parts.append(chunk(b"IDAT", first))
        else:
            parts.append(chunk(b"fdAT", struct.pack(">I", number) + coded(image, interlaced)[1]))
            number += 1
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts) + chunk(b"IEND", b"")


def shown(data, frame, at):
    picture = Image.open(io.BytesIO(data))
    try:
        for number in range(frame + 1):
            picture.seek(number)
            picture.load()
        return picture.convert("RGBA").getpixel(at)
    except TypeError as error:
        return f"TypeError: {error}"


opaque, small = (*GREEN, 255), plain((*RED, 255), 2, 2)
base = plain((*BLUE, 255))
seen = {
    "static picture apart, beside the first frame": shown(apng([(small, NONE, SOURCE), (small, NONE, SOURCE)], base), 1, (3, 3)),
    "RGB, cleared": shown(apng([(plain(RED), BACKGROUND, SOURCE), (plain(BLUE, 2, 2), NONE, SOURCE)]), 1, (3, 3)),
    "after OVER with PREVIOUS": shown(
        apng([(base, NONE, SOURCE), (plain(opaque, 3, 3), PREVIOUS, OVER), (small, NONE, SOURCE)]), 2, (2, 2)
    ),
    "half OVER half": shown(apng([(plain((*BLUE, 128)), NONE, SOURCE), (plain((*BLUE, 128)), NONE, OVER)]), 1, (1, 1)),
    "interlaced": shown(apng([(base, NONE, SOURCE), (small, NONE, SOURCE)], interlaced=True), 1, (1, 1)),
}
right = {
    "static picture apart, beside the first frame": (0, 0, 0, 0),
    "RGB, cleared": (0, 0, 0, 0),
    "after OVER with PREVIOUS": (0, 0, 255, 255),
    "half OVER half": (0, 0, 255, 192),
    "interlaced": (255, 0, 0, 255),
}
for name, pixel in seen.items():
    print(f"{name}: {pixel}; by the standard {right[name]}")
sys.exit(any(seen[name] == right[name] for name in right))
PYTHON
