"""Background tasks that run exactly as long as a block."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import structlog

log = structlog.get_logger(__name__)


@asynccontextmanager
async def running(**loops: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run each coroutine as a named task. At the end of the block, cancel the tasks and wait until they have cleaned up.

    The coroutines must be endless loops. If one ends by itself, that is a bug, and it is logged as an error.
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
