"""Programs beside this one: the service's processes, and ours that take an order on stdin and give an outcome on stdout.

Every one is a session of its own, so that Ctrl-C reaches this process alone, which ends the others in order; and the kernel ends
them when this process is killed. Only what was started here is ever ended.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from bench.trees import THIS, Tree
from internal.observability.logs import configure_logging
from internal.observability.settings import LoggingSettings
from internal.runtime.project import PROJECT

T = TypeVar("T")

PR_SET_PDEATHSIG = 1
READY_SECONDS = 60.0
END_SECONDS = 20.0
PROGRAM_SECONDS = 180.0


class ProgramFailed(Exception):
    """A program did not start, or ended otherwise than it should; the text is the end of what it said."""


class Running(Struct):
    """A process of the service; its port on 127.0.0.1 answers HTTP. `log` is what it writes to stderr."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not _is_ready(self.port):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise ProgramFailed(f"not ready: {_tail(self.log)}")
            time.sleep(0.02)


@contextmanager
def service(script: str, port: int, environment: Mapping[str, str], log: Path, tree: Tree = THIS) -> Iterator[Running]:
    """Run a launcher of `tree` while the block runs; SIGTERM at the end, and SIGKILL when that does not help."""
    with log.open("ab") as errors:
        process = subprocess.Popen(
            [str(tree.python), "-P", str(tree.folder / script)],
            cwd=tree.folder,
            env={**environment, "PYTHONPATH": str(tree.folder)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            start_new_session=True,
            preexec_fn=ended_with_parent,  # noqa: PLW1509 - it calls into the kernel and takes no lock
        )
    try:
        yield Running(process, port, log)
    finally:
        _end(process)


def run_launcher(script: str, environment: Mapping[str, str], tree: Tree) -> None:
    """Run a launcher of `tree` to its end. Raises ProgramFailed."""
    command = [str(tree.python), "-P", str(tree.folder / script)]
    variables = {**environment, "PYTHONPATH": str(tree.folder)}
    try:
        done = subprocess.run(
            command, cwd=tree.folder, env=variables, capture_output=True, text=True, timeout=PROGRAM_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise ProgramFailed(f"{script} of {tree.name} took more than {PROGRAM_SECONDS:g} s") from error
    if done.returncode:
        raise ProgramFailed(f"{script} of {tree.name}: {done.stderr.strip()[-2000:]}")


def run(module: str, order: Any, outcome: type[T]) -> T:
    """Give `order` to a Python program of ours and return its outcome. Raises ProgramFailed."""
    return run_command([sys.executable, "-m", module], order, outcome)


def run_command(command: list[str], order: Any, outcome: type[T], environment: Mapping[str, str] | None = None) -> T:
    """Give `order` to a program as JSON on stdin and return its outcome; `environment` is added to ours. Raises ProgramFailed."""
    process = subprocess.Popen(
        command,
        cwd=PROJECT,
        env={**os.environ, **(environment or {})},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=ended_with_parent,  # noqa: PLW1509 - as above
    )
    try:
        answer, errors = process.communicate(msgspec.json.encode(order, enc_hook=str), timeout=PROGRAM_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise ProgramFailed(f"{command[-1]} took more than {PROGRAM_SECONDS:g} s") from error
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # its own children, when it did not live to end them
        process.wait()
    if process.returncode != 0:
        raise ProgramFailed(f"{command[-1]}: {errors.decode(errors='replace').strip()[-2000:]}")
    return msgspec.json.decode(answer, type=outcome)


def taken_order(kind: type[T]) -> T:
    """In a program of ours: what it was asked to do. From here on only what goes wrong is logged."""
    configure_logging(LoggingSettings(level="warning", format="console"), "bench")
    return msgspec.json.decode(sys.stdin.buffer.read(), type=kind, dec_hook=lambda wanted, value: wanted(value))


def give_outcome(outcome: Any) -> None:
    """In a program of ours: its answer, the last thing that it does."""
    sys.stdout.buffer.write(msgspec.json.encode(outcome))


def _end(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _is_ready(port: int) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/health/ready")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def _tail(log: Path) -> str:
    return log.read_text(errors="replace").strip()[-2000:]


def ended_with_parent() -> None:
    """Between fork and exec: the kernel ends this process when the one that starts it is gone."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
