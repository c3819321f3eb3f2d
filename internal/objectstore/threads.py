"""Bounded thread pool for blocking calls. A cancelled call leaves nothing running."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, TypeVar

from internal.domain.errors import StoreUnavailable

T = TypeVar("T")


class Threads:
    """The thread pool of one store. At most `count` calls run at once; further calls queue.

    INVARIANT: a started call is awaited, also if its caller is cancelled. A thread can't be stopped, so a put that returned
    earlier could still create its object afterwards. Every call must therefore have a timeout of its own.
    (tests/contract/test_objectstore_interrupted.py, test_a_cancelled_put_leaves_nothing)
    """

    def __init__(self, executor: ThreadPoolExecutor) -> None:
        self._executor = executor

    async def run(self, call: Callable[[], T], undo: Callable[[T], object] | None = None) -> T:
        """Run `call` in a thread and return its result.

        If the caller is cancelled, a queued call never starts. A started call is awaited, and `undo` then gets its result, also
        in a thread; a StoreUnavailable from `undo` is ignored. The cancellation is raised afterwards.
        """
        future = self._executor.submit(call)
        cancelled = await _ended(future)
        if cancelled is None:
            return future.result()
        if undo is not None and not future.cancelled() and future.exception() is None:
            with suppress(StoreUnavailable):
                await shielded(self.run(partial(undo, future.result())))
        raise cancelled


@asynccontextmanager
async def open_threads(count: int, name: str) -> AsyncIterator[Threads]:
    """Open a pool of `count` threads, which start on demand. Leaving the context waits for running calls."""
    executor = ThreadPoolExecutor(count, thread_name_prefix=name)
    try:
        yield Threads(executor)
    finally:
        await shielded(asyncio.to_thread(executor.shutdown))


async def shielded(work: Coroutine[Any, Any, T]) -> T:
    """Await `work` until it ends. A cancellation of the caller is raised only after that."""
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        with suppress(Exception):
            task.result()
        raise cancelled
    return task.result()


async def _ended(future: Future[T]) -> asyncio.CancelledError | None:
    """Wait until the call has ended or will never start. Returns the cancellation that arrived meanwhile, or None."""
    done = asyncio.wrap_future(future)
    cancelled: asyncio.CancelledError | None = None
    while not done.done():
        try:
            await asyncio.wait({done})
        except asyncio.CancelledError as error:
            cancelled = error
            if future.cancel():
                return cancelled
    if not done.cancelled():
        done.exception()  # otherwise asyncio logs an exception that was never retrieved
    return cancelled
