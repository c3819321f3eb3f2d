"""The services of one test run: each started once, when the first test asks for it, and shared by all xdist workers.

The process that the person started (with xdist: the controller) makes a folder and names itself in the environment, which its
workers inherit. Whoever needs a service takes the lock of its name, and either finds its record in the folder or starts its
keeper. The owner ends the keepers; should it be killed, they end themselves.
"""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import msgspec
import psutil  # type: ignore[import-untyped]
from msgspec import Struct

from tests.services.environment import from_environment
from tests.services.kinds import KINDS, NAMES, Report, S

FOLDER = "TEST_SERVICES_FOLDER"
OWNER = "TEST_SERVICES_OWNER"
PROJECT = Path(__file__).resolve().parents[2]
END_SECONDS = 30


class Record(Struct):
    """A service in use. `keeper` is its process, None when somebody else runs it."""

    report: Report
    keeper: int | None = None


def begin() -> None:
    """Make this process the owner of what its tests and its workers start."""
    os.environ[FOLDER] = tempfile.mkdtemp(prefix="services-")
    os.environ[OWNER] = str(os.getpid())


def acquire(kind: type[S]) -> S:
    """The service of this kind, started if it is not yet there. Raises RuntimeError with the keeper's log when it can't be."""
    name = NAMES[kind]
    folder = Path(os.environ[FOLDER])
    record = folder / f"{name}.json"
    with (folder / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not record.exists():
            record.write_bytes(msgspec.json.encode(_start(name, folder)))
    found = msgspec.json.decode(record.read_bytes(), type=Record)
    return msgspec.json.decode(found.report.service, type=kind)


def _start(name: str, folder: Path) -> Record:
    if (service := from_environment(name)) is not None:
        return Record(Report(msgspec.Raw(msgspec.json.encode(service)), service.source))
    keeper, report = start_keeper(name, folder, subprocess.DEVNULL)
    assert keeper.stdout is not None
    keeper.stdout.close()
    keeper.returncode = 0  # to us it has ended, or this object would warn when it goes: the owner ends the process, by its id
    return Record(report, keeper.pid)


def start_keeper(name: str, folder: Path, told: int) -> tuple[subprocess.Popen[bytes], Report]:
    """A keeper whose service answers. `told` is its standard input. Raises RuntimeError with its log when it has none."""
    log = folder / f"{name}.log"
    command = [sys.executable, "-m", "tests.services.keeper", name, os.environ[OWNER], str(folder)]
    with log.open("wb") as errors:
        keeper = subprocess.Popen(command, cwd=PROJECT, stdin=told, stdout=subprocess.PIPE, stderr=errors, start_new_session=True)
    assert keeper.stdout is not None
    line = keeper.stdout.readline()  # ends at the latest when the keeper, whose every wait has a deadline, does
    if not line:
        keeper.communicate()
        raise RuntimeError(f"no {name} for the tests: {log.read_text(errors='replace').strip()[-2000:]}")
    return keeper, msgspec.json.decode(line, type=Report)


def summary() -> str:
    """Where each service came from, in a line."""
    return "services: " + ", ".join(f"{name} {_source(name)}" for name in KINDS)


def _source(name: str) -> str:
    record = _record(name)
    if record is None:
        return "not used"
    return f"{record.report.source} ({record.report.note})" if record.report.note else record.report.source


def _record(name: str) -> Record | None:
    try:
        return msgspec.json.decode((Path(os.environ[FOLDER]) / f"{name}.json").read_bytes(), type=Record)
    except FileNotFoundError:
        return None


def end() -> None:
    """End what was started, and wait for it. For the owner only."""
    keepers = []
    for name in KINDS:
        if (record := _record(name)) and record.keeper:
            with suppress(psutil.NoSuchProcess):
                keepers.append(psutil.Process(record.keeper))
    for keeper in keepers:
        with suppress(psutil.NoSuchProcess):
            keeper.send_signal(signal.SIGTERM)
    psutil.wait_procs(keepers, timeout=END_SECONDS)
    shutil.rmtree(os.environ[FOLDER], ignore_errors=True)
