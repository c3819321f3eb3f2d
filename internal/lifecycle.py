"""Starting and stopping a process: one signal asks it to end, a second one insists."""

import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import uvloop

from internal.settings import Settings, SettingsError, load_settings


def settings_or_exit() -> Settings:
    """The settings, or one line on the terminal and exit code 2."""
    try:
        return load_settings()
    except SettingsError as error:
        sys.exit(f"configuration: {error}")


def run_until_signalled(work: Callable[[asyncio.Event], Coroutine[Any, Any, None]]) -> None:
    """Run `work` on uvloop. SIGTERM or SIGINT sets its event, so that it can end in order; a second one cancels it."""

    async def main() -> None:
        stopping = asyncio.Event()
        task = asyncio.ensure_future(work(stopping))

        def stop() -> None:
            if stopping.is_set():
                task.cancel()
            stopping.set()

        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop)
        try:
            await task
        except asyncio.CancelledError:
            sys.exit("stopped at once")

    uvloop.run(main())
