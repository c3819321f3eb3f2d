"""Cross-origin requests: what a page of another origin may send and read."""

from collections.abc import Iterator
from functools import partial

import pytest

from internal.api.app import api_document
from internal.http.asgi import Header, Message, Receive, Scope, Send
from internal.http.middleware.cors import EXPOSED, REQUEST_HEADERS, Cors, CorsPolicy
from internal.http.server.connections import ConnectionLimits
from internal.http.server.protocol import WatchedProtocol
from tests.unit.http.serving import read_to_end, serving

APP, OTHER, EVIL = "https://app.example", "https://other.example", "https://app.example.evil"
TWO = CorsPolicy({APP, OTHER})


async def answer(
    policy: CorsPolicy, headers: dict[str, str], method: str = "GET", status: int = 200, own: list[Header] | None = None
) -> tuple[int, dict[str, str]]:
    """Status and headers of an answer; each of the headers is there once."""
    sent: list[Message] = []

    async def app(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": status, "headers": own or []})
        await send({"type": "http.response.body", "body": b""})

    async def send(message: Message) -> None:
        sent.append(message)

    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": method, "path": "/", "headers": raw}
    await Cors(app, policy)(scope, None, send)  # type: ignore[arg-type]  # nothing is received
    fields = [(name.decode(), value.decode()) for name, value in sent[0]["headers"]]
    assert len(dict(fields)) == len(fields)
    return sent[0]["status"], dict(fields)


@pytest.mark.parametrize("status", [200, 201, 304, 308, 401, 403, 404, 405, 413, 429, 500, 503])
async def test_an_answer_of_any_status_can_be_read(status: int) -> None:
    answered, fields = await answer(TWO, {"origin": APP}, status=status)

    assert answered == status
    assert fields["access-control-allow-origin"] == APP
    assert fields["vary"] == "origin"
    assert {"ETag", "Location", "RateLimit", "RateLimit-Policy", "Retry-After", "X-Request-ID"} <= {
        name.strip() for name in fields["access-control-expose-headers"].split(",")
    }
    assert "access-control-allow-credentials" not in fields


@pytest.mark.parametrize("headers", [{"origin": EVIL}, {"origin": "null"}, {"origin": "https://APP.example"}, {}])
async def test_another_origin_gets_nothing_but_vary(headers: dict[str, str]) -> None:
    assert await answer(TWO, headers) == (200, {"vary": "origin"})


async def test_everybody() -> None:
    """Not the origin that asked: such an answer could be used with cookies."""
    for headers in ({"origin": EVIL}, {"origin": EVIL, "cookie": "a=b"}, {}):
        _, fields = await answer(CorsPolicy({"*"}), headers)
        assert (fields["access-control-allow-origin"], fields["vary"]) == ("*", "origin")
        assert "access-control-allow-credentials" not in fields


async def test_a_single_origin_is_named_in_every_answer_but_to_others() -> None:
    policy = CorsPolicy({APP})

    assert (await answer(policy, {}))[1]["access-control-allow-origin"] == APP
    assert "access-control-allow-origin" not in (await answer(policy, {"origin": EVIL}))[1]


@pytest.mark.parametrize(
    ("own", "merged"),
    [
        ([], "origin"),
        ([(b"vary", b"accept")], "accept, origin"),
        ([(b"Vary", b"Accept"), (b"vary", b"Accept-Encoding")], "Accept, Accept-Encoding, origin"),
        ([(b"vary", b"Accept, Origin")], "Accept, Origin"),
        ([(b"vary", b"*")], "*"),
    ],
)
async def test_the_answers_own_vary_stays(own: list[Header], merged: str) -> None:
    """Litestar 2.25.0 replaces it, and a cache then mixes up a picture's formats."""
    for headers in ({"origin": APP}, {}):
        assert (await answer(TWO, headers, own=own))[1]["vary"] == merged


async def test_a_preflight_is_answered_before_everything() -> None:
    """Also for a path that is not there: else the page could not read the 404 of the request itself."""
    asked = {"origin": APP, "access-control-request-method": "POST", "access-control-request-headers": "authorization"}
    status, fields = await answer(TWO, asked, "OPTIONS", status=404)

    assert status == 204
    assert fields["access-control-allow-origin"] == APP
    assert set(fields["access-control-allow-methods"].split(", ")) == {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"}
    assert {
        "Authorization",
        "X-API-Key",
        "Idempotency-Key",
        "If-Match",
        "Range",
        "Prefer",
        "X-Request-ID",
        "Content-Type",
    } <= set(fields["access-control-allow-headers"].split(", "))
    assert int(fields["access-control-max-age"]) > 0
    assert fields["vary"] == "origin"


async def test_a_preflight_of_another_origin() -> None:
    asked = {"origin": EVIL, "access-control-request-method": "POST"}

    assert await answer(TWO, asked, "OPTIONS") == (204, {"vary": "origin"})


@pytest.mark.parametrize("headers", [{"origin": APP}, {"access-control-request-method": "GET"}, {}])
async def test_any_other_options_is_the_applications(headers: dict[str, str]) -> None:
    status, fields = await answer(TWO, headers, "OPTIONS", own=[(b"allow", b"GET")])

    assert (status, fields["allow"]) == (200, "GET")


def _headers_of(node: object, name: str) -> Iterator[str]:
    """Names in every `name` of an OpenAPI document: of answers' headers, or of parameters that are headers."""
    if isinstance(node, list):
        for item in node:
            yield from _headers_of(item, name)
    if isinstance(node, dict):
        if name == "headers" and isinstance(node.get("headers"), dict):
            yield from node["headers"]
        if name == "parameters" and node.get("in") == "header":
            yield node["name"]
        for value in node.values():
            yield from _headers_of(value, name)


def test_a_page_may_send_and_read_what_the_description_names() -> None:
    sent = set(_headers_of(api_document(), "parameters"))
    read = set(_headers_of(api_document(), "headers"))

    assert {"Idempotency-Key", "Prefer", "Range"} <= sent
    assert {"ETag", "Location", "Retry-After"} <= read
    safelisted = {"Accept", "Cache-Control", "Content-Length", "Content-Type", "Last-Modified"}
    unneeded = {"Content-Security-Policy", "Cross-Origin-Resource-Policy", "Vary"}  # for the browser itself
    assert {name.lower() for name in sent - safelisted} <= {name.lower() for name in REQUEST_HEADERS}
    assert {name.lower() for name in read - safelisted - unneeded} <= {name.lower() for name in EXPOSED}


@pytest.mark.parametrize(
    ("policy", "origin", "allowed"),
    [(CorsPolicy({"*"}), EVIL, "*"), (TWO, OTHER, OTHER), (TWO, EVIL, None), (CorsPolicy({APP}), APP, APP)],
)
def test_what_the_server_refuses_can_be_read_too(policy: CorsPolicy, origin: str, allowed: str | None) -> None:
    async def app(_: Scope, __: Receive, ___: Send) -> None:
        raise AssertionError("not called")

    protocol = partial(WatchedProtocol, refusal_headers=policy.refusal_headers)
    with serving(app, protocol) as served, served.connected() as connection:
        connection.sendall(f"GET / HTTP/1.1\r\norigin: {origin}\r\nx: {'a' * 70_000}\r\n\r\n".encode())
        refused = read_to_end(connection).decode()
    assert refused.startswith("HTTP/1.1 431 ")
    assert "\r\nvary: origin\r\n" in refused
    assert (f"\r\naccess-control-allow-origin: {allowed}\r\n" in refused) == (allowed is not None)


@pytest.mark.parametrize(("policy", "allowed"), [(CorsPolicy({"*"}), "*"), (CorsPolicy({APP}), APP), (TWO, None)])
def test_a_connection_too_many_is_told_as_far_as_nobody_knows_the_origin(policy: CorsPolicy, allowed: str | None) -> None:
    async def app(_: Scope, __: Receive, ___: Send) -> None:
        raise AssertionError("not called")

    protocol = partial(WatchedProtocol, limits=ConnectionLimits(0, 0), refusal_headers=policy.refusal_headers)
    with serving(app, protocol) as served, served.connected() as connection:
        refused = read_to_end(connection).decode()
    assert refused.startswith("HTTP/1.1 503 ")
    assert (f"\r\naccess-control-allow-origin: {allowed}\r\n" in refused) == (allowed is not None)
