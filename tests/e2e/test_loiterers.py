"""Clients that loiter: silent, dripping, idle, and such as read nothing. Nobody else waits for them, and none stays for ever."""

import resource
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress

import psutil  # type: ignore[import-untyped]
import pytest

from tests import pictures
from tests.e2e.deployment import IMAGES, Deployment
from tests.e2e.deployments import standalone, temporary_folder
from tests.services.waiting import repeated, wait_until

SILENT, DRIPPING, IDLE, STOPPED = 64, 64, 1000, 100
OTHERS = SILENT + DRIPPING + IDLE + STOPPED
MEMORY_BYTES = 480 * 2**20
"""What all of them together may cost the API: 300 KB each, and a MiB for each answer that is not read. Seen: 340 to 410 MiB."""

GOOD_SECONDS = 10.0
"""Five times what a good upload may take beside them; with all places taken it was refused after as long as this."""

PART = b'--b\r\nContent-Disposition: form-data; name="image"; filename="a.jpg"\r\n\r\n'


@pytest.fixture(autouse=True)
def open_files() -> Iterator[None]:
    """For this process's side of so many connections."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    if before[0] < 2 * OTHERS:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(2 * OTHERS, before[1]), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def _request(service: Deployment, line: str, *fields: str) -> bytes:
    """The head of a request that is let in."""
    credential = [f"authorization: {service.authorization}"] if service.authorization else []
    return "\r\n".join((f"{line} HTTP/1.1", "host: x", *credential, *fields, "\r\n")).encode()


def _upload(service: Deployment) -> bytes:
    return _request(service, f"POST {IMAGES}", "content-type: multipart/form-data; boundary=b", "content-length: 900000")


@contextmanager
def _connections(service: Deployment, count: int, begin: bytes) -> Iterator[list[socket.socket]]:
    with ExitStack() as stack:
        opened = [stack.enter_context(socket.create_connection(service.place, timeout=20)) for _ in range(count)]
        for connection in opened:
            if begin:
                connection.sendall(begin)
        yield opened


def _dripping(connections: list[socket.socket]) -> AbstractContextManager[None]:
    """Each of them sends a byte five times a second."""

    def drip() -> None:
        for connection in connections:
            with suppress(OSError):
                connection.send(b"\xff")

    return repeated(drip, every_seconds=0.2)


def _api() -> psutil.Process:
    """The one that a test has started, by itself or below `make run`."""
    [api] = [found for found in psutil.Process().children(recursive=True) if "cmd/api/main.py" in " ".join(found.cmdline())]
    return api


def test_a_good_upload_passes_beside_all_of_them_in_one_terminal() -> None:
    with temporary_folder() as folder, standalone(folder, LOG_LEVEL="warning") as (service, _):
        a_good_upload_passes_beside_all_of_them(service)


def test_a_good_upload_passes_beside_all_of_them_in_the_full_stack(full_stack: Deployment) -> None:
    a_good_upload_passes_beside_all_of_them(full_stack)


def a_good_upload_passes_beside_all_of_them(service: Deployment) -> None:
    api = _api()
    large = service.processed(bytes(pictures.photo(2400, 1600).pngsave_buffer(compression=0)), processing="resize:9x9")
    before = api.memory_info().rss
    read, head = _request(service, f"GET {large}/original"), _upload(service)
    with (
        _connections(service, IDLE, b""),
        _connections(service, SILENT, head),
        _connections(service, DRIPPING, head + PART + pictures.jpeg()[:100]) as dripping,
        _connections(service, STOPPED, read),
        _dripping(dripping),
    ):
        wait_until(lambda: api.num_fds() > OTHERS - IDLE, within=20)
        for _ in range(3):
            began = time.monotonic()
            path = service.upload(pictures.photo_jpeg(1200, 900), processing="resize:50x50")
            assert time.monotonic() - began < GOOD_SECONDS
        assert service.settled(path)["status"] == "processed"
        assert service.http.get(f"{path}/original").status_code == 200
        assert api.num_fds() < 2 * OTHERS
        assert api.memory_info().rss - before < MEMORY_BYTES
    wait_until(lambda: api.num_fds() < OTHERS - IDLE, within=30)


def _ends(connection: socket.socket) -> bool:
    """Whether the server has ended it; what it still sends is read."""
    connection.setblocking(False)
    try:
        return connection.recv(65536) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


def _has_ended(connections: list[socket.socket]) -> Callable[[], bool]:
    ended: set[int] = set()

    def all_ended() -> bool:
        ended.update(number for number, connection in enumerate(connections) if number not in ended and _ends(connection))
        return len(ended) == len(connections)

    return all_ended


def test_none_of_them_stays() -> None:
    """With short deadlines, in the real process: for heads, bodies that never begin, that stop and that drip, the next request,
    and the reading of answers. Waited for more than five times as long as the longest may take.
    """
    short = {"SERVER_HEADER_SECONDS": 1, "SERVER_STALL_SECONDS": 2, "SERVER_GRACE_SECONDS": 2, "SERVER_KEEP_ALIVE_SECONDS": 1}
    with temporary_folder() as folder, standalone(folder, LOG_LEVEL="warning", **short) as (service, _):
        large = service.processed(bytes(pictures.photo(2400, 1600).pngsave_buffer(compression=0)), processing="resize:9x9")
        read, head = _request(service, f"GET {large}/original"), _upload(service)
        answered, heads = b"GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n", b"GET / HTTP/1.1\r\nhost: x\r\n"
        with ExitStack() as stack:
            stopped = head + PART + pictures.photo_jpeg(600, 400)[:20_000]
            begins = (b"", heads, answered, head, stopped, head + PART)
            begun = [stack.enter_context(_connections(service, 5, begin)) for begin in begins]
            stack.enter_context(_connections(service, 5, read))
            stack.enter_context(_dripping(begun[-1]))
            wait_until(_has_ended([connection for kind in begun for connection in kind]), within=30)
            wait_until(lambda: 'cut_off_total{reason="reading"} 5.0' in service.api_metrics(), within=30)
        said = service.api_metrics()
        for reason, least in (("head", 10), ("body", 15), ("reading", 5)):
            counted = next(line for line in said.splitlines() if f'connections_cut_off_total{{reason="{reason}"}}' in line)
            assert float(counted.rpartition(" ")[2]) == least, reason
        service.processed(pictures.jpeg())


def test_slow_ones_that_hold_all_places_give_way() -> None:
    """Each has sent as much as takes a place; then a byte now and then."""
    with temporary_folder() as folder, standalone(folder, LOG_LEVEL="warning", SERVER_ADDRESS_SHARE=1) as (service, _):
        begun = _upload(service) + PART + bytes(pictures.photo(600, 400).pngsave_buffer(compression=0))[:80_000]
        with _connections(service, SILENT, begun) as dripping, _dripping(dripping):
            before = service.api_metrics()
            for _ in range(3):
                began = time.monotonic()
                service.upload(pictures.photo_jpeg(1200, 900), processing="resize:50x50")
                assert time.monotonic() - began < GOOD_SECONDS
            assert service.api_metrics() != before
            assert 'cut_off_total{reason="place"}' in service.api_metrics()
