"""Forms of real clients, and recorded bodies of others: all mean the same upload."""

import asyncio
import base64
import http.server
import json
import subprocess
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import aiohttp
import httpx
import httpx2
import pytest
import requests
import urllib3
from msgspec import Struct

from internal.api.forms.form import Form
from internal.intake.options import UploadOptions
from tests.services.tools import tool

PICTURE = b"\xff\xd8\r\n--\r\n-- and what looks like the end of a line\r\n\xff\xd9"
NAME = 'na\u00efve "\u5199\u771f" \u202f1;2.jpg'
PLAIN_NAME = "na_ve.jpg"
PROCESSING = "resize:300x200|format:webp"
METADATA = {"caf\u00e9": 1}


class Sent(Struct):
    """A request as it was sent."""

    content_type: str
    body: bytes


async def understood(sent: Sent, *, pieces: int) -> tuple[bytes, UploadOptions]:
    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(sent.body), pieces):
            yield sent.body[start : start + pieces]

    form = Form(chunks(), sent.content_type, max_metadata_bytes=8192)
    picture = b"".join([chunk async for chunk in form.content()])
    return picture, form.options()


async def check(sent: Sent, name: str | None = NAME) -> None:
    for pieces in (1, 7, len(sent.body)):
        picture, requested = await understood(sent, pieces=pieces)
        assert picture == PICTURE
        assert (requested.filename, requested.processing, requested.metadata.value) == (name, PROCESSING, METADATA)


# Real clients, against a server that keeps what it gets


class Receiver(http.server.BaseHTTPRequestHandler):
    received: list[Sent]

    def do_POST(self) -> None:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers["Content-Length"]))
        self.received.append(Sent(self.headers["Content-Type"], body))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the library's name
        """Say nothing."""


@contextmanager
def receiver() -> Iterator[tuple[str, list[Sent]]]:
    received: list[Sent] = []
    handler = type("Receiving", (Receiver,), {"received": received})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.01,))
        serving.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/", received
        finally:
            server.shutdown()
            serving.join()


FIELDS = {"processing": PROCESSING, "metadata": json.dumps(METADATA, ensure_ascii=False)}


def by_httpx(address: str, _: Path) -> None:
    httpx.post(address, files={"image": (NAME, PICTURE, "image/jpeg")}, data=FIELDS, trust_env=False)


def by_httpx2(address: str, _: Path) -> None:
    """As `imagectl` does."""
    httpx2.post(address, files={"image": (NAME, PICTURE, "image/jpeg")}, data=FIELDS, trust_env=False)


def by_requests(address: str, _: Path) -> None:
    with requests.Session() as session:
        session.trust_env = False
        session.post(address, files={"image": (NAME, PICTURE, "image/jpeg")}, data=FIELDS, timeout=30)


def by_urllib3(address: str, _: Path) -> None:
    with urllib3.PoolManager() as pool:
        pool.request("POST", address, fields={**FIELDS, "image": (NAME, PICTURE, "image/jpeg")})


def by_aiohttp(address: str, _: Path) -> None:
    async def post() -> None:
        form = aiohttp.FormData(FIELDS, quote_fields=False)  # else 3.14.5 percent-encodes the name
        form.add_field("image", PICTURE, filename=NAME, content_type="image/jpeg")
        async with aiohttp.ClientSession() as session, session.post(address, data=form):
            pass

    asyncio.run(post())


def _run(program: str, *arguments: str, stdin: str | None = None) -> None:
    subprocess.run([tool(program), *arguments], check=True, capture_output=True, timeout=60, input=stdin, text=True)


def _curl(address: str, folder: Path, *more: str) -> None:
    picture = folder / NAME
    picture.write_bytes(PICTURE)
    escaped = str(picture).replace('"', '\\"')
    fields = [item for name, text in FIELDS.items() for item in ("--form-string", f"{name}={text}")]
    _run("curl", "--noproxy", "*", "-s", *more, "-F", f'image=@"{escaped}";type=image/jpeg', *fields, address)


