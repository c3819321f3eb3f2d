"""A program of its own that reads: the same requests of the API in turn, or the same objects directly from its store.

    python -m bench.fetch < order > outcome

A thread for each request in flight, each with its own connection. The clock starts when all are connected.
"""

from collections.abc import Callable

from msgspec import Struct

from bench.at_once import Do, at_once
from bench.direct_store import Address, DirectStore, open_direct_store
from bench.programs import give_outcome, taken_order
from bench.requests import Connection, RequestFailed


class Requests(Struct, frozen=True, tag="requests"):
    """Whole requests of the API on this port, and the status that they are to be answered with."""

    port: int
    requests: list[bytes]
    status: int


class Objects(Struct, frozen=True, tag="objects"):
    """Keys in this store."""

    store: Address
    keys: list[str]


class Order(Struct, frozen=True):
    """`count` of them, in turn, `at_once` of them in flight; each brings `size` bytes, None when they differ."""

    target: Requests | Objects
    size: int | None
    count: int
    at_once: int


class Outcome(Struct, frozen=True):
    """How long all of it took, this program's own CPU time, and the seconds of each."""

    seconds: float
    cpu_seconds: float
    taken: list[float]


def main() -> None:
    order = taken_order(Order)
    done = at_once(order.at_once, order.count, _opener(order))
    if order.size is not None and (wrong := {came for _, came in done.each} - {order.size}):
        raise RequestFailed(f"{order.size} bytes were to come, not {wrong.pop()}")
    give_outcome(Outcome(done.seconds, done.cpu_seconds, [seconds for seconds, _ in done.each]))


def _opener(order: Order) -> Callable[[], Do[int]]:
    """What gives a thread its way to read; it returns how many bytes came."""
    target = order.target
    if isinstance(target, Requests):
        return lambda: _from_api(Connection(target.port), target)
    store = open_direct_store(target.store, connections=order.at_once)
    return lambda: _direct(store, target.keys)


def _from_api(connection: Connection, wanted: Requests) -> Do[int]:
    return lambda number: len(connection.ask(wanted.requests[number % len(wanted.requests)], wanted.status).body)


def _direct(store: DirectStore, keys: list[str]) -> Do[int]:
    return lambda number: len(store.get(keys[number % len(keys)]))


if __name__ == "__main__":
    main()
