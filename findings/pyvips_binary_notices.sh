#!/usr/bin/env bash
# The wheel pyvips-binary holds libvips and some twenty-five libraries, states the LGPL, and has the text of the MIT licence alone
#
# Expected: a wheel with LGPL libraries inside brings the LGPL's text and names what it holds, as the npm packages of the same libraries do in
#   their README, or as wheels that were repaired by a newer auditwheel do in `dist-info/sboms`.
# Seen: pyvips-binary 8.18.7 (manylinux, x86-64), on 2026-11-30: `License: LGPL-3.0-or-later`, one file of licences, which is the MIT
#   licence of the scripts that built it, no list of libraries, no SBOM. The one shared object has GLib, Pango, cairo, libheif, … inside.
# Why it matters: whoever hands on an image with it has to add texts and notices; a tool that collects `dist-info/licenses` does not.
# Exit code: 0 while that is so, 1 when the behaviour has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps pyvips-binary==8.18.7
cat > "$folder/seen.py" <<'PYTHON'
import sys
from importlib.metadata import distribution

package = distribution("pyvips-binary")
files = [file for file in package.files or () if not str(file).endswith(".pyc")]
texts = [file for file in files if "licenses" in file.parts]
sboms = [file for file in files if "sboms" in file.parts]
library = next(file for file in files if ".so.42" in file.name)
inside = [name for name in (b"libheif", b"pango", b"cairo", b"libexif", b"librsvg") if name in package.locate_file(library).read_bytes()]
told = "\n".join(file.read_text() for file in files if file.suffix in ("", ".md", ".txt", ".rst") and ".dist-info" in str(file))

print("pyvips-binary", package.version, "states", package.metadata["License"])
print("texts:", [(str(file), file.read_text().splitlines()[0]) for file in texts], "SBOMs:", sboms)
print("inside", library.name, ":", b", ".join(inside).decode())
named = [name.decode() for name in inside if name.decode() in told.lower()]
print("of these, its metadata name:", named or "none")
as_seen = (
    "LGPL" in package.metadata["License"]
    and [file.read_text().splitlines()[0] for file in texts] == ["MIT License"]
    and not sboms
    and len(inside) == 5
    and not named
)
sys.exit(not as_seen)
PYTHON
"$folder/venv/bin/python" "$folder/seen.py"