def by_curl(address: str, folder: Path) -> None:
    _curl(address, folder)


def by_curl_with_backslashes(address: str, folder: Path) -> None:
    _curl(address, folder, "--form-escape")


def by_curl_chunked(address: str, folder: Path) -> None:
    _curl(address, folder, "-H", "Transfer-Encoding: chunked")


NODE = """
const [address, name, fields, picture] = JSON.parse(require("fs").readFileSync(0));
const form = new FormData();
for (const [key, text] of Object.entries(fields)) form.append(key, text);
form.append("image", new File([Buffer.from(picture, "base64")], name, { type: "image/jpeg" }));
fetch(address, { method: "POST", body: form }).catch((error) => { console.error(error); process.exit(1); });
"""


def by_node(address: str, _: Path) -> None:
    """undici's FormData follows the WHATWG, as those of browsers do."""
    given = json.dumps([address, NAME, FIELDS, base64.b64encode(PICTURE).decode()])
    _run("node", "-e", NODE, stdin=given)


CLIENTS: list[Callable[[str, Path], None]] = [
    by_httpx,
    by_httpx2,
    by_requests,
    by_urllib3,
    by_aiohttp,
    by_curl,
    by_curl_with_backslashes,
    by_curl_chunked,
    by_node,
]


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.__name__)
async def test_a_real_client(client: Callable[[str, Path], None], tmp_path: Path) -> None:
    with receiver() as (address, received):
        await asyncio.to_thread(client, address, tmp_path)
    [sent] = received
    await check(sent)


# Others, byte by byte


def form(boundary: str, *parts: str, quoted: bool = False, line: str = "", end: str = "--\r\n") -> Sent:
    """A body of these parts, each as its headers, a blank line and its content; PICTURE and NAME stand for themselves."""
    lines = "".join(f"--{boundary}{line}\r\n{part}\r\n" for part in parts) + f"--{boundary}{end}"
    body = lines.encode().replace(b"PICTURE", PICTURE)
    told = f'"{boundary}"' if quoted else boundary
    return Sent(f"multipart/form-data; boundary={told}", body)


def field(name: str, text: str, *headers: str) -> str:
    return "\r\n".join([f'Content-Disposition: form-data; name="{name}"', *headers, "", text])


TEXTS = [field("processing", PROCESSING), field("metadata", '{"caf\u00e9": 1}')]
FILE = 'Content-Disposition: form-data; name="image"; filename='
BROWSER_NAME = NAME.replace('"', "%22")
DOTNET_WORDS = f"=?utf-8?B?{base64.b64encode(NAME.encode()).decode()}?="
DOTNET_STAR = "utf-8''" + quote(NAME, safe="")

