"""Pipelined requests: answered in order, up to a limit."""

import asyncio
import logging
import socket
import struct
import threading
from functools import partial

import pytest

from internal.http.asgi import Receive, Scope, Send
from internal.http.server.connections import ConnectionLimits
from internal.http.server.deadlines import Deadlines
from internal.http.server.protocol import MAX_PIPELINED, WatchedProtocol
from tests.services.waiting import wait_until
from tests.unit.http.serving import read_to_end, serving

BRIEF = ConnectionLimits(deadlines=Deadlines(stall_seconds=0.3, least_rate=0))


class App:
    """Answers with the path, when it has read the body; to `/wait` when `go` is set."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.go = threading.Event()
        self.begun = self.ended = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.begun += 1
        if scope["path"] == "/wait":
            await asyncio.to_thread(self.go.wait, 60)
        while (await receive())["more_body"]:
            pass
        self.paths.append(scope["path"])
        body = scope["path"].encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
        await send({"type": "http.response.body", "body": body})
        self.ended += 1


def _requests(count: int) -> bytes:
    return b"".join(b"GET /%d HTTP/1.1\r\n\r\n" % number for number in range(count))


def _bodies(answers: bytes) -> list[str]:
    return [answer.partition("\r\n\r\n")[2] for answer in answers.decode().split("HTTP/1.1 200 OK\r\n")[1:]]


@pytest.mark.parametrize("count", [MAX_PIPELINED + 2, 10_000])
def test_so_many_are_taken_and_answered_and_the_last_answer_says_so(count: int) -> None:
    """uvicorn 0.54.0 takes all that come in one read: 256 KiB of them were 50 MB, and kept the loop for as long as they took."""
    app = App()
    taken = [f"/{number}" for number in range(MAX_PIPELINED + 1)]
    with serving(app, partial(WatchedProtocol, limits=BRIEF)) as served, served.connected() as connection:
        connection.sendall(_requests(count))
        answers = read_to_end(connection)

    assert app.paths == taken
    assert _bodies(answers) == taken
    assert answers.count(b"\r\nconnection: close\r\n") == 1
    assert b"\r\nconnection: close\r\n" in answers.rpartition(b"HTTP/1.1 200 OK\r\n")[2]


def test_fewer_keep_their_connection() -> None:
    app = App()
    with serving(app, partial(WatchedProtocol, limits=BRIEF)) as served, served.connected() as connection:
        for _ in range(3):
            connection.sendall(_requests(MAX_PIPELINED + 1))
            answers = b""
            while len(_bodies(answers)) <= MAX_PIPELINED or not answers.endswith(b"/%d" % MAX_PIPELINED):
                answers += connection.recv(65536)
            assert b"connection: close" not in answers

    assert len(app.paths) == 3 * (MAX_PIPELINED + 1)


def test_the_last_one_that_is_taken_may_have_a_body() -> None:
    app = App()
    last = b"POST /last HTTP/1.1\r\ncontent-length: 5\r\n\r\nGET /"
    with serving(app, partial(WatchedProtocol, limits=BRIEF)) as served, served.connected() as connection:
        connection.sendall(_requests(MAX_PIPELINED) + last + _requests(5))
        answers = read_to_end(connection)

    assert _bodies(answers)[-1] == "/last"
    assert len(app.paths) == MAX_PIPELINED + 1


WRONG = [b"no HTTP\r\n\r\n", b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 200, b"GET / HTTP/1.1\r\na: " + b"b" * 70_000]


@pytest.mark.parametrize("behind", WRONG, ids=["no request", "fields", "length"])
def test_an_error_after_a_request_is_not_sent_as_its_answer(behind: bytes) -> None:
    """uvicorn 0.54.0 sends a 400 at once, which the client takes for the answer to the request that is at work."""
    app = App()
    with serving(app, partial(WatchedProtocol, limits=BRIEF)) as served, served.connected() as connection:
        connection.sendall(b"POST /wait HTTP/1.1\r\ncontent-length: 1\r\n\r\nx")
        wait_until(lambda: app.begun == 1, within=20)
        connection.sendall(behind)
        [protocol] = served.server.server_state.connections
        wait_until(lambda: protocol._discarding, within=20)  # type: ignore[union-attr]
        app.go.set()
        answers = read_to_end(connection)

    assert _bodies(answers) == ["/wait"]
    assert answers.startswith(b"HTTP/1.1 200 ")
    assert b"\r\nconnection: close\r\n" in answers


@pytest.mark.parametrize("is_reset", [True, False])
def test_a_request_at_work_outlives_its_connection_without_a_crash(is_reset: bool, caplog: pytest.LogCaptureFixture) -> None:
    """uvicorn 0.54.0 tells the last one alone of a hang-up; where this one then writes, uvloop 0.23.0 raises."""
    caplog.set_level(logging.ERROR)
    app = App()
    with serving(app, partial(WatchedProtocol, limits=BRIEF)) as served:
        with served.connected() as connection:
            connection.sendall(b"GET /wait HTTP/1.1\r\n\r\nPOST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nno chunk")
            wait_until(lambda: app.begun == 1, within=20)
            if is_reset:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            else:
                assert read_to_end(connection).startswith(b"HTTP/1.1 400 ")
        wait_until(lambda: served.connections() == 0, within=20)
        app.go.set()
        wait_until(lambda: app.ended == 1, within=20)

    assert not caplog.records
