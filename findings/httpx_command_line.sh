#!/usr/bin/env bash
# `import httpx` imports its command line too, with rich and pygments, wherever these happen to be installed; httpx2 does not
#
# Expected: a library's `import` loads the library. Its command line (`pip install httpx[cli]`) loads when the command is run.
# Seen: httpx 0.28.1, on 2026-11-30: its `__init__` imports `httpx._main`, and with it click, rich, pygments and markdown-it, whenever all of
#   them are there, whoever needs them (here pip installs them by name; a web framework's command line brings them just as well). Without them
#   it swallows the ImportError. httpx2 2.16.2, its fork, imports `main` when somebody asks for it.
# Why it matters: a program that only makes requests starts slower and takes more memory, and by how much depends on packages that it never
#   asked for: our `imagectl` took 100 ms of CPU and 32 MB to import with httpx, and takes 79 ms and 28 MB with httpx2.
# Exit code: 0 while that is so, 1 when the behaviour has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check httpx==0.28.1 httpx2==2.16.2 click==8.1.8 rich==13.9.4 pygments==2.19.1
cat > "$folder/seen.py" <<'PYTHON'
import importlib
import resource
import sys
import time
from importlib.metadata import version

name = sys.argv[1]
began = time.process_time()
importlib.import_module(name)
cpu = time.process_time() - began
found = sorted({"click", "rich", "pygments"} & sys.modules.keys())
print(f"{name} {version(name)}: {len(sys.modules)} modules, {cpu * 1000:.0f} ms, {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB, of the command line: {found}")
sys.exit(found != (["click", "pygments", "rich"] if name == "httpx" else []))
PYTHON
"$folder/venv/bin/python" "$folder/seen.py" httpx
"$folder/venv/bin/python" "$folder/seen.py" httpx2
