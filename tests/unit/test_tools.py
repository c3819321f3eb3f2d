"""A test that needs a foreign program is skipped without it, or fails where tools are required; a run says how many were."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.services.run import PROJECT
from tests.services.tools import PACKAGES, tool

ASKS = """
from tests.services.tools import tool

def test_asks():
    tool("gifsicle")
"""


def run(folder: Path, **variables: str) -> str:
    """The output of a run of one test that asks for gifsicle, where PATH leads nowhere."""
    (folder / "test_asks.py").write_text(ASKS)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "tests.conftest",
        "-p",
        "no:cacheprovider",
        str(folder),
        "--rootdir",
        str(folder),
    ]
    done = subprocess.run(
        command, cwd=PROJECT, env={"PATH": str(folder), **variables}, capture_output=True, text=True, check=False
    )
    return done.stdout


def test_without_it_a_test_is_skipped_and_counted(tmp_path: Path) -> None:
    assert "1 tests skipped for want of gifsicle (Debian's package gifsicle)" in run(tmp_path)


def test_where_tools_are_required_it_fails(tmp_path: Path) -> None:
    told = run(tmp_path, REQUIRE_TOOLS="1")

    assert "1 failed" in told
    assert "Debian's package gifsicle" in told


def test_a_program_that_is_there_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "curl").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert tool("curl") == str(tmp_path / "curl")


def test_ci_installs_every_program() -> None:
    script = (PROJECT / ".ci" / "run").read_text(encoding="utf-8")

    for name, package in PACKAGES.items():
        assert f"{name}:{package}" in script
