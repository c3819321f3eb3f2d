"""Our own programs as real processes, each with its log in a file. Whatever a test does, none is left."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from bench.trees import THIS, Tree
from internal.settings.sections import every_setting
from tests.services.waiting import wait_until

PROJECT = Path(__file__).resolve().parents[2]
IMAGECTL = Path(sys.executable).parent / "imagectl"
END_SECONDS = 40.0
OF_THE_CLIENT = {"APP_PROFILE", "IMAGECTL_ADDRESS", "IMAGECTL_KEY", "IMAGECTL_KEY_FILE"}


def environment(**settings: object) -> dict[str, str]:
    """This process's environment without any setting of the service but these."""
    known = {variable for setting in every_setting() for variable in setting.variables} | OF_THE_CLIENT
    inherited = {name: value for name, value in os.environ.items() if name not in known}
    return {**inherited, **{name: str(value) for name, value in settings.items()}}


class Running:
    """A program of ours that has been started; `log` is where its output goes."""

    def __init__(self, popen: subprocess.Popen[bytes], log: Path) -> None:
        self._popen = popen
        self.log = log
        self.pid = popen.pid

    @property
    def ended(self) -> bool:
        return self._popen.poll() is not None

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def signal(self, number: signal.Signals) -> None:
        self._popen.send_signal(number)

    def wait(self, within: float = END_SECONDS) -> int:
        """The exit code."""
        return self._popen.wait(within)

    def family(self) -> list[psutil.Process]:
        """It and all that it started, and that these started."""
        process = psutil.Process(self.pid)
        return [process, *process.children(recursive=True)]

    def of_program(self, program: str) -> list[psutil.Process]:
        """Those of its family that run `cmd/{program}/main.py` at this moment."""
        return [found for found in self.family() if f"cmd/{program}/main.py" in _command(found)]

    def until_said(self, words: str, within: float = 30.0, *, times: int = 1) -> None:
        """Wait until its output has these words, so many times; fails at once when it ends without them."""
        wait_until(lambda: self.said().count(words) >= times or self.ended, within)
        assert self.said().count(words) >= times, self.said()[-3000:]


@contextmanager
def running(
    program: str, log: Path, environ: Mapping[str, str], command: Sequence[str] = (), tree: Tree = THIS
) -> Iterator[Running]:
    """`cmd/{program}/main.py`. At the end it is asked to end, and its whole family is ended if it does not.

    `command`: one that becomes the program after it has done something. `tree`: whose code it runs.
    """
    with log.open("ab") as output:
        popen = subprocess.Popen(
            [*command, str(tree.python), "-P", str(tree.folder / f"cmd/{program}/main.py")],
            cwd=tree.folder,
            env=dict(environ),
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    process = Running(popen, log)
    family = []
    try:
        yield process
    finally:
        if not process.ended:
            family = process.family()
            process.signal(signal.SIGTERM)
        try:
            process.wait()
        except subprocess.TimeoutExpired:
            popen.kill()
            process.wait()
            raise
        finally:
            end_all(family)


def imagectl(folder: Path, *words: object, **variables: object) -> subprocess.CompletedProcess[bytes]:
    """Run one command to its end in `folder`, with these settings."""
    command = [str(IMAGECTL), *map(str, words)]
    return subprocess.run(command, cwd=folder, env=environment(**variables), capture_output=True, timeout=120, check=False)


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:  # it ended since it was listed
        return ""


def end_all(family: list[psutil.Process]) -> None:
    """Kill what is left of a family that should have ended by itself."""
    for left in psutil.wait_procs(family, timeout=5)[1]:
        with suppress(psutil.NoSuchProcess):
            left.kill()
