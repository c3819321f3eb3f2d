#!/usr/bin/env bash
# Litestar's OpenAPI document is another one in each process: the paths of a handler that has several come in any order
#
# Expected: the same routes give the same document, byte for byte, in every process.
# Seen: Litestar 2.25.0, on 2026-11-30: a handler with a list of paths keeps them as a set of texts, whose order Python chooses anew in
#   each process (PYTHONHASHSEED). Of 8 processes some write `/health` first and some `/health/ready`.
# Why it matters: an ETag that is made of the document differs between the processes behind one port, so a client that revalidates
#   gets all of it again; a document that is committed, or clients that are generated from it, change without a change.
# Exit code: 0 while that is so, 1 when the behaviour has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check litestar==2.25.0
cat > "$folder/seen.py" <<'PYTHON'
from litestar import Litestar, get
from litestar.openapi.config import OpenAPIConfig


@get(["/health", "/health/ready", "/health/live"])
async def health() -> dict[str, str]:
    return {"status": "ok"}


print(*Litestar([health], openapi_config=OpenAPIConfig("t", "1")).openapi_schema.to_schema()["paths"])
PYTHON
"$folder/venv/bin/python" -c 'from importlib.metadata import version; print("litestar", version("litestar"))'
for seed in 1 2 3 4 5 6 7 8; do
    PYTHONHASHSEED=$seed "$folder/venv/bin/python" "$folder/seen.py" | tee -a "$folder/orders"
done
[ "$(sort -u "$folder/orders" | wc -l)" -gt 1 ]
