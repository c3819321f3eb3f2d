#!/usr/bin/env bash
# uvicorn with httptools hands on a request without its body when the request offers to upgrade, as Java's HttpClient and curl --http2 do
#
# Expected: a server that does not speak the offered protocol ignores `Upgrade` and handles the request as it is (RFC 9110, 7.8).
# Seen: uvicorn 0.54.0 with httptools 0.9.0, on 2026-11-30: the application sees an empty body, by length and in chunks. The same request is
#   read well with h11 0.16.0. Known as https://github.com/Kludex/uvicorn/issues/2722.
# Why it matters: an upload from Java, or through a client that offers HTTP/2 in clear text, is an empty form, and a 400.
# Exit code: 0 while that is so, 1 when the behaviour has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check uvicorn==0.54.0 httptools==0.9.0 h11==0.16.0
"$folder/venv/bin/python" - <<'PYTHON'
import asyncio
import socket
import sys
from importlib.metadata import version

import uvicorn

print("uvicorn", version("uvicorn"), "httptools", version("httptools"), "h11", version("h11"))
BODY = b"0123456789"
OFFER = b"connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAEAAEAA\r\n"
BY_LENGTH = b"content-length: 10\r\n\r\n" + BODY
CHUNKED = b"transfer-encoding: chunked\r\n\r\na\r\n" + BODY + b"\r\n0\r\n\r\n"


async def app(scope, receive, send):
    size, more = 0, True
    while more:
        message = await receive()
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
    body = b"%d" % size
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


async def ask(port: int, request: bytes) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
    body = await reader.readexactly(length)
    writer.close()
    await writer.wait_closed()
    return f"{head.split()[1].decode()}, the application has read {body.decode()} bytes"


async def main() -> dict[str, str]:
    seen = {}
    for implementation in ("httptools", "h11"):
        server = uvicorn.Server(uvicorn.Config(app, http=implementation, lifespan="off", log_level="critical"))
        with socket.create_server(("127.0.0.1", 0)) as listening:
            serving = asyncio.create_task(server.serve([listening]))
            while not server.started:
                await asyncio.sleep(0.01)
            port = listening.getsockname()[1]
            for framing, rest in (("by length", BY_LENGTH), ("in chunks", CHUNKED)):
                for offers, offer in (("without an offer", b""), ("with Upgrade: h2c", OFFER)):
                    request = b"POST / HTTP/1.1\r\nhost: x\r\n" + offer + rest
                    seen[f"{implementation}, {framing}, {offers}"] = await ask(port, request)
            server.should_exit = True
            await serving
    return seen


seen = asyncio.run(main())
for what, answer in seen.items():
    print(f"{what}: {answer}")
lost = {what for what, answer in seen.items() if not answer.endswith(" 10 bytes")}
sys.exit(lost != {"httptools, by length, with Upgrade: h2c", "httptools, in chunks, with Upgrade: h2c"})
PYTHON
