#!/usr/bin/env bash
# filetype takes a TIFF for a Canon raw file because of the colour of its first pixels, and knows neither BigTIFF nor AVIF sequences
#
# Expected: image/tiff for every TIFF, image/png for an animated PNG (PNG 3 gives it no type of its own that must be used), image/avif for
#   an AVIF sequence, image/tiff for BigTIFF.
# Seen: filetype 1.2.0 (the last release, 2022), with pyvips 3.2.0 (pyvips-binary 8.18.7) and Pillow 13.0.0, on 2026-11-30: a TIFF whose first
#   pixel is (67, 82, 100) is image/x-canon-cr2, because the bytes at 8 are "CR" and libvips writes pixels directly behind the header; an
#   animated PNG is image/apng; a BigTIFF and an AVIF sequence (brand avis) are nothing.
# Why it matters: a list of types that are taken refuses good pictures. A CR2 file has more than two letters at 8: its first directory
#   lies at 16 and names Canon.
# Exit code: 0 while that is so, 1 when the behaviour has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check filetype==1.2.0 pyvips==3.2.0 pyvips-binary==8.18.7 pillow==13.0.0
"$folder/venv/bin/python" - <<'PYTHON'
import io
import sys
from importlib.metadata import version

import filetype
import pyvips
from PIL import Image

print("filetype", version("filetype"), "pyvips-binary", version("pyvips-binary"), "Pillow", version("pillow"))
plain = pyvips.Image.black(40, 30, bands=3).linear(1, [67, 82, 100]).cast("uchar").copy(interpretation="srgb")
frames = [Image.new("RGB", (40, 30), colour) for colour in ("red", "lime", "blue")]


def animated(kind: str) -> bytes:
    out = io.BytesIO()
    frames[0].save(out, kind, save_all=True, append_images=frames[1:], duration=100)
    return out.getvalue()


files = {
    "TIFF of colour (67, 82, 100)": bytes(plain.tiffsave_buffer()),
    "the same, LZW": bytes(plain.tiffsave_buffer(compression="lzw")),
    "BigTIFF": bytes(plain.tiffsave_buffer(bigtiff=True, compression="lzw")),
    "animated PNG": animated("PNG"),
    "AVIF sequence": animated("AVIF"),
}
seen = {name: filetype.guess_mime(data) for name, data in files.items()}
for name, kind in seen.items():
    print(f"{name}: bytes at 8 {files[name][8:10]!r}: {kind}")
sys.exit(list(seen.values()) != ["image/x-canon-cr2", "image/tiff", None, "image/apng", None])
PYTHON
