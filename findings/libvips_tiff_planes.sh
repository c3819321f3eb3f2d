#!/usr/bin/env bash
# libvips shows TIFF samples that lie in separate planes in the wrong places, unless they are whole numbers in RGB or CMYK
#
# Expected: the same pixels whether the samples of a pixel lie together (PlanarConfiguration 1) or each in a plane of its own (2).
# Seen: pyvips-binary 8.18.7 (libvips 8.18.7, pyvips 3.2.0), with files by tifffile 2026.3.3, on 2026-11-30: RGB of 8 bits is right; grey
#   with alpha of 8 bits has its rows mixed up, and RGB of 16 bit floats its rows and channels, both without an error. A file with
#   both tiles and planes is refused at the first pixel ("tiled separate planes not supported").
# Why it matters: another picture comes out, and nothing tells. Our loader has libvips read each plane by itself (tiff_samples.py,
#   test_samples_of_every_kind).
# Exit code: 0 while that is so, 1 when the behaviour has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pyvips==3.2.0 pyvips-binary==8.18.7 tifffile==2026.3.3 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import io
import sys
from importlib.metadata import version

import numpy
import pyvips
import tifffile

print("pyvips-binary", version("pyvips-binary"), "tifffile", version("tifffile"))
down, across = numpy.mgrid[0:32, 0:48]


def read(planes: numpy.ndarray, **options: object) -> numpy.ndarray | str:
    """What libvips makes of the planes, rows x columns x samples."""
    file = io.BytesIO()
    tifffile.imwrite(file, planes, planarconfig="separate", metadata=None, **options)
    try:
        return pyvips.Image.tiffload_buffer(file.getvalue()).numpy()
    except pyvips.Error as error:
        return str(error).strip().splitlines()[-1].strip()


rgb = numpy.stack([down * 5, across * 5, down + across]).astype("uint8")
grey = numpy.stack([down * 5, numpy.full_like(down, 255)]).astype("uint8")
halves = (rgb / 255).astype("float16")
seen = {
    "RGB, 8 bits": (rgb, read(rgb, photometric="rgb", rowsperstrip=8)),
    "grey and alpha, 8 bits": (grey, read(grey, photometric="minisblack", extrasamples=[2], rowsperstrip=8)),
    "RGB, floats of 16 bits": (halves, read(halves, photometric="rgb", rowsperstrip=8)),
    "RGB, 8 bits, tiles": (rgb, read(rgb, photometric="rgb", tile=(16, 16))),
}
verdicts = []
for name, (right, shown) in seen.items():
    if isinstance(shown, str):
        verdicts.append("refused")
        print(f"{name}: {shown}")
        continue
    wrong = numpy.abs(numpy.moveaxis(right, 0, 2).astype(float) - shown).max(axis=2) > 0.001
    verdicts.append("wrong" if wrong.any() else "right")
    print(f"{name}: {wrong.mean():.0%} of the pixels are wrong; at row 9, column 9 there is {shown[9, 9]} for {right[:, 9, 9]}")
sys.exit(verdicts != ["right", "wrong", "wrong", "refused"])
PYTHON
