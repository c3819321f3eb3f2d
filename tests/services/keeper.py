"""A process that starts one service for a test run, reports it, and ends it together with the run.

    python -m tests.services.keeper NAME OWNER FOLDER

It prints one line of JSON, a Report, when the service answers, and then waits for SIGTERM or for the end of the process OWNER,
whichever comes first and however it comes: so a test run that is killed leaves no container, server or folder behind. It is a
session of its own, so that Ctrl-C reaches pytest only, and the owner of all that is started, so that no test sees its warnings.

Each line of its input is the name of what its service's switch is to do, and is answered with an empty line when that is done.
"""

import os
import shutil
import signal
import sys
import threading
from contextlib import ExitStack, suppress
from pathlib import Path
from types import FrameType
from typing import NoReturn

import msgspec
import psutil  # type: ignore[import-untyped]

from tests.services import containers, wheels
from tests.services.kinds import Report, Started


def main(name: str, owner: int, folder: Path) -> None:
    report_to = os.dup(1)
    os.dup2(2, 1)  # whatever libraries and servers print goes to the log
    signal.signal(signal.SIGTERM, _end)
    threading.Thread(target=_end_with, args=(owner,), daemon=True).start()
    home = folder / f"{name}-data"
    home.mkdir()
    try:
        with ExitStack() as stack:
            started, note = _start(name, home, stack)
            report = Report(msgspec.Raw(msgspec.json.encode(started.service)), started.service.source, note)
            os.write(report_to, msgspec.json.encode(report) + b"\n")
            for line in sys.stdin:
                getattr(started.switch, line.strip())()
                os.write(report_to, b"\n")
            os.close(report_to)
            while True:
                signal.pause()
    finally:
        shutil.rmtree(home, ignore_errors=True)
        if not psutil.pid_exists(owner):
            _tidy(name, folder)


def _start(name: str, home: Path, stack: ExitStack) -> tuple[Started, str]:
    note = ""
    if containers.docker_answers():
        try:
            return stack.enter_context(containers.run(name)), note
        except Exception as error:
            note = f"container: {type(error).__name__}"
            print(error, file=sys.stderr)
    if os.environ.get("REQUIRE_CONTAINERS") == "1":
        raise SystemExit(f"REQUIRE_CONTAINERS=1, but {name} could not be started in a container ({note or 'no Docker engine'})")
    return stack.enter_context(wheels.run(name, home)), note


def _tidy(name: str, folder: Path) -> None:
    """Remove what the owner did not live to remove; the last of its keepers removes the folder."""
    for left in folder.glob(f"{name}.*"):
        left.unlink(missing_ok=True)
    with suppress(OSError):
        folder.rmdir()


def _end(number: int, frame: FrameType | None) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the clean-up is not to be interrupted
    raise SystemExit(0)


def _end_with(owner: int) -> None:
    with suppress(psutil.NoSuchProcess):
        psutil.Process(owner).wait()
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
