"""Lifecycle of a process: the first signal stops it in order, a second one immediately."""

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
    """Event that is set on SIGTERM and SIGINT. Existing handlers still run.

    It is for an application inside a server, which stops the application only after all requests have ended. Outside the main
    thread, where no signals arrive, it is never set.
    """
    shutting_down, loop = asyncio.Event(), asyncio.get_running_loop()
    signals = (signal.SIGTERM, signal.SIGINT) if threading.current_thread() is threading.main_thread() else ()
    handlers = {number: handler for number in signals if callable(handler := signal.getsignal(number))}

    def notify(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(shutting_down.set)
        handlers[signal.Signals(number)](number, frame)

    for number in handlers:
        signal.signal(number, notify)
    try:
        yield shutting_down
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def run_until_signalled(work: Callable[[asyncio.Event], Coroutine[Any, Any, None]]) -> None:
    """Run `work` on uvloop. SIGTERM or SIGINT sets its event, so that it ends in order; a second signal cancels it.

    One Ctrl-C may arrive twice, from the terminal and from a parent process: signals within a second count as one. A StartRefused
    ends the process with one line on the terminal and exit code 1.
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
