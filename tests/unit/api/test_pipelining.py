"""Requests that are sent ahead of the answers to the ones before: taken in their order, and so many and no more."""

from functools import partial

import pytest

from internal.api.access_log import Receive, Scope, Send
from internal.api.connections import ConnectionLimits
from internal.api.deadlines import Deadlines
from internal.api.protocol import MAX_PIPELINED, WatchedProtocol
from tests.unit.api.serving import read_to_end, serving

BRIEF = ConnectionLimits(deadlines=Deadlines(stall_seconds=0.3, least_rate=0))


class App:
    """Answers with the path, when it has read the body."""

    def __init__(self) -> None:
        self.paths: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive())["more_body"]:
            pass
        self.paths.append(scope["path"])
        body = scope["path"].encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
        await send({"type": "http.response.body", "body": body})


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
