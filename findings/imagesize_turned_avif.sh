#!/usr/bin/env bash
# imagesize reads no size of an AVIF or HEIC whose picture is turned
#
# Expected: the size of an AVIF picture that has the property `irot` (ISO/IEC 23008-12), as telephones write it and Pillow does for an
#   EXIF orientation; and that `irot` 1, a quarter turn anticlockwise, is EXIF orientation 8.
# Seen: imagesize 2.0.1, with Pillow 13.0.0, on 2026-11-30: (-1, -1) for every picture with `irot`. It reads five bytes of a property that
#   has one (its version and flags are not there: `irot` is no full box), and raises "Invalid ISO box payload". Its table would also have
#   `irot` 1 as orientation 6. Only mirrored pictures (`imir`) and those that lie as they are have a size.
# Why it matters: the size of an upload is then unknown until a decoder has seen it, and a limit of size can't be held before.
# Exit code: 0 while that is so, 1 when the behaviour has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check imagesize==2.0.1 pillow==13.0.0
"$folder/venv/bin/python" - <<'PYTHON'
import io
import sys
from importlib.metadata import version

import imagesize
from PIL import Image

print("imagesize", version("imagesize"), "Pillow", version("pillow"))
sizes = {}
for orientation in range(1, 9):
    out, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = orientation
    Image.new("RGB", (40, 30), "red").save(out, "AVIF", exif=exif)
    turned = b"irot" in out.getvalue()
    sizes[orientation] = imagesize.get(io.BytesIO(out.getvalue()), exif_rotation=True)
    print(f"orientation {orientation}: irot {'yes' if turned else 'no'}, imir {'yes' if b'imir' in out.getvalue() else 'no'}: {sizes[orientation]}")
unread = [orientation for orientation, size in sizes.items() if size == (-1, -1)]
print("no size for the orientations", unread)
sys.exit(unread != [3, 5, 6, 7, 8])
PYTHON
