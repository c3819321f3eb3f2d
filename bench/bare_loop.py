"""A program of its own: get, shrink, put, for every object of a list, and nothing else. No database, no queue, no sandbox.

    python -m bench.bare_loop < order > outcome

One process for each slot that the service's worker would have, every one with its own connection. The clock starts when all of
them have loaded their libraries and made a picture, and stops as the service's does: from the first finished to the last.
"""

import multiprocessing
import sys
import time
from typing import Any
from uuid import UUID

from msgspec import Struct

from bench.direct_store import Address, open_direct_store
from bench.programs import give_outcome, taken_order
from bench.render import Rendering, confine_libvips, rendered
from internal.domain.keys import original_key, result_key

ATTEMPT = 10**9
"""Of the results' keys: no attempt of the service's ever gets there."""

START_SECONDS = 60.0


class Order(Struct, frozen=True):
    """Whose originals to work on, where they are, what to make of them, and in how many processes."""

    images: list[UUID]
    store: Address
    rendering: Rendering
    processes: int


class Outcome(Struct, frozen=True):
    """When each picture was finished, in seconds of the system's clock, and the CPU time of all of them, in seconds."""

    finished: list[float]
    cpu_seconds: float


def main() -> None:
    order = taken_order(Order)
    confine_libvips()
    context: Any = multiprocessing.get_context("fork")  # nothing is loaded yet that a fork could hurt
    barrier, position, results = context.Barrier(order.processes), context.Value("i", 0), context.SimpleQueue()
    workers = [context.Process(target=_work, args=(order, barrier, position, results)) for _ in range(order.processes)]
    for worker in workers:
        worker.start()
    outcomes: list[Outcome] = [results.get() for _ in workers]
    for worker in workers:
        worker.join()
    finished = sorted(moment for outcome in outcomes for moment in outcome.finished)
    if len(finished) != len(order.images):
        sys.exit(f"the bare loop finished {len(finished)} of {len(order.images)} pictures")
    give_outcome(Outcome(finished, sum(outcome.cpu_seconds for outcome in outcomes)))


def _work(order: Order, barrier: Any, position: Any, results: Any) -> None:
    """One process: it always has a result, also when it fails, so that nobody waits for it for ever."""
    outcome = Outcome([], 0)
    try:
        outcome = _loop(order, barrier, position)
    finally:
        results.put(outcome)


def _loop(order: Order, barrier: Any, position: Any) -> Outcome:
    store = open_direct_store(order.store, connections=1)
    rendered(store.get(original_key(order.images[0])), order.rendering)
    barrier.wait(START_SECONDS)
    cpu = time.process_time()
    finished = []
    while (number := _next(position)) < len(order.images):
        image = order.images[number]
        store.put(result_key(image, image, ATTEMPT), rendered(store.get(original_key(image)), order.rendering))
        finished.append(time.time())
    return Outcome(finished, time.process_time() - cpu)


def _next(position: Any) -> int:
    with position.get_lock():
        position.value += 1
        return int(position.value) - 1


if __name__ == "__main__":
    main()
