"""A program of its own that uploads: through the API, or straight into its object store, the same bytes the same number at once.

    python -m bench.load < order > outcome

A thread for each upload in flight, each with its own connection. The clock starts when all are connected.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID

from msgspec import Struct

from bench.programs import give_outcome, taken_order
from bench.requests import Connection, upload_request
from bench.straight import Address, Straight, open_straight
from internal.images.keys import original_key
from internal.images.model import new_id


class Api(Struct, frozen=True, tag="api"):
    """The API on this port of 127.0.0.1."""

    port: int


class Upload(Struct, frozen=True):
    """A file and what is asked for it; straight into the store nothing is."""

    path: Path
    processing: str


class Order(Struct, frozen=True):
    """`count` uploads, `at_once` of them in flight, the files in turn."""

    target: Api | Address
    uploads: list[Upload]
    count: int
    at_once: int


class Outcome(Struct, frozen=True):
    """How long all of it took, this program's own CPU time, and which images there are now."""

    seconds: float
    cpu_seconds: float
    bytes_sent: int
    images: list[UUID]


Put = Callable[[int], UUID]
"""Do the upload of this number, on a connection of the thread's own."""


def main() -> None:
    give_outcome(_Run(taken_order(Order)).outcome())


class _Run:
    def __init__(self, order: Order) -> None:
        self._order = order
        self._numbers = iter(range(order.count))
        self._lock = threading.Lock()
        self._barrier = threading.Barrier(order.at_once + 1)

    def outcome(self) -> Outcome:
        order = self._order
        opened = self._opener()
        with ThreadPoolExecutor(order.at_once) as threads:
            working = [threads.submit(self._work, opened) for _ in range(order.at_once)]
            self._barrier.wait(60)
            began, cpu = time.perf_counter(), time.process_time()
            images = [image for future in working for image in future.result()]
            seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
        sizes = [upload.path.stat().st_size for upload in order.uploads]
        return Outcome(seconds, cpu, sum(sizes[number % len(sizes)] for number in range(order.count)), images)

    def _opener(self) -> Callable[[], Put]:
        """What gives a thread its way to upload."""
        target, uploads = self._order.target, self._order.uploads
        if isinstance(target, Api):
            port = target.port
            requests = [upload_request(upload.path, upload.processing, port) for upload in uploads]
            return lambda: _through_api(Connection(port), requests)
        contents = [upload.path.read_bytes() for upload in uploads]
        store = open_straight(target, connections=self._order.at_once)
        return lambda: _straight(store, contents)

    def _work(self, opened: Callable[[], Put]) -> list[UUID]:
        put = opened()
        self._barrier.wait(60)
        images = []
        while (number := self._next()) is not None:
            images.append(put(number))
        return images

    def _next(self) -> int | None:
        with self._lock:
            return next(self._numbers, None)


def _through_api(connection: Connection, requests: list[bytes]) -> Put:
    return lambda number: connection.upload(requests[number % len(requests)])


def _straight(store: Straight, contents: list[bytes]) -> Put:
    def put(number: int) -> UUID:
        image = new_id()
        store.put(original_key(image), contents[number % len(contents)])
        return image

    return put


if __name__ == "__main__":
    main()