BODIES: dict[str, tuple[Sent, str | None]] = {
    "Chromium": (
        form(
            "----WebKitFormBoundary7MA4YWxkTrZu0gW",
            *TEXTS,
            f'{FILE}"{BROWSER_NAME}"\r\nContent-Type: image/jpeg\r\n\r\nPICTURE',
        ),
        NAME,
    ),
    "Firefox, with all of an HTML form's fields": (
        form(
            "----geckoformboundary2f6c8e1d0b3a4957",
            field("_charset_", "UTF-8"),
            *TEXTS,
            field("renditions", ""),
            f'{FILE}"{BROWSER_NAME}"\r\nContent-Type: image/jpeg\r\n\r\nPICTURE',
            f'{FILE.replace("image", "second")}""\r\nContent-Type: application/octet-stream\r\n\r\n',
        ),
        NAME,
    ),
    "Uppy's XHR upload": (
        form(
            "----WebKitFormBoundaryUPPY",
            *TEXTS,
            field("name", NAME),
            field("type", "image/jpeg"),
            f'{FILE}"{BROWSER_NAME}"\r\nContent-Type: image/jpeg\r\n\r\nPICTURE',
        ),
        NAME,
    ),
    ".NET's HttpClient": (
        form(
            "d2a4a1c0-5f34-4d5c-9d0c-2f0f3e6a7b11",
            *(
                f"Content-Type: text/plain; charset=utf-8\r\nContent-Disposition: form-data; name={name}\r\n\r\n{text}"
                for name, text in (("processing", PROCESSING), ("metadata", '{"caf\u00e9": 1}'))
            ),
            "Content-Type: image/jpeg\r\nContent-Disposition: form-data; name=image; "
            f'filename="{DOTNET_WORDS}"; filename*={DOTNET_STAR}\r\n\r\nPICTURE',
            quoted=True,
        ),
        NAME,
    ),
    ".NET, with a file name set by hand": (
        form(
            "d2a4a1c0-5f34-4d5c-9d0c-2f0f3e6a7b11",
            *TEXTS,
            f'Content-Disposition: form-data; name=image; filename="{DOTNET_WORDS}"\r\n\r\nPICTURE',
            quoted=True,
        ),
        NAME,
    ),
    "aiohttp 3.14.5 unless it is told `quote_fields=False`: kept, since a file may really be named so": (
        form("5f1e6c1c8f4d4b7f9a2e", *TEXTS, f'{FILE}"na%C3%AFve%201.jpg"\r\nContent-Type: image/jpeg\r\n\r\nPICTURE'),
        "na%C3%AFve%201.jpg",
    ),
    "urllib3 1, and so requests for years": (
        form("2c8c0f4b9d7e4a1f8b6d5e3c2a1b0f9e", *TEXTS, f"{FILE.removesuffix('=')}*={DOTNET_STAR}\r\n\r\nPICTURE"),
        NAME,
    ),
    "OkHttp": (
        form(
            "b6a1f1e2-7d1c-4f0e-9a57-0d2c5d3b8a10",
            field("processing", PROCESSING, f"Content-Length: {len(PROCESSING)}"),
            field(
                "metadata",
                '{"caf\u00e9": 1}',
                "Content-Transfer-Encoding: binary",
                "Content-Type: application/json; charset=UTF-8",
            ),
            f'{FILE}"{BROWSER_NAME}"\r\nContent-Type: image/jpeg\r\nContent-Length: {len(PICTURE)}\r\n\r\nPICTURE',
        ),
        NAME,
    ),
    "Apache HttpClient in its strict mode, whose names are ASCII": (
        form(
            "xK3x-_pQ9",
            field("processing", PROCESSING, "Content-Type: text/plain; charset=ISO-8859-1", "Content-Transfer-Encoding: 8bit"),
            field("metadata", '{"caf\\u00e9": 1}'),
            f'{FILE}"na?ve.jpg"\r\nContent-Type: image/jpeg\r\nContent-Transfer-Encoding: binary\r\n\r\nPICTURE',
        ),
        "na?ve.jpg",
    ),
    "an old one of Windows, with its path": (
        form("---------------------------7d9387b1a0", *TEXTS, f'{FILE}"C:\\Pictures\\{PLAIN_NAME}"\r\n\r\nPICTURE'),
        PLAIN_NAME,
    ),
    "a mail library: folded, padded, with a preamble and an epilogue": (
        form(
            "=_Part_1_2.3",
            *TEXTS,
            f'Content-Disposition: form-data;\r\n name="image";\r\n\tfilename="{PLAIN_NAME}"\r\n\r\nPICTURE',
            quoted=True,
            line=" \t",
            end="--  \r\nThat was all.\r\n",
        ),
        PLAIN_NAME,
    ),
}


@pytest.mark.parametrize("client", BODIES)
async def test_a_body_of(client: str) -> None:
    sent, name = BODIES[client]
    await check(sent, name)
    await check(Sent(sent.content_type, b"This is a message in many parts.\r\n" + sent.body), name)
