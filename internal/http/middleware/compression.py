"""Compression of JSON, HTML, JavaScript and CSS, with brotli or gzip as the client prefers (RFC 9110, 12.5.3).

Answers to GET and HEAD are compressed, from MIN_BYTES on, if they are sent in one piece. Pictures are compressed already, and
events have to arrive one by one: neither is touched, and no part of anything (206). Answers to other methods stay as they are:
they are short, and those that show a secret (a new key) are among them.

Compressed bytes are another representation with a tag of their own, `"abc-br"` for `"abc"`. What a client sends back in
`If-None-Match` or `If-Match` loses the ending before a handler compares it.

Litestar 2.25.0 has a middleware for this. It compresses JPEGs and parts, keeps the strong tag for other bytes, sets
`Vary: Accept-Encoding` on compressed answers only, and takes `gzip;q=0` for a wish.
"""

import asyncio
import gzip
import re
from functools import lru_cache

import brotli  # type: ignore[import-untyped]

from internal.http.asgi import App, Header, Message, Receive, Scope, Send
from internal.http.vary import vary_by

MIN_BYTES = 500

MAX_FIELD = 1000
"""Characters of Accept-Encoding that are read; Chromium sends 23."""

THREAD_BYTES = 2**15
"""From this size on a body is compressed in a thread, and kept: the documents' assets are the same every time."""

MEDIA_TYPES = frozenset({b"application/json", b"application/problem+json", b"text/html", b"text/css", b"text/javascript"})

GZIP_LEVEL, BROTLI_QUALITY = 6, 5

ACCEPT_ENCODING = b"accept-encoding"
_TAG_FIELDS = (b"if-none-match", b"if-match")
_OWN_TAG = re.compile(rb'-(?:br|gzip)"')
_QUALITY = re.compile(r"(?:0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)")


def compress(body: bytes, coding: str) -> bytes:
    if coding == "br":
        compressed: bytes = brotli.compress(body, mode=brotli.MODE_TEXT, quality=BROTLI_QUALITY)
        return compressed
    return gzip.compress(body, GZIP_LEVEL, mtime=0)


compress_large = lru_cache(maxsize=16)(compress)


def chosen_coding(headers: list[Header]) -> str | None:
    """The coding that the client likes best, `br` before `gzip`; None: the bytes as they are."""
    field = b",".join(value for name, value in headers if name == ACCEPT_ENCODING)
    if not field or len(field) > MAX_FIELD:
        return None
    wishes = dict(_wish(item) for item in field.decode("latin-1").lower().split(","))
    anything = wishes.get("*", 0.0)
    ranked = {"br": wishes.get("br", anything), "gzip": max(wishes.get("gzip", anything), wishes.get("x-gzip", 0.0))}
    best = max(ranked, key=lambda coding: ranked[coding])
    return best if ranked[best] > 0 and ranked[best] >= wishes.get("identity", 0.0) else None


def _wish(item: str) -> tuple[str, float]:
    """A coding and how much it is wanted, 0 to 1. One that is not well-formed is not wanted."""
    coding, _, parameter = item.partition(";")
    name, _, quality = parameter.partition("=")
    if not parameter.strip():
        return coding.strip(), 1.0
    known = name.strip() == "q" and _QUALITY.fullmatch(quality.strip())
    return coding.strip(), float(quality) if known else 0.0


class Compression:
    """ASGI middleware, inside the one that makes HEAD of GET: so HEAD has the headers of the compressed answer.

    INVARIANT: two representations with different bytes have different tags
    (tests/unit/http/test_compression.py::test_a_tag_belongs_to_its_bytes).
    """

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers = scope["headers"]
            known = _own_tags(headers)
            if known:
                scope["headers"] = [
                    (name, _OWN_TAG.sub(b'"', value) if name in _TAG_FIELDS else value) for name, value in headers
                ]
            if scope["method"] == "GET":
                send = _Answer(send, chosen_coding(headers), known).send
        await self._app(scope, receive, send)


def _own_tags(headers: list[Header]) -> list[bytes]:
    """The values of conditions with tags of compressed answers."""
    return [value for name, value in headers if name in _TAG_FIELDS and _OWN_TAG.search(value)]


class _Answer:
    """One answer, whose head waits for its body."""

    def __init__(self, send: Send, coding: str | None, known: list[bytes]) -> None:
        self._send, self._coding, self._known = send, coding, known
        self._head: Message | None = None

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            if message["status"] == 304:
                await self._send({**message, "headers": self._revalidated(message.get("headers", []))})
            elif _is_compressible(message):
                self._head = message
            else:
                await self._send(message)
            return
        if self._head is not None:
            head, self._head = self._head, None
            head["headers"] = vary_by(head["headers"], ACCEPT_ENCODING)
            body = message.get("body", b"")
            if self._coding is not None and len(body) >= MIN_BYTES and not message.get("more_body", False):
                message = {**message, "body": await _compressed(body, self._coding)}
                head["headers"] = _described(head["headers"], self._coding, len(message["body"]))
            await self._send(head)
        await self._send(message)

    def _revalidated(self, headers: list[Header]) -> list[Header]:
        """A 304 names the tag that the client has."""
        for coding in (b"-br", b"-gzip"):
            tagged = _tagged(headers, coding)
            if any(value in known for name, value in tagged if name == b"etag" for known in self._known):
                return vary_by(tagged, ACCEPT_ENCODING)
        return headers


async def _compressed(body: bytes, coding: str) -> bytes:
    if len(body) < THREAD_BYTES:
        return compress(body, coding)
    return await asyncio.to_thread(compress_large, body, coding)


def _is_compressible(head: Message) -> bool:
    fields = {name.lower(): value for name, value in head.get("headers", ())}
    media_type = fields.get(b"content-type", b"").partition(b";")[0].strip().lower()
    return (
        media_type in MEDIA_TYPES
        and head["status"] not in (204, 206)
        and b"content-encoding" not in fields
        and b"content-range" not in fields
        and b"no-transform" not in fields.get(b"cache-control", b"")
    )


def _described(headers: list[Header], coding: str, size: int) -> list[Header]:
    kept = [header for header in headers if header[0].lower() not in (b"content-length", b"accept-ranges")]
    tagged = _tagged(kept, b"-" + coding.encode())
    return [*tagged, (b"content-encoding", coding.encode()), (b"content-length", b"%d" % size)]


def _tagged(headers: list[Header], ending: bytes) -> list[Header]:
    """`headers` with the tag of the compressed bytes. A weak tag stays: it stands for both."""
    return [
        (name, value[:-1] + ending + b'"') if name.lower() == b"etag" and value.startswith(b'"') else (name, value)
        for name, value in headers
    ]
