"""A program of its own that uploads: through the API, or directly into its object store, the same bytes the same number at once.

    python -m bench.load < order > outcome

A thread for each upload in flight, each with its own connection. The clock starts when all are connected.
"""

import time
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

from msgspec import Struct

from bench.at_once import Do, at_once
from bench.direct_store import Address, DirectStore, open_direct_store
from bench.programs import give_outcome, taken_order
from bench.requests import ComeAgain, Connection, upload_request
from internal.domain.ids import new_id
from internal.domain.keys import original_key


class Api(Struct, frozen=True, tag="api"):
    """The API on this port of 127.0.0.1. Who is told to come again does, as told, for `patience` seconds."""

    port: int
    patience: float = 0.0


class Upload(Struct, frozen=True):
    """A file and what is asked for it; nothing, if it goes directly into the store. `head`: further lines of the request's."""

    path: Path
    processing: str
    head: tuple[str, ...] = ()


class Order(Struct, frozen=True):
    """`count` uploads, `at_once` of them in flight, the files in turn."""

    target: Api | Address
    uploads: list[Upload]
    count: int
    at_once: int


class Outcome(Struct, frozen=True):
    """How long all of it took, this program's own CPU time, and which images there are now.

    `began` on the system's clock; `taken`: seconds of each upload from its first byte to its 201, with all its coming again;
    `sent_away`: how many were told to come again, and came.
    """

    seconds: float
    cpu_seconds: float
    bytes_sent: int
    images: list[UUID]
    began: float
    taken: list[float]
    sent_away: int


class Put(Struct, frozen=True):
    """An upload that was taken, and how often it had been told to come again."""

    image: UUID
    sent_away: int = 0


def main() -> None:
    give_outcome(_outcome(taken_order(Order)))


def _outcome(order: Order) -> Outcome:
    done = at_once(order.at_once, order.count, _opener(order))
    sizes = [upload.path.stat().st_size for upload in order.uploads]
    puts = [put for _, put in done.each]
    return Outcome(
        seconds=done.seconds,
        cpu_seconds=done.cpu_seconds,
        bytes_sent=sum(sizes[number % len(sizes)] for number in range(order.count)),
        images=[put.image for put in puts],
        began=done.began,
        taken=[seconds for seconds, _ in done.each],
        sent_away=sum(put.sent_away > 0 for put in puts),
    )


def _opener(order: Order) -> Callable[[], Do[Put]]:
    """What gives a thread its way to upload."""
    target, uploads = order.target, order.uploads
    if isinstance(target, Api):
        requests = [upload_request(upload.path, upload.processing, target.port, *upload.head) for upload in uploads]
        return lambda: _through_api(Connection(target.port), requests, target.patience)
    contents = [upload.path.read_bytes() for upload in uploads]
    store = open_direct_store(target, connections=order.at_once)
    return lambda: _direct(store, contents)


def _through_api(connection: Connection, requests: list[bytes], patience: float) -> Do[Put]:
    def put(number: int) -> Put:
        sent_away, until = 0, time.monotonic() + patience
        while True:
            try:
                return Put(connection.upload(requests[number % len(requests)]), sent_away)
            except ComeAgain as later:
                if time.monotonic() + later.seconds > until:
                    raise
                sent_away += 1
                time.sleep(later.seconds)

    return put


def _direct(store: DirectStore, contents: list[bytes]) -> Do[Put]:
    def put(number: int) -> Put:
        image = new_id()
        store.put(original_key(image), contents[number % len(contents)])
        return Put(image)

    return put


if __name__ == "__main__":
    main()
