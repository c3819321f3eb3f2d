#!/usr/bin/env bash
# aiohttp's forms percent-encode a file's name, unless they are told not to; other clients send it as UTF-8
#
# Expected: `filename="café 1.png"` in UTF-8 with a quote as %22, as browsers (HTML, multipart/form-data encoding algorithm), httpx, requests,
#   urllib3 2 and curl send it.
# Seen: aiohttp 3.14.5 on 2026-11-30: `filename="caf%C3%A9%201.png"`. RFC 7578, section 2, allows that, but nothing in the request says so, and a
#   browser sends the same bytes for a file that is really named `caf%C3%A9%201.png`. FormData(quote_fields=False) sends UTF-8.
# Why it matters: a server either shows aiohttp's names percent-encoded, or renames files whose names have a percent sign. Ours keeps what
#   came.
# Exit code: 0 while that is so, 1 when the behaviour has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check aiohttp==3.14.5 httpx==0.28.1
"$folder/venv/bin/python" - <<'PYTHON'
import asyncio
import sys
from importlib.metadata import version

import aiohttp
import httpx

NAME = "caf\u00e9 1.png"


def disposition(body: bytes) -> str:
    [line] = [line for line in body.split(b"\r\n") if line.lower().startswith(b"content-disposition")]
    return line.decode()


def by_httpx() -> bytes:
    return httpx.Request("POST", "http://localhost/", files={"image": (NAME, b"x")}).read()


async def by_aiohttp(**options: bool) -> bytes:
    form = aiohttp.FormData(**options)
    form.add_field("image", b"x", filename=NAME)
    return await form().as_bytes()


print("aiohttp", version("aiohttp"), "httpx", version("httpx"))
seen = {
    "httpx": disposition(by_httpx()),
    "aiohttp": disposition(asyncio.run(by_aiohttp())),
    "aiohttp, quote_fields=False": disposition(asyncio.run(by_aiohttp(quote_fields=False))),
}
for client, line in seen.items():
    print(f"{client}: {line}")
sys.exit([NAME in line for line in seen.values()] != [True, False, True] or "caf%C3%A9%201.png" not in seen["aiohttp"])
PYTHON
