"""Lingering close, on a real socket: every client can read an answer that is known before the request's body has arrived."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from internal.http.asgi import Receive, Scope, Send
from internal.http.server import lingering
from internal.http.server.lingering import LingeringProtocol, linger_bytes
from tests.services.waiting import wait_until
from tests.unit.http import serving
from tests.unit.http.serving import read_to_end

MANY = 24 * 2**20
"""Larger than the socket buffers on both sides."""
PIECE = bytes(2**16)


class App:
    """Answers `/early` at once, `/first` after the body's first piece, anything else when it has all."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.headers: list[bytes] = []
        self.hung_up = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.paths.append(scope["path"])
        self.headers += [name for name, _ in scope["headers"]]
        while scope["path"] != "/early":
            message = await receive()
            if message["type"] == "http.disconnect":
                self.hung_up += 1
                return
            if scope["path"] == "/first" or not message["more_body"]:
                break
        await send({"type": "http.response.start", "status": 415, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"no"})


class Served:
    """The server, and what its application has seen."""

    def __init__(self, server: serving.Served, app: App) -> None:
        self.server, self.connected, self.connections, self.app = server.server, server.connected, server.connections, app


@contextmanager
def _serving(**settings: Any) -> Iterator[Served]:
    app = App()
    with serving.serving(app, partial(LingeringProtocol, **settings)) as server:
        yield Served(server, app)


@pytest.fixture
def served() -> Iterator[Served]:
    with _serving() as server:
        yield server


def _head(path: str, *headers: str, length: int | None = MANY) -> bytes:
    body = "transfer-encoding: chunked" if length is None else f"content-length: {length}"
    return "\r\n".join([f"POST {path} HTTP/1.1", "host: x", body, *headers, "", ""]).encode()


