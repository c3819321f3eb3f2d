#!/usr/bin/env bash
# libwebp's animation encoder writes animations whose canvas shows through without the alpha flag, and readers disagree on them
#
# Expected: an animated WebP of RGBA frames with transparent pixels says in its VP8X chunk that it has alpha (RFC 9649, 2.7.1.2).
# Seen: pyvips 3.2.0 with pyvips-binary 8.18.7, and Pillow 13.0.0 with its own libwebp, on 2026-11-30. Frames are cut to the rectangle
#   that is not transparent. Where those are opaque the flag is missing, though the rest of the canvas is bare. libvips itself reads
#   the bare part as transparent, as Chromium shows it; Pillow opens the file as RGB, in which it is black. With the flag set, and
#   nothing else, Pillow shows it transparent. Still pictures are not concerned.
# Why it matters: a GIF whose frames move about on a transparent screen is the usual sticker.
# Exit code: 0 while that is so, 1 when the behaviour has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pyvips==3.2.0 pyvips-binary==8.18.7 pillow==13.0.0
"$folder/venv/bin/python" - <<'PYTHON'
import io
import sys
from importlib.metadata import version

import pyvips
from PIL import Image, features

for name in ("pyvips", "pyvips-binary", "pillow"):
    print(name, version(name))
print("Pillow's libwebp", features.version("webp"))
ALPHA = 0x10


def frame(colour, left):
    image = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    image.paste(colour, (left, 10, left + 20, 30))
    return image


frames = [frame((255, 0, 0, 255), 10), frame((0, 0, 255, 255), 30)]
roll = pyvips.Image.arrayjoin([pyvips.Image.new_from_array(image) for image in frames], across=1).copy(interpretation="srgb")
roll.set_type(pyvips.GValue.gint_type, "page-height", 64)
by_pillow = io.BytesIO()
frames[0].save(by_pillow, "WEBP", save_all=True, append_images=frames[1:], lossless=True)
files = {"libvips": roll.webpsave_buffer(lossless=True), "Pillow": by_pillow.getvalue()}


def shown(data):
    with Image.open(io.BytesIO(data)) as image:
        return image.mode, image.convert("RGBA").getpixel((0, 0))


as_said = True
for writer, data in files.items():
    flagged = bytearray(data)
    flagged[20] |= ALPHA
    alpha = bool(data[20] & ALPHA)
    vips = pyvips.Image.new_from_buffer(data, "", n=-1)(0, 0)
    print(f"{writer} wrote: alpha flag {alpha}; a bare pixel: libvips {vips}, Pillow {shown(data)}, with the flag {shown(flagged)}")
    as_said &= not alpha and vips[3] == 0 and shown(data) == ("RGB", (0, 0, 0, 255)) and shown(flagged) == ("RGBA", (0, 0, 0, 0))

sys.exit(not as_said)
PYTHON
