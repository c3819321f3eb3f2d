"""Starting and stopping a process: a signal asks it to end, a later one insists."""

import asyncio
import errno
import signal
import socket
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import uvloop

from internal.configuration import SettingsError, load_settings, require_store_key
from internal.configured import configured_grammar
from internal.errors import StartRefused
from internal.settings import Settings

SAME_SIGNAL_SECONDS = 1.0


def settings_or_exit() -> Settings:
    """The settings, or one line on the terminal and exit code 2."""
    try:
        settings = load_settings()
        configured_grammar(settings)
        require_store_key(settings)
        return settings
    except SettingsError as error:
        print(f"configuration: {error}", file=sys.stderr)
        sys.exit(2)


def api_ports(settings: Settings) -> list[tuple[str, str, int]]:
    """What the API listens on: variable, host and port, for refuse_taken_ports."""
    host, metrics = settings.server.host, settings.metrics.port
    return [("SERVER_PORT", host, settings.server.port), *([("METRICS_PORT", host, metrics)] if metrics else [])]


def refuse_taken_ports(wanted: list[tuple[str, str, int]]) -> None:
    """As refuse_taken_port for all of them; none of them may be another's. Raises SystemExit."""
    seen: dict[int, str] = {}
    for variable, host, port in wanted:
        if port in seen:
            sys.exit(f"{variable}: port {port} is {seen[port]}. Choose another, for instance {variable}={port + 10}.")
        seen[port] = variable
        refuse_taken_port(variable, host, port)


def refuse_taken_port(variable: str, host: str, port: int) -> None:
    """One line that names the variable, instead of a stack trace, when the port can't be listened on. Raises SystemExit."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            reason = "is taken" if error.errno == errno.EADDRINUSE else f"can't be used: {error.strerror}"
            sys.exit(f"{variable}: port {port} on {host} {reason}. Choose another, for instance {variable}={port + 10}.")


@contextmanager
def told_of_the_end() -> Iterator[asyncio.Event]:
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
