"""A service for the time of a demo, where none is running: the standalone deployment on a folder that goes away afterwards."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from internal.cli.connection import Connection
from internal.cli.errors import CommandError

PROJECT = Path(__file__).resolve().parents[2]
START_SECONDS = 60.0
STOP_SECONDS = 40.0

_NOT_PASSED_ON = ("APP_PROFILE", "STORAGE_BACKEND", "STORAGE_PATH", "QUEUE_BACKEND")
"""Variables that could lead the demo to data which are not its own."""


@contextmanager
def own_service() -> Iterator[str]:
    """The address of a service that ends, and forgets everything, with the block."""
    with tempfile.TemporaryDirectory(prefix="imagectl-demo-") as folder:
        log = Path(folder) / "log"
        address, environment = _placed(Path(folder) / "data")
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-P", str(PROJECT / "cmd/standalone/main.py")],
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C reaches us alone
            )
        try:
            _wait_until_ready(address, process, log)
            yield address
        finally:
            _stop(process)


def _placed(data: Path) -> tuple[str, dict[str, str]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    passed_on = {name: value for name, value in os.environ.items() if name not in _NOT_PASSED_ON}
    own = {"DATA_PATH": str(data), "SERVER_HOST": "127.0.0.1", "SERVER_PORT": str(port), "WORKER_PORT": "0"}
    return f"http://127.0.0.1:{port}", {**passed_on, **own}


def _wait_until_ready(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    with Connection(address) as connection:
        while not connection.ready():
            if process.poll() is not None or time.monotonic() > deadline:
                said = log.read_text(errors="replace").strip().splitlines()
                raise CommandError(f"The service could not be started: {said[-1] if said else 'it said nothing'}")
            time.sleep(0.05)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGINT)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
