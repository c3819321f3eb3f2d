#!/usr/bin/env bash
# Litestar's compression keeps a strong ETag for other bytes, compresses a part of a picture, and takes `gzip;q=0` for a wish
#
# Expected: (1) compressed bytes are another representation, so a strong tag may not stay the same (RFC 9110, 8.8.1; the example of
#   8.8.3.3 is this one); (2) a 206 has the bytes that its Content-Range names; (3) a coding with `q=0` is not acceptable (12.5.3);
#   (4) the uncompressed answer says `Vary: Accept-Encoding` too, because a cache may get that one first.
# Seen: Litestar 2.25.0 with CompressionConfig(backend="gzip"), on 2026-11-30: (1) the same strong tag on both; (2) a 206 of a JPEG
#   with `Content-Range: bytes 0-1999/5000` is compressed: its body has 42 bytes; (3) it is sent compressed; (4) `Vary` is on the
#   compressed answer only.
# Why it matters: a client that joins ranges of a picture by its tag makes a broken file; a client that can't decompress gets what it
#   has refused; a cache gives compressed bytes to nobody or to everybody.
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
from litestar.config.compression import CompressionConfig
from litestar.testing import TestClient


@get("/text")
async def text() -> Response[str]:
    return Response("text " * 1000, headers={"ETag": '"of-the-text"'})


@get("/part", media_type="image/jpeg", status_code=206)
async def part() -> Response[bytes]:
    return Response(bytes(2000), media_type="image/jpeg", status_code=206, headers={"Content-Range": "bytes 0-1999/5000"})


app = Litestar([text, part], compression_config=CompressionConfig(backend="gzip"), openapi_config=None)
with TestClient(app) as client:
    asked = {"plain": ("/text", "identity"), "gzip": ("/text", "gzip"), "refused": ("/text", "gzip;q=0"), "part": ("/part", "gzip")}
    answers = {name: client.get(path, headers={"Accept-Encoding": accept}) for name, (path, accept) in asked.items()}
print("litestar", version("litestar"))
seen = {}
for name, answer in answers.items():
    fields = ("etag", "vary", "content-encoding", "content-range")
    seen[name] = {field: answer.headers[field] for field in fields if field in answer.headers}
    print(f"{name:8} {answer.status_code} {answer.headers['content-length']:>5} bytes {seen[name]}")
compressed = {"etag": '"of-the-text"', "vary": "Accept-Encoding", "content-encoding": "gzip"}
expected = {
    "plain": {"etag": '"of-the-text"'},
    "gzip": compressed,
    "refused": compressed,
    "part": {"vary": "Accept-Encoding", "content-encoding": "gzip", "content-range": "bytes 0-1999/5000"},
}
sys.exit(seen != expected)
PYTHON
"$folder/venv/bin/python" "$folder/seen.py"
