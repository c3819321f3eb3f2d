"""Starting and stopping a process: a signal asks it to end, a later one insists."""

import asyncio
import signal
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import uvloop

from internal.domain.errors import StartRefused

SAME_SIGNAL_SECONDS = 1.0


@contextmanager
def shutdown_event() -> Iterator[asyncio.Event]:
    """Set from the moment when the process is asked to end by SIGTERM or SIGINT; who handles these handles them all the same.

    For an application inside a server, which is told only when all its requests have ended. Outside of the main thread, where no
    signal arrives, it is never set.
    """
    ending, loop = asyncio.Event(), asyncio.get_running_loop()
    signals = (signal.SIGTERM, signal.SIGINT) if threading.current_thread() is threading.main_thread() else ()
    handlers = {number: handler for number in signals if callable(handler := signal.getsignal(number))}

    def tell(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(ending.set)
        handlers[signal.Signals(number)](number, frame)

    for number in handlers:
        signal.signal(number, tell)
    try:
        yield ending
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def run_until_signalled(work: Callable[[asyncio.Event], Coroutine[Any, Any, None]]) -> None:
    """Run `work` on uvloop. SIGTERM or SIGINT sets its event, so that it ends in order; a later one cancels it.

    One Ctrl-C may arrive twice, from the terminal and from a parent that passes it on: within a second it is the same one.
    A StartRefused is one line on the terminal and exit code 1.
    """

    async def main() -> None:
        stopping = asyncio.Event()
        task = asyncio.ensure_future(work(stopping))

        loop = asyncio.get_running_loop()
        asked_at = 0.0

        def stop() -> None:
            nonlocal asked_at
            if not stopping.is_set():
                asked_at = loop.time()
                stopping.set()
            elif loop.time() - asked_at > SAME_SIGNAL_SECONDS:
                task.cancel()

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop)
        try:
            await task
        except asyncio.CancelledError:
            sys.exit("stopped at once")
        except StartRefused as refusal:
            sys.exit(str(refusal))

    uvloop.run(main())
