"""The fault points themselves: off unless they are allowed, and each beside the step that it is named after."""

import ast
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from internal.runtime.failpoints import POINTS, failpoint
from tests.e2e.processes import PROJECT

STEPS = {
    "after-intent": ["_list("],
    "after-put": ["_put("],
    "before-commit": ["complete(", ".transaction("],
    "after-commit": ["_commit("],
    "after-publish": ["_publish("],
    "after-claim": ["_claim("],
    "after-get": [".prepare("],
    "after-decode": ["sandbox.render("],
    "after-result-put": ["results.put("],
    "before-finish": ["._locked("],
    "after-finish": ["complete_rendition("],
    "before-ack": [".acknowledge("],
}
PROGRAM = """from internal.runtime.failpoints import failpoint
for _ in range(3): failpoint("after-put"); failpoint("after-get"); print("alive")
"""


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
    assert failpoint.__name__ == "_nothing"


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
    assert "unknown failpoint" in run(FAULT_POINTS="allowed", **environment).stderr


def reached() -> Iterator[tuple[str, str]]:
    """Each point of the service's code, and what is awaited right before it, or right after: as its name says."""
    for path in (Path(PROJECT) / "internal").rglob("*.py"):
        for around in ast.walk(ast.parse(path.read_text())):
            block: Any = getattr(around, "body", None)
            for place, statement in enumerate(block if isinstance(block, list) else []):
                if found := re.fullmatch(r"failpoint\('([a-z-]+)'\)", ast.unparse(statement)):
                    others = block[:place][::-1] if found[1].startswith("after-") else block[place + 1 :]
                    awaited = [text for text in map(ast.unparse, others) if "await " in text]
                    yield found[1], awaited[0] if awaited else end_of(around)


def end_of(around: ast.AST) -> str:
    """What a block ends: leaving a transaction's commits it."""
    return " ".join(map(ast.unparse, around.items)) if isinstance(around, ast.AsyncWith) else ""


def test_every_point_is_beside_its_step() -> None:
    """An upload's commit is one with an Idempotency-Key, and another without."""
    points = list(reached())
    beside = {(point, step) for point, awaited in points for step in STEPS.get(point, ()) if step in awaited}

    assert STEPS.keys() == POINTS
    assert beside == {(point, step) for point, steps in STEPS.items() for step in steps}, points
    assert len(points) == len(beside)
