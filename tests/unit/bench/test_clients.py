"""The clients that measure: they read whole answers, come again when they are told to, and count every one."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from uuid import UUID

import pytest

from bench import fetch, load
from bench.at_once import at_once
from bench.programs import ProgramFailed, run
from bench.requests import ComeAgain, Connection, RequestFailed, get_request, upload_request

IMAGE = UUID(int=1)
TAKEN = f'{{"id": "{IMAGE}"}}'.encode()


class Refusing(BaseHTTPRequestHandler):
    """Sends the first three uploads away, the third on a connection that it closes; a GET is answered as If-None-Match wants."""

    protocol_version = "HTTP/1.1"
    uploads = count()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        number = next(self.uploads)
        headers = {"Retry-After": "0"} if number < 3 else {}
        if number == 2:
            headers["Connection"] = "close"
        self._answer(503 if headers else 201, b"{}" if headers else TAKEN, headers)

    def do_GET(self) -> None:
        unchanged = self.headers["If-None-Match"] == '"here"'
        self._answer(304 if unchanged else 200, b"" if unchanged else b"x" * 100_000, {"ETag": '"here"'}, length=100_000)

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self, status: int, body: bytes, headers: dict[str, str], length: int | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(length or len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def port() -> Iterator[int]:
    handler = type("Refusing", (Refusing,), {"uploads": count()})
    with serving(ThreadingHTTPServer(("127.0.0.1", 0), handler)) as server:
        yield server.server_port


@contextmanager
def serving(server: ThreadingHTTPServer) -> Iterator[ThreadingHTTPServer]:
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_who_is_sent_away_comes_again_and_is_counted(port: int, tmp_path: Path) -> None:
    order = load.Order(load.Api(port, patience=30), [load.Upload(a_file(tmp_path), "resize:1x1")], count=8, at_once=2)

    outcome = run("bench.load", order, load.Outcome)

    assert outcome.images == [IMAGE] * 8
    assert 1 <= outcome.sent_away <= 3
    assert len(outcome.taken) == 8
    assert sum(outcome.taken) > 0


def test_who_has_no_patience_fails(port: int, tmp_path: Path) -> None:
    order = load.Order(load.Api(port), [load.Upload(a_file(tmp_path), "resize:1x1")], count=1, at_once=1)

    with pytest.raises(ProgramFailed, match="503"):
        run("bench.load", order, load.Outcome)


def test_a_connection_that_the_api_closes_is_opened_again(port: int, tmp_path: Path) -> None:
    request = upload_request(a_file(tmp_path), "resize:1x1", port)

    with Connection(port) as connection:
        for _ in range(3):
            with pytest.raises(ComeAgain):
                connection.upload(request)

        assert connection.upload(request) == IMAGE


def test_an_answer_is_read_to_its_end_and_a_304_has_none(port: int) -> None:
    with Connection(port) as connection:
        whole = connection.ask(get_request("/images/1", port), 200)
        unchanged = connection.ask(get_request("/images/1", port, f"If-None-Match: {whole.header('etag')}"), 304)
        again = connection.ask(get_request("/images/1", port), 200)

    assert (len(whole.body), unchanged.body, again.body) == (100_000, b"", whole.body)


def test_another_status_than_the_one_that_is_measured_fails(port: int) -> None:
    with Connection(port) as connection, pytest.raises(RequestFailed, match="200"):
        connection.ask(get_request("/images/1", port), 304)


def test_bytes_that_are_too_few_fail(port: int) -> None:
    order = fetch.Order(fetch.Requests(port, [get_request("/images/1", port)], 200), size=99_999, count=4, at_once=2)

    with pytest.raises(ProgramFailed, match="99999 bytes were to come"):
        run("bench.fetch", order, fetch.Outcome)


def test_every_number_is_done_once() -> None:
    done = at_once(4, 100, lambda: lambda number: number)

    assert sorted(number for _, number in done.each) == list(range(100))


def a_file(folder: Path) -> Path:
    path = folder / "picture.jpg"
    path.write_bytes(b"\xff\xd8" + b"x" * 1000)
    return path
