"""The README and docs/getting-started.md do what they say: every block of them runs, in order, from `make run` to Ctrl-C.

The block `make up` is the one that tests/e2e/test_compose.py starts its stack with.
"""

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.deployment import client
from tests.e2e.deployments import standalone_environment, temporary_folder, until_ready
from tests.e2e.processes import PROJECT, Running, end_all
from tests.e2e.reader import GETTING_STARTED, LONG, README, START, Reader, size_of
from tests.unit.documents.markdown import blocks


@pytest.fixture
def folder() -> Iterator[Path]:
    with temporary_folder() as path:
        yield path


@contextmanager
def started(folder: Path) -> Iterator[tuple[str, Running]]:
    """The block `make run`, on ports and data of its own; its address. Ctrl-C ends it, and with it all that it started."""
    environ = standalone_environment(folder)
    with (folder / "log").open("wb") as log:
        popen = subprocess.Popen(
            ["bash", "-c", START], cwd=PROJECT, env=environ, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
    process, family = Running(popen, folder / "log"), []
    try:
        with client(int(environ["SERVER_PORT"])) as http:
            until_ready(http, process)
        yield f"127.0.0.1:{environ['SERVER_PORT']}", process
    finally:
        if not process.ended:
            family = process.family()
        os.killpg(process.pid, signal.SIGINT)
        try:
            process.wait()
        finally:
            end_all(family)


@pytest.mark.parametrize("document", [README, GETTING_STARTED], ids=lambda path: path.name)
def test_it_begins_with_make_run(document: Path) -> None:
    commands = [text for language, text in blocks(document) if language == "sh"]

    assert commands[0] == START


def test_what_the_readme_shows(folder: Path) -> None:
    with started(folder) as (address, process):
        Reader(folder, address, process.said()).read(README)

    assert size_of(folder / "square.webp") == (400, 400, "webp")
    assert any((folder / "data/objects").rglob("*")), "the data stay"


def test_what_getting_started_shows(folder: Path) -> None:
    with started(folder) as (address, process):
        process.until_said("Upload a picture")
        reader = Reader(folder, address, process.said())
        reader.read(GETTING_STARTED)
    processed = [answer for answer in reader.answers if answer.get("status") == "processed"]

    assert [rendition["width"] for answer in processed for rendition in answer["renditions"]] == [300]
    assert size_of(folder / "out.jpg") == (300, 225, "jpeg")
    assert size_of(folder / "small.jpg") == (100, 75, "jpeg")


def test_the_commands_for_tests() -> None:
    shown = [text for language, text in blocks(README) if language == "sh" and LONG.fullmatch(text)]

    assert len(shown) == 1
    for command in shown[0].splitlines():
        done = subprocess.run([*command.split(), "--dry-run"], cwd=PROJECT, capture_output=True, text=True, check=True)
        assert re.search(r"-m pytest|ruff check", done.stdout)


def test_the_readme_is_short() -> None:
    assert len(README.read_text(encoding="utf-8").splitlines()) <= 200
