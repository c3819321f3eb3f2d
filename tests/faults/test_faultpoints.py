"""The fault points themselves: off unless they are allowed, and each in the place that it is named after."""

import os
import re
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from internal.faultpoints import POINTS, reach
from tests.e2e.processes import PROJECT

PROGRAM = "from internal.faultpoints import reach\nfor _ in range(3): reach('after-put'); reach('after-get'); print('alive')"


def run(**environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, **environment},
        cwd=PROJECT,
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
    )


@pytest.mark.parametrize("environment", [{}, {"FAULT_POINT": "after-put"}, {"FAULT_POINTS": "allowed"}])
def test_off_nothing_happens(environment: dict[str, str]) -> None:
    assert run(**environment).stdout.split() == ["alive"] * 3
    assert reach.__name__ == "_nothing"


@pytest.mark.parametrize(("point", "alive"), [("after-put", 0), ("after-get", 0), ("after-put:3", 2), ("after-put:4", 3)])
def test_the_chosen_one_kills(point: str, alive: int) -> None:
    ended = run(FAULT_POINTS="allowed", FAULT_POINT=point)

    assert ended.returncode == (-signal.SIGKILL if alive < 3 else 0)


def test_or_it_stops_and_can_be_continued() -> None:
    environment = {**os.environ, "FAULT_POINTS": "allowed", "FAULT_POINT": "after-put", "FAULT_ACTION": "stop"}
    with subprocess.Popen([sys.executable, "-c", PROGRAM], env=environment, cwd=PROJECT, stdout=subprocess.PIPE) as process:
        assert os.WIFSTOPPED(os.waitpid(process.pid, os.WUNTRACED)[1])
        process.send_signal(signal.SIGCONT)
        assert process.communicate(timeout=30)[0].split() == [b"alive"] * 3
        assert process.returncode == 0


@pytest.mark.parametrize("environment", [{"FAULT_POINT": "after-lunch"}, {"FAULT_POINT": "after-put", "FAULT_ACTION": "sing"}])
def test_what_is_no_fault_is_refused(environment: dict[str, str]) -> None:
    assert "no such fault" in run(FAULT_POINTS="allowed", **environment).stderr


def test_every_point_is_somewhere() -> None:
    sources = [path.read_text() for path in (Path(PROJECT) / "internal").rglob("*.py") if path.stem != "faultpoints"]
    called = Counter(re.findall(r'\breach\("([a-z-]+)"\)', "".join(sources)))

    assert called.keys() == POINTS
    assert {point for point, times in called.items() if times > 1} == {"before-commit"}  # with and without an Idempotency-Key
