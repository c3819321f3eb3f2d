"""The same thing done many times, so many of them at once: a thread for each, with a way of its own to do it.

The clock starts when every thread has its way, a connection for instance.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

from msgspec import Struct

T = TypeVar("T")

OPEN_SECONDS = 60.0

Do = Callable[[int], T]
"""Do the thing of this number."""


class Done(Struct, Generic[T]):
    """When it began, on the system's clock; how long all took, and this program's own CPU time; each with its own seconds."""

    began: float
    seconds: float
    cpu_seconds: float
    each: list[tuple[float, T]]


def at_once(threads: int, count: int, opened: Callable[[], Do[T]]) -> Done[T]:
    """Do it for the numbers below `count`, on `threads` threads; `opened` gives one its way."""
    numbers, lock, barrier = iter(range(count)), threading.Lock(), threading.Barrier(threads + 1)

    def work() -> list[tuple[float, T]]:
        do = opened()
        barrier.wait(OPEN_SECONDS)
        done = []
        while (number := taken()) is not None:
            began = time.perf_counter()
            came = do(number)
            done.append((time.perf_counter() - began, came))
        return done

    def taken() -> int | None:
        with lock:
            return next(numbers, None)

    with ThreadPoolExecutor(threads) as pool:
        working = [pool.submit(work) for _ in range(threads)]
        barrier.wait(OPEN_SECONDS)
        moment, began, cpu = time.time(), time.perf_counter(), time.process_time()
        each = [one for future in working for one in future.result()]
        return Done(moment, time.perf_counter() - began, time.process_time() - cpu, each)
