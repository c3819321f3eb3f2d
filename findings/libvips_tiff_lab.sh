#!/usr/bin/env bash
# libvips 8.18 refuses the TIFFs in CIE L*a*b* of 8 bits that 8.17 reads, and both show ICCLab without turning it into colours
#
# Expected: L* 50, a* and b* 0 is the grey 119, whether stored as TIFF 6.0 has it (PhotometricInterpretation 8, signed a* and b*) or as ICC
#   has it (9, an offset of 128).
# Seen: pyvips 3.2.0 with files by tifffile 2026.3.3, on 2026-11-30: pyvips-binary 8.17.3 reads CIELab of 8 bits, 8.18.7 says "bad labq format"
#   when it opens the file; ICCLab comes as three bands of `multiband` in both, and to sRGB these go as they are: (128, 128, 128).
# Why it matters: a file that worked yesterday fails after an upgrade, and its sister comes out in false colours. Our loader reads the plain
#   samples and makes the colours itself (loaders/tiff_colours.py, test_lab).
# Exit code: 0 while that is so, 1 when the behaviour has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/lab.py" <<'PYTHON'
import io
import sys
from importlib.metadata import version

import numpy
import pyvips
import tifffile

print("pyvips-binary", version("pyvips-binary"))
seen = []
for name, pixel in (("cielab", (128, 0, 0)), ("icclab", (128, 128, 128))):
    file = io.BytesIO()
    tifffile.imwrite(file, numpy.full((16, 16, 3), pixel, "uint8"), photometric=name, metadata=None)
    try:
        image = pyvips.Image.tiffload_buffer(file.getvalue())
        shown = str([round(value) for value in image.colourspace("srgb")(8, 8)])
        print(f"{name}: {image.interpretation}, as sRGB {shown}")
    except pyvips.Error as error:
        shown = "bad labq format" if "bad labq format" in str(error) else str(error)
        print(f"{name}: {shown}")
    seen.append(shown)
sys.exit(seen != [sys.argv[1], "[128, 128, 128]"])
PYTHON
for release in "8.17.3=[119, 119, 119]" "8.18.7=bad labq format"; do
    python3 -m venv --clear "$folder/venv"
    "$folder/venv/bin/pip" install --quiet --disable-pip-version-check pyvips==3.2.0 "pyvips-binary==${release%%=*}" tifffile==2026.3.3 numpy==2.4.6
    "$folder/venv/bin/python" "$folder/lab.py" "${release#*=}"
done
