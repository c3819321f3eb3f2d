"""Waiting for a condition, with a deadline: tests never sleep for a time that somebody guessed."""

import asyncio
import inspect
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager


async def eventually(condition: Callable[[], bool | Awaitable[bool]], within: float = 30.0) -> None:
    """Return as soon as `condition`, plain or async, is true; fail the test after `within` seconds."""
    deadline = time.monotonic() + within
    while True:
        outcome = condition()
        if await outcome if inspect.isawaitable(outcome) else outcome:
            return
        if time.monotonic() > deadline:
            raise AssertionError(f"still not true after {within} s: {condition.__qualname__}")
        await asyncio.sleep(0.01)


def wait_until(condition: Callable[[], bool], within: float) -> None:
    """The same for a process without an event loop; raises TimeoutError."""
    deadline = time.monotonic() + within
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"still not true after {within} s: {condition.__qualname__}")
        time.sleep(0.02)


@contextmanager
def repeated(work: Callable[[], object], every_seconds: float) -> Iterator[None]:
    """Do `work` again and again, in a thread of its own, while the block runs."""
    ended = threading.Event()

    def repeat() -> None:
        while not ended.wait(every_seconds):
            work()

    thread = threading.Thread(target=repeat, name=work.__qualname__)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