def _send_all(connection: socket.socket, head: bytes, *, chunked: bool = False) -> None:
    """A request whose client looks for an answer only when it has sent everything, as most do."""
    connection.sendall(head)
    for _ in range(MANY // len(PIECE)):
        connection.sendall(b"%x\r\n%s\r\n" % (len(PIECE), PIECE) if chunked else PIECE)
    if chunked:
        connection.sendall(b"0\r\n\r\n")


def _is_refused(answer: bytes) -> bool:
    return answer.startswith(b"HTTP/1.1 415 ") and b"\r\nconnection: close\r\n" in answer and answer.endswith(b"\r\n\r\nno")


@pytest.mark.parametrize("path", ["/early", "/first"])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_client_that_sends_all_first_reads_the_answer(served: Served, path: str, chunked: bool) -> None:
    with served.connected() as connection:
        _send_all(connection, _head(path, length=None if chunked else MANY), chunked=chunked)
        assert _is_refused(read_to_end(connection))
    wait_until(lambda: served.connections() == 0, within=20)


def test_the_answer_does_not_wait_for_the_body(served: Served) -> None:
    with served.connected() as connection:
        connection.sendall(_head("/early") + PIECE)
        assert _is_refused(read_to_end(connection))


def test_a_connection_is_closed_as_soon_as_the_body_has_ended(served: Served) -> None:
    """And not after some seconds of silence: its client may wait for that."""
    with served.connected() as connection:
        _send_all(connection, _head("/early"))
        wait_until(lambda: served.connections() == 0, within=lingering.IDLE_SECONDS - 1)


def test_nothing_behind_an_unread_body_is_a_request(served: Served) -> None:
    """Neither what lies in the body nor what follows it."""
    smuggled = b"POST /smuggled HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n"
    body = smuggled * 100
    for begun in (0, len(body) // 2):
        with served.connected() as connection:
            connection.sendall(_head("/early", length=len(body)) + body[:begun])
            assert _is_refused(read_to_end(connection))
            connection.sendall(body[begun:] + smuggled)
    wait_until(lambda: served.connections() == 0, within=20)
    assert served.app.paths == ["/early", "/early"]


def test_a_body_that_has_all_come_keeps_the_connection(served: Served) -> None:
    with served.connected() as connection:
        for _ in range(3):
            connection.sendall(_head("/read", length=4) + b"body")
            assert b"connection: close" not in connection.recv(65536)
    assert served.app.paths == ["/read"] * 3


def test_an_answer_known_from_the_head_comes_before_any_100(served: Served) -> None:
    with served.connected() as connection:
        connection.sendall(_head("/early", "expect: 100-continue"))
        assert _is_refused(read_to_end(connection))
    with served.connected() as connection:
        connection.sendall(_head("/first", "expect: 100-continue"))
        assert connection.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(PIECE)
        assert _is_refused(read_to_end(connection))


def test_input_that_is_no_http_gets_a_problem(served: Served) -> None:
    with served.connected() as connection:
        _send_all(connection, b"\x16\x03\x01 this is no HTTP\r\n\r\n")
        connection.shutdown(socket.SHUT_WR)
        head, _, body = read_to_end(connection).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert b"content-type: application/problem+json" in head
    assert b'"code":"invalid_request"' in body


def _send_until_dropped(connection: socket.socket, begin: bytes) -> bytes:
    """`begin`, then letters for as long as they are taken and no answer has come; the answer."""
    connection.sendall(begin)
    connection.settimeout(0.01)
    for _ in range(MANY // len(PIECE)):
        connection.sendall(b"a" * len(PIECE))
        with suppress(TimeoutError):
            if answer := connection.recv(65536):
                return answer
    return b""


@pytest.mark.parametrize("begin", [b"GET /read HTTP/1.1\r\nx: ", b"GET /", _head("/read", length=None) + b"0\r\nx: "])
def test_a_head_without_an_end_is_refused(served: Served, begin: bytes) -> None:
    """Trailers too. uvicorn 0.54.0 keeps all of it, in time that grows with its square."""
    with served.connected() as connection:
        assert _send_until_dropped(connection, begin).startswith(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")
    wait_until(lambda: served.connections() == 0, within=20)


def test_trailers_of_a_connection_that_lingers_are_not_kept(served: Served) -> None:
    with served.connected() as connection:
        connection.sendall(_head("/early", length=None))
        assert _is_refused(read_to_end(connection))
        [protocol] = served.server.server_state.connections
        fed: list[int] = []
        protocol.parser = SimpleNamespace(feed_data=lambda data: fed.append(len(data)))  # type: ignore[union-attr]
        connection.sendall(b"0\r\nx: " + bytes(MANY))
    wait_until(lambda: served.connections() == 0, within=20)
    assert sum(fed) <= lingering.MAX_HEAD_BYTES + 2**18  # the last one may be as long as one read


def test_a_long_head_and_a_long_body_in_small_pieces_are_taken(served: Served) -> None:
    head = _head("/read", "x: " + "a" * (lingering.MAX_HEAD_BYTES - 200), length=None)
    assert lingering.MAX_HEAD_BYTES - 200 < len(head) <= lingering.MAX_HEAD_BYTES
    with served.connected() as connection:
        for start in range(0, len(head), 5000):
            connection.sendall(head[start : start + 5000])
        connection.sendall(b"1\r\na\r\n" * 50_000 + b"0\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 415 ")


def test_trailers_are_no_headers(served: Served) -> None:
    """The body's end comes with the head, before the application looks at the headers."""
    with served.connected() as connection:
        connection.sendall(_head("/read", length=None) + b"1\r\na\r\n0\r\nx-request-id: late\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 415 ")
    assert served.app.headers == [b"host", b"transfer-encoding"]


def test_a_body_that_is_no_longer_http_ends_for_the_application(served: Served) -> None:
    """At once, and not when the connection has lingered: it holds a place among the uploads."""
    with served.connected() as connection:
        connection.sendall(_head("/read", length=None) + b"5\r\nhello\r\n")
        wait_until(lambda: served.app.paths == ["/read"], within=20)
        connection.sendall(b"no length\r\n")
        assert read_to_end(connection).startswith(b"HTTP/1.1 400 ")
        wait_until(lambda: served.app.hung_up == 1, within=lingering.IDLE_SECONDS - 1)


def test_no_more_than_the_bound_is_dropped() -> None:
    with _serving(max_bytes=4 * 2**20) as served, served.connected() as connection:
        connection.sendall(_head("/early", length=2**40))
        with pytest.raises(ConnectionError):  # noqa: PT012 - which piece is the last one taken is the kernel's affair
            for _ in range(2**10):
                connection.sendall(PIECE)
        wait_until(lambda: served.connections() == 0, within=20)


def test_a_client_that_falls_silent_is_left(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lingering, "IDLE_SECONDS", 0.1)
    with served.connected() as connection:
        connection.sendall(_head("/early"))
        assert _is_refused(read_to_end(connection))
        wait_until(lambda: served.connections() == 0, within=lingering.LINGER_SECONDS / 2)


def test_a_client_that_never_ends_is_left(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lingering, "LINGER_SECONDS", 0.3)
    with served.connected() as connection:
        connection.sendall(_head("/early", length=2**40))

        def send_until_closed() -> bool:
            try:
                connection.sendall(b"x")
            except ConnectionError:
                return True
            return False

        wait_until(send_until_closed, within=20)


def test_one_too_many_closes_the_one_that_has_lingered_longest(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lingering, "MAX_LINGERING", 2)
    with served.connected() as first, served.connected() as second, served.connected() as third:
        for connection in (first, second, third):
            connection.sendall(_head("/early"))
            assert _is_refused(read_to_end(connection))
        wait_until(lambda: served.connections() == 2, within=lingering.IDLE_SECONDS - 1)
        _send_all(second, b"")
        _send_all(third, b"")


def test_a_lingering_connection_does_not_delay_shutdown() -> None:
    with _serving() as served, served.connected() as connection:
        connection.sendall(_head("/early"))
        assert _is_refused(read_to_end(connection))
        assert served.connections() == 1
        served.server.should_exit = True
        wait_until(lambda: served.connections() == 0, within=lingering.IDLE_SECONDS - 1)


def test_more_is_dropped_than_any_upload_has() -> None:
    assert linger_bytes(50 * 2**20) > 100 * 2**20
    assert linger_bytes(2**30) > 2**30
