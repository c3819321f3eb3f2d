"""Compression: what is compressed, how, and what a client has afterwards."""

import gzip
import json
import os
from typing import Any

import brotli  # type: ignore[import-untyped]
import pytest

from internal.http.asgi import Message, Receive, Scope, Send
from internal.http.middleware.compression import MIN_BYTES, THREAD_BYTES, Compression, chosen_coding

JSON = json.dumps([{"id": number, "status": "processed"} for number in range(100)]).encode()
TAG = '"9f86d081"'


class App:
    """Answers with `body` and `headers`, and a 304 to a condition that names TAG; remembers the headers that it got."""

    def __init__(self, body: bytes = JSON, content_type: str = "application/json", status: int = 200, **headers: str) -> None:
        self.body, self.status = body, status
        fields = {"content-type": content_type, "content-length": str(len(body)), **headers}
        self.headers = [(name.replace("_", "-").encode(), value.encode()) for name, value in fields.items()]
        self.got: dict[str, str] = {}

    async def __call__(self, scope: Scope, _: Receive, send: Send) -> None:
        self.got = {name.decode(): value.decode() for name, value in scope["headers"]}
        known = TAG in self.got.get("if-none-match", "")
        await send({"type": "http.response.start", "status": 304 if known else self.status, "headers": self.headers})
        await send({"type": "http.response.body", "body": b"" if known else self.body})


