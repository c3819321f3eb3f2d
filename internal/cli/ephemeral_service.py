"""Service for the duration of a demo: the standalone deployment with a temporary data folder, for whoever has its key."""

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

from internal.cli.errors import CommandError
from internal.cli.service_client import ServiceClient
from internal.runtime.secret import Secret

PROJECT = Path(__file__).resolve().parents[2]
START_SECONDS = 60.0
STOP_SECONDS = 40.0

_NOT_INHERITED = ("APP_PROFILE", "STORAGE_BACKEND", "STORAGE_PATH", "QUEUE_BACKEND", "DB_HOST")
"""Variables that could point the demo to other data."""


@contextmanager
def ephemeral_service() -> Iterator[tuple[str, Secret]]:
    """Start a service, and yield its address and a key. Service and data are removed when the block ends."""
    with tempfile.TemporaryDirectory(prefix="imagectl-demo-") as folder:
        log = Path(folder) / "log"
        address, environment = _address_and_environment(Path(folder) / "data")
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-P", str(PROJECT / "cmd/standalone/main.py")],
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C reaches this process only
            )
        try:
            _wait_until_ready(address, process, log)
            yield address, _new_key(environment)
        finally:
            _stop(process)


def _address_and_environment(data: Path) -> tuple[str, dict[str, str]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    inherited = {name: value for name, value in os.environ.items() if name not in _NOT_INHERITED}
    own = {"DATA_PATH": str(data), "SERVER_HOST": "127.0.0.1", "SERVER_PORT": str(port), "WORKER_PORT": "0", "AUTH_MODE": "key"}
    return f"http://127.0.0.1:{port}", {**inherited, **own}


def _wait_until_ready(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    with ServiceClient(address) as client:
        while not client.ready():
            if process.poll() is not None or time.monotonic() > deadline:
                lines = log.read_text(errors="replace").strip().splitlines()
                raise CommandError(f"The service could not be started: {lines[-1] if lines else 'it printed nothing'}")
            time.sleep(0.05)


def _new_key(environment: dict[str, str]) -> Secret:
    """A key, made as an operator makes the first one."""
    command = [sys.executable, "-P", str(PROJECT / "cmd/imagectl/main.py"), "keys", "create", "--owner", "demo"]
    made = subprocess.run(
        [*command, "--scopes", "images:read,images:write"],
        env={**environment, "APP_PROFILE": "standalone"},
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        raise CommandError(f"No key could be made for the demo: {made.stderr.strip()}")
    return Secret(made.stdout.strip())


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGINT)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
