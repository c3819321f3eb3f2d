"""What a log never shows. tests/unit/crashes.py crashes in a process of its own: its loggers are a whole process's."""

import importlib.util
import os
import subprocess
import sys

import pytest

from internal.runtime.project import PROJECT
from tests.unit.crashes import CRASHES, SECRET


def _crashed(form: str) -> str:
    """All that the process says, answers to its clients too."""
    command = [sys.executable, "-m", "tests.unit.crashes", form]
    environment = {**os.environ, "LITESTAR_DEBUG": "1"}  # left behind by somebody: not even then
    ended = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 1, ended.stderr
    return ended.stdout + ended.stderr


@pytest.mark.parametrize("form", ["console", "json"])
def test_a_crash_shows_no_variable(form: str) -> None:
    """structlog 26.1.0 shows them on the console where `rich` is installed: headers, tokens and cookies among them."""
    assert importlib.util.find_spec("rich"), "without it nothing would show variables, and this test nothing"

    said = _crashed(form)

    for way in CRASHES:
        assert f"{way}, 1 cookie" in said, f"{way} was not logged: {said}"
    assert SECRET not in said
    assert SECRET[:8] not in said, "cut short it is a secret all the same"
    assert "crash(way, headers)" in said or '"name": "crash"' in said, "a stack trace still says where it was"
