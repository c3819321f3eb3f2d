"""Blocking calls in a bounded pool of threads, with cancellation that leaves nothing running behind it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, TypeVar

from internal.domain.errors import StoreUnavailable

T = TypeVar("T")


class Threads:
    """The threads of one store. At most `count` calls run at once; further ones queue.

    INVARIANT: a call that has begun is waited for, also when its caller is cancelled. A thread can't be stopped, so a put that
    returned earlier could still make its object afterwards. Every call must therefore end by itself: it carries a timeout.
    (tests/contract/test_objectstore_interrupted.py, test_a_cancelled_put_leaves_nothing)
    """

    def __init__(self, executor: ThreadPoolExecutor) -> None:
        self._executor = executor

    async def run(self, call: Callable[[], T], undo: Callable[[T], object] | None = None) -> T:
        """Run `call` in a thread. When the caller is cancelled, a call that still queues never begins; for one that has begun,
        `undo` is given its result, in a thread too, and its StoreUnavailable is swallowed: the cancellation goes on.
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
    """A pool of `count` threads, started one by one as they are needed; leaving waits for what still runs."""
    executor = ThreadPoolExecutor(count, thread_name_prefix=name)
    try:
        yield Threads(executor)
    finally:
        await shielded(asyncio.to_thread(executor.shutdown))


async def shielded(work: Coroutine[Any, Any, T]) -> T:
    """Await `work` to its end; a cancellation of the caller that comes meanwhile is raised only then."""
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
    """Wait until the call has ended or will never begin; return the cancellation that came meanwhile."""
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
        done.exception()  # else asyncio logs an exception that nobody looked at
    return cancelled
