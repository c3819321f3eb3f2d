"""Supervision by `make run`: it logs why a process can't be started, and tries again."""

import asyncio
import sys
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from internal.standalone import service


async def test_a_process_that_can_not_be_started_is_told_and_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setattr(service, "RESTART_SECONDS", 0.0)
    with capture_logs() as lines:
        async with service._supervised("api", "cmd/api/main.py", {}), asyncio.timeout(10):
            while len(lines) < 2:  # noqa: ASYNC110 - of another task
                await asyncio.sleep(0.01)

    assert {(line["event"], line["name"]) for line in lines} == {("process.not_started", "api")}
    assert "No such file" in lines[0]["error"]
