#!/usr/bin/env bash
# Litestar's CORS middleware replaces the Vary of the answer, so that a cache mixes up negotiated representations
#
# Expected: CORS adds `Origin` to the fields that an answer varies by, as the Fetch standard advises ("CORS protocol and HTTP caches"),
#   on every answer, because a cache may store the answer to a request without Origin and give it to a page.
# Seen: Litestar 2.25.0 with CORSConfig(allow_origins=["https://app.example"]), on 2026-11-30: the answer of a handler that says
#   `Vary: Accept` says `Vary: Origin` alone when the request has an allowed Origin. When it has none, or another one, `Origin` is not
#   in Vary. Every OPTIONS with an Origin is taken for a preflight, also without Access-Control-Request-Method: it has no Allow.
# Why it matters: an image service answers WebP or JPEG by Accept. A cache in front of it gives WebP to those that can't show it; and
#   a copy that was stored for a request without Origin can't be read by the page.
# Exit code: 0 while that is so, 1 when the behaviour has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check litestar==2.25.0 httpx==0.28.1
cat > "$folder/seen.py" <<'PYTHON'
import sys
from importlib.metadata import version

from litestar import Litestar, Response, get
from litestar.config.cors import CORSConfig
from litestar.testing import TestClient


@get("/picture")
async def picture() -> Response[str]:
    return Response("webp or jpeg", headers={"Vary": "Accept"})


app = Litestar([picture], cors_config=CORSConfig(allow_origins=["https://app.example"]), openapi_config=None)
seen = {}
with TestClient(app) as client:
    for name, origin in {"allowed": "https://app.example", "other": "https://other.example", "none": ""}.items():
        seen[name] = client.get("/picture", headers={"Origin": origin} if origin else {}).headers["vary"]
    options = client.options("/picture", headers={"Origin": "https://app.example"})
    seen["options"] = (options.status_code, options.headers.get("allow"))
print("litestar", version("litestar"))
for name, value in seen.items():
    print(f"{name:8} {value}")
sys.exit(seen != {"allowed": "Origin", "other": "Accept", "none": "Accept", "options": (204, None)})
PYTHON
"$folder/venv/bin/python" "$folder/seen.py"
