"""A field's value has no blanks around it (RFC 9110, 5.5)."""

import pytest

from internal.http.asgi import Receive, Scope, Send
from internal.http.server.protocol import WatchedProtocol
from tests.unit.http.serving import read_to_end, serving


@pytest.mark.parametrize("blanks", [b"", b" ", b"\t", b" \t  "])
def test_blanks_around_a_value_are_removed(blanks: bytes) -> None:
    """httptools 0.9.0 leaves those behind it. A DELETE with such an If-Unmodified-Since deleted: its date was no date."""
    seen: list[tuple[bytes, bytes]] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.extend(scope["headers"])
        await receive()  # which says `100 Continue`
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    fields = {b"if-match": b'"a b"', b"idempotency-key": b"k", b"expect": b"100-continue", b"empty": b"", b"connection": b"close"}
    head = b"".join(b"%s:%s%s%s\r\n" % (name, blanks, value, blanks) for name, value in fields.items())
    with serving(app, WatchedProtocol) as served, served.connected() as connection:
        connection.sendall(b"PUT / HTTP/1.1\r\ncontent-length: 0\r\n" + head + b"\r\n")
        answer = read_to_end(connection)

    assert dict(seen) == {b"content-length": b"0", **fields}
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 ")
