#!/usr/bin/env bash
# libvips does not notice a JPEG whose data end early in its last rows, whatever fail_on says
#
# Expected: jpegload with fail_on="warning" (or "truncated") is an error for a file whose entropy-coded data are cut short, with an EOI
#   behind them as some programs write it.
# Seen: pyvips 3.2.0 with pyvips-binary 8.18.7 (mozjpeg 5.0.0) on 2026-11-30. libjpeg warns, and makes grey of what is missing. libvips
#   looks at the number of warnings before it reads the next eight rows, so that with "warning" it misses those of the last ones; with
#   "truncated" it takes no warning at all. What it writes into its log when the image is closed is "read gave 1 warnings".
#   With a component more in the frame header, of which there are no data, the same libjpeg reads all scans first: every byte that is
#   missing is then an error with "warning".
# Why it matters: a photograph comes out with a grey edge, and nothing says so.
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
noise = pyvips.Image.gaussnoise(160, 120, mean=128, sigma=40, seed=1).cast("uchar").copy(interpretation="b-w")
whole = noise.jpegsave_buffer(Q=85, keep="none")


def read(data, fail_on):
    try:
        pyvips.Image.jpegload_buffer(data, access="sequential", fail_on=fail_on).avg()
    except pyvips.Error as error:
        return str(error).strip().splitlines()[-1].strip()
    return "no error"


def widened(data):
    """With a second component, of which there are no data."""
    start = data.index(b"\xff\xc0") + 2
    end = start + struct.unpack(">H", data[start : start + 2])[0]
    return data[:start] + struct.pack(">H", end - start + 3) + data[start + 2 : start + 7] + b"\2" + data[start + 8 : end] + b"\2\x11\0" + data[end:]


seen = {}
for missing in (0, 2, 200, len(whole) // 2):
    data = whole[: len(whole) - 2 - missing] + b"\xff\xd9"
    seen[missing] = [read(data, "truncated"), read(data, "warning"), read(widened(data), "warning")]
    print(f"{missing} bytes missing: truncated: {seen[missing][0]}; warning: {seen[missing][1]}; one component more: {seen[missing][2]}")
quiet = all(outcome[0] == "no error" for outcome in seen.values()) and seen[2][1] == "no error"
loud = seen[0][2] == "no error" and all("premature end" in seen[missing][2] for missing in (2, 200, len(whole) // 2))
sys.exit(not (quiet and loud and seen[len(whole) // 2][1] != "no error"))
PYTHON
