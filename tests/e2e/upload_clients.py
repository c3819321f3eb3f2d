"""Clients that people upload with: each posts one body, by its length or in chunks, and says which status it has read."""

import http.client
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from urllib.parse import urlsplit

import httpx
import httpx2
import requests
from msgspec import Struct

from tests.e2e.processes import PROJECT
from tests.services.tools import tool

PIECE_BYTES = 2**16
SECONDS = 60


class Post(Struct, frozen=True):
    """What is to be sent: the bytes of `file` to `url`. `chunked`: without saying how many there are."""

    url: str
    content_type: str
    file: Path
    chunked: bool

    @property
    def headers(self) -> dict[str, str]:
        return {"content-type": self.content_type}

    @property
    def arguments(self) -> list[str]:
        """For a client that is a program; empty is no."""
        return [self.url, self.content_type, str(self.file), "yes" if self.chunked else ""]

    def pieces(self) -> Iterator[bytes]:
        with self.file.open("rb") as opened:
            yield from iter(lambda: opened.read(PIECE_BYTES), b"")


Client = Callable[[Post, int], list[int]]
"""Posts so many times, on a new connection each, and returns the statuses. Raises what the client raises."""


def _each(once: Callable[[Post], int]) -> Client:
    return lambda post, times: [once(post) for _ in range(times)]


def _http_client(post: Post) -> int:
    at = urlsplit(post.url)
    connection = http.client.HTTPConnection(at.hostname or "", at.port, timeout=SECONDS)
    try:
        if post.chunked:
            headers = {**post.headers, "transfer-encoding": "chunked"}
            connection.request("POST", at.path, post.pieces(), headers, encode_chunked=True)
        else:
            connection.request("POST", at.path, post.file.read_bytes(), post.headers)
        return connection.getresponse().status
    finally:
        connection.close()


def _requests(post: Post) -> int:
    body = post.pieces() if post.chunked else post.file.read_bytes()
    return requests.post(post.url, body, headers=post.headers, timeout=SECONDS).status_code


def _httpx(library: ModuleType) -> Client:
    """By httpx, or by its fork, which `imagectl` is built on."""

    def send(post: Post) -> int:
        body = post.pieces() if post.chunked else post.file.read_bytes()
        status: int = library.post(post.url, content=body, headers=post.headers, timeout=SECONDS, trust_env=False).status_code
        return status

    return _each(send)


def _aiohttp(*, expect: bool) -> Client:
    command = [sys.executable, "-W", "ignore", "-m", "tests.e2e.aiohttp_posts"]

    def send(post: Post, times: int) -> list[int]:
        return _statuses([*command, *post.arguments, "yes" if expect else "", str(times)])

    return send


def _curl(*more: str, expect: bool = False) -> Client:
    """With `Expect: 100-continue`, as it sends it by itself before bodies above a megabyte, or without."""

    def send(post: Post) -> int:
        headers = [f"content-type: {post.content_type}", *(["transfer-encoding: chunked"] if post.chunked else [])]
        headers += ["expect: 100-continue" if expect else "expect:"]
        given = [word for header in headers for word in ("--header", header)]
        command = [tool("curl"), "--silent", "--output", "/dev/null", "--write-out", "%{http_code}", *more, *given]
        done = subprocess.run([*command, "--data-binary", f"@{post.file}", post.url], capture_output=True, check=True)
        return int(done.stdout)

    return _each(send)


FETCH = """
const [, url, contentType, file, chunked, times] = process.argv
const fs = require('node:fs')
const { Readable } = require('node:stream')
async function post() {
  const body = chunked ? Readable.toWeb(fs.createReadStream(file)) : fs.readFileSync(file)
  const answer = await fetch(url, { method: 'POST', body, headers: { 'content-type': contentType }, duplex: 'half' })
  await answer.text()
  return answer.status
}
async function all() {
  const seen = []
  for (let n = 0; n < Number(times); n++) seen.push(await post())
  console.log(JSON.stringify(seen))
}
all()
"""


def _node(post: Post, times: int) -> list[int]:
    return _statuses([tool("node"), "--eval", FETCH, *post.arguments, str(times)])


def _statuses(command: list[str]) -> list[int]:
    """What a program prints that posts so many times."""
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    seen: list[int] = json.loads(done.stdout)
    return seen


CLIENTS: dict[str, Client] = {
    "http.client": _each(_http_client),
    "requests": _each(_requests),
    "httpx": _httpx(httpx),
    "httpx2": _httpx(httpx2),
    "aiohttp": _aiohttp(expect=False),
    "aiohttp-expect": _aiohttp(expect=True),
    "curl": _curl(),
    "curl-expect": _curl(expect=True),
    "curl-http2": _curl("--http2"),  # offers it with `Upgrade: h2c`, as Java's HttpClient does
    "node-fetch": _node,
}
