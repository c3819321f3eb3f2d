"""Deadlines for silent, slow and endless clients, on real sockets, with times scaled to tenths of a second."""

import asyncio
import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from ipaddress import ip_network

import pytest

from internal.http.asgi import Receive, Scope, Send
from internal.http.networks import Networks
from internal.http.server.connections import ConnectionLimits, address_of
from internal.http.server.deadlines import Deadlines, Progress
from internal.http.server.protocol import MAX_FIELDS, WatchedProtocol, connection_of
from internal.observability import metrics
from tests.services.waiting import wait_until
from tests.unit.http.serving import Served, read_to_end, serving

PATIENT = Deadlines(head_seconds=60, stall_seconds=60, least_rate=0, grace_seconds=60)
MANY = 32 * 2**20
"""Larger than the socket buffers on both sides."""
GET = b"GET /%s HTTP/1.1\r\nhost: x\r\n\r\n"


class App:
    """`/large` answers with MANY bytes, `/wait` when `go` is set, anything else when it has read its body."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.begun = self.ended = self.gone = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert connection_of(scope) is not None
        self.begun += 1
        try:
            await self._answer(scope["path"], receive, send)
        finally:
            self.ended += 1

    async def _answer(self, path: str, receive: Receive, send: Send) -> None:
        if path in ("/wait", "/later"):
            await asyncio.to_thread(self.go.wait, 60)
        while path != "/wait" and (message := await receive())["type"] != "http.disconnect" and message["more_body"]:
            pass
        if path != "/wait" and message["type"] == "http.disconnect":
            self.gone += 1
            return
        size = MANY if path == "/large" else 2
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % size)]})
        for start in range(0, size, 2**20):
            await send({"type": "http.response.body", "body": bytes(min(2**20, size)), "more_body": start + 2**20 < size})


@contextmanager
def _serving(deadlines: Deadlines, most: int = 256, per_address: int = 256, proxies: str = "") -> Iterator[tuple[Served, App]]:
    app = App()
    limits = ConnectionLimits(most, per_address, deadlines, Networks([ip_network(proxies)] if proxies else []))
    with serving(app, partial(WatchedProtocol, limits=limits)) as served:
        try:
            yield served, app
        finally:
            app.go.set()


def _cut_off(reason: str) -> float:
    [counted] = metrics.CUT_OFF.labels(reason).collect()
    return counted.samples[0].value


def _until_closed(connection: socket.socket) -> bytes:
    with suppress(ConnectionError):
        return read_to_end(connection)
    return b""


def _drip(connection: socket.socket, data: bytes, seconds: float) -> None:
    """A byte at a time, until the other side has had enough."""
    for start in range(len(data)):
        connection.sendall(data[start : start + 1])
        if select.select([connection], [], [], seconds)[0]:
            return


@pytest.mark.parametrize("begin", [b"", b"GET / HTTP/1.1\r\nhost: x\r\n"])
def test_a_head_has_its_time(begin: bytes) -> None:
    """uvicorn 0.54.0 waits for it for ever."""
    before = _cut_off("head")
    with _serving(Deadlines(head_seconds=0.3)) as (served, app), served.connected() as connection:
        connection.sendall(begin)
        assert _until_closed(connection).startswith(b"HTTP/1.1 408 " if begin else b"")
        wait_until(lambda: served.connections() == 0 or bool(begin), within=10)
        assert app.begun == 0
    assert _cut_off("head") == before + 1


def test_a_head_that_drips_has_no_more_time() -> None:
    with _serving(Deadlines(head_seconds=0.3)) as (served, app), served.connected() as connection:
        _drip(connection, b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 100, 0.02)
        assert _until_closed(connection).startswith(b"HTTP/1.1 408 ")
        assert app.begun == 0


def test_a_further_requests_head_has_its_time_too() -> None:
    """From its first byte; while nothing comes the keep-alive timer of uvicorn waits, and here it waits longer."""
    with _serving(Deadlines(head_seconds=0.3)) as (served, _), served.connected() as connection:
        connection.sendall(GET % b"one")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
        time.sleep(0.5)
        connection.sendall(GET % b"two")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
        connection.sendall(b"GET /three")
        assert _until_closed(connection).startswith(b"HTTP/1.1 408 ")


BODY = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n"


@pytest.mark.parametrize("begin", [b"", b"some"])
def test_a_silent_body_is_given_up(begin: bytes) -> None:
    before = _cut_off("body")
    with _serving(Deadlines(stall_seconds=0.3, least_rate=0)) as (served, app), served.connected() as connection:
        connection.sendall(BODY + begin)
        answer = _until_closed(connection)
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b'"code":"request_timeout"' in answer
        wait_until(lambda: app.gone == 1, within=10)
    assert _cut_off("body") == before + 1


def test_a_body_that_drips_is_given_up() -> None:
    deadlines = Deadlines(stall_seconds=60, least_rate=1000, grace_seconds=0.5)
    with _serving(deadlines) as (served, app), served.connected() as connection:
        connection.sendall(BODY)
        _drip(connection, b"x" * 500, 0.01)
        assert _until_closed(connection).startswith(b"HTTP/1.1 408 ")
        wait_until(lambda: app.gone == 1, within=10)


def test_a_body_above_the_least_rate_may_take_its_time() -> None:
    deadlines = Deadlines(stall_seconds=0.5, least_rate=100, grace_seconds=0.5)
    with _serving(deadlines) as (served, _), served.connected() as connection:
        connection.sendall(BODY.replace(b"1000000", b"1000"))
        for _ in range(20):  # with four times as much as either of the two would take
            connection.sendall(b"x" * 50)
            time.sleep(0.1)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("headers", [b"", b"expect: 100-continue\r\n"])
def test_a_client_whose_body_is_not_read_is_not_cut_off(headers: bytes) -> None:
    """The application is behind: the store is slow, or no place is free. A client that waits for `100 Continue` sends nothing."""
    size = 2**20
    head = b"POST /later HTTP/1.1\r\nhost: x\r\n%scontent-length: %d\r\n\r\n" % (headers, size)
    with (
        _serving(Deadlines(stall_seconds=0.2, least_rate=1e9, grace_seconds=0.2)) as (served, app),
        served.connected() as connection,
    ):
        sender = threading.Thread(target=connection.sendall, args=(head + (b"" if headers else bytes(size)),))
        sender.start()
        wait_until(lambda: app.begun == 1, within=10)
        time.sleep(1)  # five times as long as any deadline
        app.go.set()
        if headers:
            assert connection.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
            connection.sendall(bytes(size))
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
        sender.join()


def test_a_request_at_work_has_no_deadline() -> None:
    """As one with `Prefer: wait=30` has none."""
    with _serving(Deadlines(0.2, 0.2, 1e9, 0.2)) as (served, app), served.connected() as connection:
        connection.sendall(GET % b"wait")
        wait_until(lambda: app.begun == 1, within=10)
        time.sleep(1)
        app.go.set()
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("headers", [b"", b"connection: close\r\n"])
def test_a_client_that_reads_nothing_is_cut_off(headers: bytes) -> None:
    before = _cut_off("reading")
    with _serving(Deadlines(stall_seconds=0.5, least_rate=0)) as (served, app), served.connected() as connection:
        connection.sendall((GET % b"large").replace(b"host: x\r\n", b"host: x\r\n" + headers))
        wait_until(lambda: app.ended == 1, within=20)
        wait_until(lambda: served.connections() == 0, within=20)
    assert _cut_off("reading") == before + 1


def test_a_client_whose_whole_answer_is_buffered_and_that_reads_nothing_is_cut_off() -> None:
    """The application has ended, and what it gave is still to be sent."""
    size = 24 * 2**20

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % size)]})
        await send({"type": "http.response.body", "body": bytes(size)})

    limits = ConnectionLimits(deadlines=Deadlines(stall_seconds=0.5, least_rate=0))
    with serving(app, partial(WatchedProtocol, limits=limits)) as served, served.connected() as connection:
        connection.sendall(GET % b"")
        wait_until(lambda: served.connections() == 1, within=10)
        wait_until(lambda: served.connections() == 0, within=20)


def _read_slowly(connection: socket.socket, piece: int, seconds: float, times: int) -> int:
    read = 0
    with suppress(ConnectionError):
        for _ in range(times):
            read += len(connection.recv(piece))
            time.sleep(seconds)
    return read


def test_a_client_that_reads_below_the_minimum_rate_is_cut_off() -> None:
    deadlines = Deadlines(stall_seconds=60, least_rate=2**20, grace_seconds=0.5)
    with _serving(deadlines) as (served, app), served.connected() as connection:
        connection.sendall(GET % b"large")
        reader = threading.Thread(target=_read_slowly, args=(connection, 1000, 0.01, 200))
        reader.start()
        wait_until(lambda: app.ended == 1, within=20)
        wait_until(lambda: served.connections() == 0, within=20)
        reader.join()


def test_a_client_that_reads_above_the_minimum_rate_gets_everything() -> None:
    """Longer than any deadline, and never fast."""
    deadlines = Deadlines(head_seconds=0.3, stall_seconds=0.6, least_rate=2**20, grace_seconds=0.6)
    with _serving(deadlines) as (served, _), served.connected() as connection:
        connection.sendall(GET % b"large")
        read = 0
        while read < MANY:
            read += len(connection.recv(2**18))
            time.sleep(0.02)


def test_a_reader_is_measured_by_what_it_has_acknowledged() -> None:
    """On Linux a large send buffer empties in steps of its third: at 400 kB a second the server's own buffer stands still for
    seconds (findings/asyncio_write_buffer_steps.sh).
    """
    before = _cut_off("reading")
    with _serving(Deadlines(stall_seconds=1, least_rate=0)) as (served, _), served.connected() as connection:
        connection.sendall(GET % b"large")
        for _ in range(30):
            assert connection.recv(2**16)
            time.sleep(0.15)
        assert _cut_off("reading") == before
        assert served.connections() == 1


def test_a_stopped_reader_holds_up_no_end() -> None:
    with _serving(Deadlines(stall_seconds=0.5, least_rate=0)) as (served, _), served.connected() as connection:
        connection.sendall(GET % b"large")
        connection.recv(1000)
        served.server.should_exit = True
        wait_until(lambda: served.connections() == 0, within=20)


def test_one_connection_too_many_closes_the_one_that_has_waited_longest() -> None:
    before = _cut_off("idle")
    with _serving(PATIENT, most=3) as (served, app), ExitStack() as stack:
        working = stack.enter_context(served.connected())
        working.sendall(GET % b"wait")
        wait_until(lambda: app.begun == 1, within=10)
        first, second, third = (stack.enter_context(served.connected()) for _ in range(3))
        assert _until_closed(first) == b""
        for waiting in (third, second):
            waiting.sendall(GET % b"")
            assert waiting.recv(65536).startswith(b"HTTP/1.1 200 ")
        app.go.set()
        assert working.recv(65536).startswith(b"HTTP/1.1 200 ")
    assert _cut_off("idle") == before + 1


def test_a_client_that_reads_nothing_is_not_closed_as_idle() -> None:
    """Its request is answered, into our memory: closed for another connection it would stay for ever, and not be counted."""
    size = 24 * 2**20

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % size)]})
        await send({"type": "http.response.body", "body": bytes(size)})

    limits = ConnectionLimits(3, 3, Deadlines(stall_seconds=1, least_rate=0))
    with serving(app, partial(WatchedProtocol, limits=limits)) as served, ExitStack() as stack:
        for _ in range(3):
            connection = stack.enter_context(served.connected())
            connection.sendall(GET % b"")
            assert connection.recv(1) == b"H"
        assert _until_closed(stack.enter_context(served.connected())).startswith(b"HTTP/1.1 503 ")
        wait_until(lambda: served.connections() == 0, within=20)


def test_where_all_work_one_more_is_refused() -> None:
    with _serving(PATIENT, most=2) as (served, app), ExitStack() as stack:
        working = [stack.enter_context(served.connected()) for _ in range(2)]
        for connection in working:
            connection.sendall(GET % b"wait")
        wait_until(lambda: app.begun == 2, within=10)
        with served.connected() as refused:
            refused.sendall(GET % b"")
            answer = _until_closed(refused)
            assert answer.startswith(b"HTTP/1.1 503 ")
            assert b"\r\nconnection: close\r\n" in answer
            assert b"\r\nretry-after: 1\r\n" in answer
        app.go.set()
        assert all(connection.recv(65536).startswith(b"HTTP/1.1 200 ") for connection in working)


def test_an_address_has_a_share() -> None:
    """Another address is not kept out by it."""
    with _serving(PATIENT, most=4, per_address=2) as (served, app), ExitStack() as stack:
        for _ in range(2):
            connection = stack.enter_context(served.connected())
            connection.sendall(GET % b"wait")
        wait_until(lambda: app.begun == 2, within=10)
        with served.connected() as third:
            assert _until_closed(third).startswith(b"HTTP/1.1 503 ")
        with socket.create_connection(("127.0.0.1", served.port), timeout=20, source_address=("127.0.0.2", 0)) as other:
            other.sendall(GET % b"")
            assert other.recv(65536).startswith(b"HTTP/1.1 200 ")
        app.go.set()


def test_a_trusted_proxy_has_no_share() -> None:
    """It stands for all clients; other addresses keep theirs."""
    with _serving(PATIENT, most=8, per_address=1, proxies="127.0.0.2/32") as (served, app), ExitStack() as stack:
        for source in ("127.0.0.2", "127.0.0.2", "127.0.0.2", "127.0.0.1"):
            connection = socket.create_connection(("127.0.0.1", served.port), timeout=20, source_address=(source, 0))
            stack.enter_context(connection).sendall(GET % b"wait")
        wait_until(lambda: app.begun == 4, within=10)
        with served.connected() as second:
            assert _until_closed(second).startswith(b"HTTP/1.1 503 ")
        app.go.set()


@pytest.mark.parametrize("fields", [1, 2000])
def test_a_head_that_is_too_long_is_refused_in_one_read_too(fields: int) -> None:
    """httptools 0.9.0 takes a head of any length that comes in one piece."""
    lines = b"x: %s\r\n" % (b"a" * (70_000 // fields))
    with _serving(PATIENT) as (served, app), served.connected() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n" + lines * fields + b"\r\n")
        assert _until_closed(connection).startswith(b"HTTP/1.1 431 ")
        assert app.begun == 0


def test_a_head_has_so_many_fields() -> None:
    with _serving(PATIENT) as (served, app), ExitStack() as stack:
        for fields, status in ((MAX_FIELDS, b"200"), (MAX_FIELDS + 1, b"431")):
            connection = stack.enter_context(served.connected())
            connection.sendall(b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * fields + b"\r\n")
            assert connection.recv(65536).startswith(b"HTTP/1.1 %s " % status)
        assert app.begun == 1


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:0db8:0001:0002"),
        ("2001:db8:1:2::9", "2001:0db8:0001:0002"),
        (None, ""),
        ("testclient", "testclient"),
    ],
)
def test_addresses_that_count_as_one_client(host: str | None, address: str) -> None:
    assert address_of(host) == address


def test_a_rate_is_an_average_with_patience() -> None:
    progress = Progress(Deadlines(stall_seconds=30, least_rate=1000, grace_seconds=60))

    assert not any(progress.is_too_slow(1, 1000) for _ in range(1000))
    assert not any(progress.is_too_slow(1, 10) for _ in range(59))  # a tunnel
    assert not progress.is_too_slow(1, 50_000)
    assert progress.behind < 15
    assert not any(progress.is_too_slow(1, 0) for _ in range(29))
    assert progress.is_too_slow(1, 0)


def test_without_a_least_rate_only_silence_counts() -> None:
    progress = Progress(Deadlines(stall_seconds=30, least_rate=0, grace_seconds=60))

    assert not any(progress.is_too_slow(20, 1) for _ in range(1000))
    assert progress.behind == 0
