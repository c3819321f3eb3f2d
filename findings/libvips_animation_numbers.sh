#!/usr/bin/env bash
# libvips writes long delays and many plays of an animation as small ones, or as endless
#
# Expected: a delay that a format can't hold becomes the longest that it can, or an error; so do the plays.
# Seen: pyvips 3.2.0 with pyvips-binary 8.18.7 on 2026-11-30. GIF counts delays in 16 bits of 1/100 s: 700,000 ms come back as 44,640.
#   WebP counts them in 24 bits of a millisecond: 2**24 ms fail with "anim add error", and 0 ms come back as 100. WebP counts plays in
#   16 bits: 65,536 plays come back as 0, which is for ever; GIF keeps them.
# Why it matters: an animated PNG may hold a frame for 65,535 s and play 2**31 - 1 times.
# Exit code: 0 while that is so, 1 when the behaviour has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pyvips==3.2.0 pyvips-binary==8.18.7
"$folder/venv/bin/python" - <<'PYTHON'
import sys
from importlib.metadata import version

import pyvips

print("pyvips", version("pyvips"), "pyvips-binary", version("pyvips-binary"))


def again(maker, delay, plays):
    frames = [pyvips.Image.black(8, 8, bands=3).linear(0, [80 * n, 0, 0]).cast("uchar") for n in range(2)]
    roll = pyvips.Image.arrayjoin(frames, across=1).copy(interpretation="srgb")
    roll.set_type(pyvips.GValue.gint_type, "page-height", 8)
    roll.set_type(pyvips.GValue.array_int_type, "delay", [delay, 50])
    roll.set_type(pyvips.GValue.gint_type, "loop", plays)
    try:
        image = pyvips.Image.new_from_buffer(getattr(roll, maker)(), "", n=-1)
    except pyvips.Error as error:
        return f"error: {str(error).splitlines()[1].strip()}"
    return image.get("delay")[0], image.get("loop")


cases = [(0, 3), (655_350, 3), (700_000, 3), (2**24 - 1, 3), (2**24, 3), (100, 65_535), (100, 65_536)]
seen = {(maker, *case): again(maker, *case) for case in cases for maker in ("webpsave_buffer", "gifsave_buffer")}
for (maker, delay, plays), back in seen.items():
    print(f"{maker}: {delay} ms, {plays} plays: {back}")
wrong = {
    ("webpsave_buffer", 0, 3): (100, 3),
    ("gifsave_buffer", 700_000, 3): (44_640, 3),
    ("webpsave_buffer", 100, 65_536): (100, 0),
}
failed = isinstance(seen["webpsave_buffer", 2**24, 3], str)
sys.exit(not failed or any(seen[key] != value for key, value in wrong.items()))
PYTHON
