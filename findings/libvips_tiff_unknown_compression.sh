#!/usr/bin/env bash
# libvips shows a valid TIFF in a compression that it was built without as a black picture, and reports no error
#
# Expected: an error, or at least pixels that are not made up: with the default, and with fail_on="truncated" as well.
# Seen: pyvips 3.2.0 with pyvips-binary 8.18.7 and files by tifffile 2026.3.3 with imagecodecs 2026.3.6, on 2026-11-30: TIFFs in Zstandard, LZMA,
#   JPEG XL and PNG open, and all their pixels are 0. Only fail_on="error" says "ZSTD compression support is not configured", and only in strips;
#   in tiles it takes fail_on="warning", which refuses strips for any warning, as of an empty profile.
# Why it matters: a thumbnail of a scan or a map is silently black. Our pipeline compares Compression with a list of its own
#   (tiff_compressions.py) and reads strips with "error", tiles with "warning" (loaders/tiff.py, test_tiff_damage.py).
# Exit code: 0 while that is so, 1 when the behaviour has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pyvips==3.2.0 pyvips-binary==8.18.7 tifffile==2026.3.3 imagecodecs==2026.3.6 \
    numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import io
import sys
from importlib.metadata import version

import numpy
import pyvips
import tifffile

print("pyvips-binary", version("pyvips-binary"))
changed = False
for tile in (None, (64, 64)):
    for compression in ("zstd", "lzma", "jpegxl", "png"):
        file = io.BytesIO()
        right = numpy.full((128, 128, 3), 200, "uint8")
        tifffile.imwrite(file, right, compression=compression, tile=tile, photometric="rgb", metadata=None)
        assert (tifffile.imread(io.BytesIO(file.getvalue())) == right).all()
        seen = {}
        for fail_on in ("none", "truncated", "error", "warning"):
            try:
                seen[fail_on] = pyvips.Image.tiffload_buffer(file.getvalue(), fail_on=fail_on).avg()
            except pyvips.Error:
                seen[fail_on] = "refused"
        print("tiles" if tile else "strips", compression, seen)
        changed |= list(seen.values()) != ([0.0, 0.0, 0.0, "refused"] if tile else [0.0, 0.0, "refused", "refused"])
sys.exit(changed)
PYTHON
