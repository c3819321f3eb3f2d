"""Tasks that run exactly as long as a block does."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import structlog

log = structlog.get_logger(__name__)


@asynccontextmanager
async def running(**loops: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run each coroutine as a task of its name; at the end of the block cancel them and wait until they have cleaned up.

    They are loops without an end: one that ends by itself is a bug of ours, and is logged as one.
    """
    tasks = [asyncio.create_task(loop, name=name) for name, loop in loops.items()]
    for task in tasks:
        task.add_done_callback(_log_an_early_end)
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _log_an_early_end(task: asyncio.Task[None]) -> None:
    if not task.cancelled():
        log.error("queue.task_ended", task=task.get_name(), exc_info=task.exception())