async def ask(
    app: Any, accept: str | None = "gzip, deflate, br", method: str = "GET", **headers: str
) -> tuple[dict[str, str], bytes]:
    """Headers (and `:status`) and body of the answer; each header is there once."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    given = {**({"accept-encoding": accept} if accept is not None else {}), **headers}
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in given.items()]
    await Compression(app)({"type": "http", "method": method, "headers": raw}, None, send)  # type: ignore[arg-type]
    fields = [(name.decode(), value.decode()) for name, value in sent[0]["headers"]]
    assert len(dict(fields)) == len(fields)
    return {":status": str(sent[0]["status"]), **dict(fields)}, b"".join(message["body"] for message in sent[1:])


@pytest.mark.parametrize(
    ("accept", "coding"),
    [
        ("gzip", "gzip"),
        ("br", "br"),
        ("gzip, deflate, br, zstd", "br"),
        ("GZIP;Q=0.8, br;q=0.5", "gzip"),
        ("gzip;q=0.5,br;q=0.5", "br"),
        ("x-gzip", "gzip"),
        ("*", "br"),
        ("*;q=0.1, br;q=0", "gzip"),
        ("gzip;q=0", None),  # Litestar 2.25.0 takes it for a wish
        ("gzip;q=0.000, br; q=0", None),
        ("identity", None),
        ("identity;q=1, gzip;q=0.5", None),
        ("deflate, zstd", None),
        ("", None),
        ("gzip;q=2", None),
        ("gzip;level=9", None),
        ("not-gzip", None),
        ("*;q=0", None),
        ("gzip," + " " * 2000, None),
    ],
)
def test_the_client_says_what_it_takes(accept: str, coding: str | None) -> None:
    assert chosen_coding([(b"accept-encoding", accept.encode())]) == coding


def test_several_lines_are_one_list() -> None:
    assert chosen_coding([(b"accept-encoding", b"gzip;q=0.5"), (b"accept-encoding", b"br;q=0.1")]) == "gzip"
    assert chosen_coding([]) is None


@pytest.mark.parametrize("size", [MIN_BYTES, len(JSON), THREAD_BYTES, 3 * THREAD_BYTES])
@pytest.mark.parametrize(("accept", "decompress"), [("gzip", gzip.decompress), ("br", brotli.decompress)])
async def test_the_bytes_come_back(size: int, accept: str, decompress: Any) -> None:
    body = (JSON * (size // len(JSON) + 1))[:size]

    fields, compressed = await ask(App(body), accept)

    assert decompress(compressed) == body
    assert fields["content-encoding"] == accept
    assert int(fields["content-length"]) == len(compressed) < size
    assert fields["vary"] == "accept-encoding"


@pytest.mark.parametrize(
    "content_type",
    ["application/problem+json", "text/html; charset=utf-8", "text/javascript; charset=utf-8", "text/css", "Application/JSON"],
)
async def test_texts_are_compressed(content_type: str) -> None:
    assert (await ask(App(content_type=content_type)))[0]["content-encoding"] == "br"


@pytest.mark.parametrize(
    "content_type",
    ["image/jpeg", "image/png", "image/svg+xml", "text/event-stream", "application/octet-stream", "text/plain", ""],
)
async def test_pictures_and_events_are_not_touched(content_type: str) -> None:
    """Litestar 2.25.0 compresses JPEGs."""
    app = App(content_type=content_type, etag=TAG)
    fields, body = await ask(app)

    assert body == JSON
    assert fields == {":status": "200", **{name.decode(): value.decode() for name, value in app.headers}}


@pytest.mark.parametrize(
    "app",
    [
        App(JSON[: MIN_BYTES - 1]),
        App(cache_control="public, no-transform"),
        App(content_encoding="gzip"),
        App(status=206, content_range="bytes 0-9/100"),
        App(content_range="bytes 0-9/100"),
    ],
)
async def test_what_is_short_or_a_part_or_must_stay_is_sent_as_it_is(app: App) -> None:
    fields, body = await ask(app)

    assert body == app.body
    assert fields.get("content-encoding", "").encode() == dict(app.headers).get(b"content-encoding", b"")
    assert fields["content-length"] == str(len(body))


@pytest.mark.parametrize("accept", [None, "", "identity", "br"])
async def test_the_answer_varies_for_clients_that_take_nothing_too(accept: str | None) -> None:
    """Litestar 2.25.0 says so on compressed answers only: a cache then gives compressed bytes to everybody, or to nobody."""
    assert (await ask(App(vary="accept"), accept))[0]["vary"] == "accept, accept-encoding"
    assert (await ask(App(JSON[:10]), accept))[0]["vary"] == "accept-encoding"


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
async def test_answers_that_may_hold_a_secret_are_not_compressed(method: str) -> None:
    """So nobody learns a new key from lengths (BREACH)."""
    fields, body = await ask(App(status=201), method=method)

    assert body == JSON
    assert "content-encoding" not in fields


async def test_a_stream_is_passed_on_as_it_comes() -> None:
    async def app(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": JSON, "more_body": True})
        await send({"type": "http.response.body", "body": b"end"})

    fields, body = await ask(app)

    assert (fields.get("content-encoding"), body) == (None, JSON + b"end")


async def test_a_tag_belongs_to_its_bytes() -> None:
    """Litestar 2.25.0 keeps the strong tag."""
    tags = {coding: (await ask(App(etag=TAG), coding))[0]["etag"] for coding in ("br", "gzip", "identity")}

    assert tags == {"br": '"9f86d081-br"', "gzip": '"9f86d081-gzip"', "identity": TAG}
    assert (await ask(App(etag=f"W/{TAG}")))[0]["etag"] == f"W/{TAG}"


@pytest.mark.parametrize(
    ("known", "tag", "vary"),
    [
        ('"9f86d081-br"', '"9f86d081-br"', "accept-encoding"),
        ('"other-gzip", W/"9f86d081-gzip"', '"9f86d081-gzip"', "accept-encoding"),
        (TAG, TAG, None),
    ],
)
async def test_a_client_that_has_it_gets_a_304_with_the_tag_that_it_has(known: str, tag: str, vary: str | None) -> None:
    fields, body = await ask(App(etag=TAG), if_none_match=known)

    assert (fields[":status"], body) == ("304", b"")
    assert (fields["etag"], fields.get("vary")) == (tag, vary)
    assert "content-encoding" not in fields


async def test_a_condition_reaches_the_handler_without_the_ending() -> None:
    """Also of a request that changes something: who has the compressed answer has seen this state."""
    app = App()
    await ask(app, method="DELETE", if_match='"9f86d081-br", "a-gzip"', if_range='"x-br"')

    assert app.got["if-match"] == '"9f86d081", "a"'
    assert app.got["if-range"] == '"x-br"', "parts are never compressed"


async def test_what_does_not_get_smaller_in_many_is_still_right() -> None:
    noise = os.urandom(2000)

    _, body = await ask(App(noise), "gzip")

    assert gzip.decompress(body) == noise
