"""`make run` from the outside: data that last, one instance at a time, and an end that leaves no process."""

import json
import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx2
import psutil  # type: ignore[import-untyped]
import pytest

from tests import pictures
from tests.e2e.deployment import IMAGES
from tests.e2e.deployments import standalone, standalone_environment, temporary_folder, until_ready
from tests.e2e.processes import imagectl, running
from tests.services.tools import tool
from tests.services.waiting import wait_until


@pytest.fixture
def folder() -> Iterator[Path]:
    with temporary_folder() as path:
        yield path


def test_data_survive_a_restart(folder: Path) -> None:
    picture = pictures.exif_jpeg()
    with standalone(folder) as (service, _):
        path = service.processed(picture, processing="resize:20x20")
        before = service.http.get(path)

    with standalone(folder) as (service, _):
        assert service.status(path)["status"] == "processed"
        after = service.http.get(path)
        assert (after.content, after.headers["etag"]) == (before.content, before.headers["etag"])
        assert service.http.get(f"{path}/original").content == picture
        service.processed(picture)


def test_what_it_prints_is_true(folder: Path) -> None:
    """Address, documents and data; and a command that works in any folder, as it stands."""
    tool("curl")
    with standalone(folder) as (service, process):
        process.until_said("Upload a picture")
        said = dict(re.findall(r"^  (\S.*?): +(\S.*)$", process.said(), re.MULTILINE))
        (command,) = re.findall(r"^  (curl .*)$", process.said(), re.MULTILINE)

        assert said["The image processor is ready"] == str(service.http.base_url).rstrip("/")
        assert service.http.get(said["Documentation"]).status_code == 200
        assert said["Data"] == str(folder / "data")
        uploaded = json.loads(subprocess.run(["sh", "-c", command], cwd=folder, capture_output=True, check=True).stdout)
        (rendition,) = service.settled(f"/api/v1/images/{uploaded['id']}")["renditions"]
        assert (rendition["status"], rendition["width"], rendition["height"]) == ("processed", 300, 225)


def test_with_keys_it_prints_how_to_make_the_first_one(folder: Path) -> None:
    """Both commands work in any folder and with any variables, as they stand, while it runs."""
    tool("curl")
    with standalone(folder, AUTH_MODE="key") as (service, process):
        process.until_said("Make a key, and upload a picture with it")
        assert "Who may use it:                whoever has an API key (AUTH_MODE=key)" in process.said()
        make, upload = re.findall(r"^  ((?:KEY=|curl ).*)$", process.said(), re.MULTILINE)

        command = ["env", "-i", f"PATH={os.environ['PATH']}", "sh", "-euc", f'{make}\n{upload}\necho "$KEY" >&2']
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)

        assert json.loads(done.stdout)["status"] == "uploaded"
        key = done.stderr.splitlines()[-1]
        assert key.startswith("imgp_")
        assert key not in process.said()
        for path in ("/health", "/docs", "/redoc", "/openapi.json"):
            assert httpx2.get(f"{service.http.base_url}{path}", trust_env=False).status_code == 200, path
        for path in (IMAGES, "/api/v1/operations"):
            assert httpx2.get(f"{service.http.base_url}{path}", trust_env=False).status_code == 401, path
        service.processed(pictures.jpeg())
        shown = imagectl(folder, "demo", IMAGECTL_ADDRESS=service.http.base_url, IMAGECTL_KEY=key)
        assert shown.returncode == 0, shown.stderr
        refused = imagectl(folder, "demo", IMAGECTL_ADDRESS=service.http.base_url)
        assert refused.returncode == 1
        assert refused.stderr.startswith(b"imagectl: 401 unauthenticated: This needs a credential.")
        assert b"Set IMAGECTL_KEY, or name a file" in refused.stderr


def test_killed_in_the_middle_it_starts_again_and_loses_nothing(folder: Path) -> None:
    """No process is left that would hold the port, and the database that is left is taken over."""
    with standalone(folder) as (service, process):
        paths = [service.upload(pictures.photo_jpeg(2000, 1500), processing="resize:200x200") for _ in range(5)]
        ours = [found for program in ("standalone", "api", "worker") for found in process.of_program(program)]
        process.signal(signal.SIGKILL)
        process.wait()
        assert psutil.wait_procs(ours, timeout=30)[1] == []

    with standalone(folder) as (service, _):
        assert {service.settled(path)["status"] for path in paths} == {"processed"}


def test_a_second_start_says_that_one_runs(folder: Path) -> None:
    with standalone(folder) as (service, first):
        with running("standalone", folder / "second", standalone_environment(folder)) as second:
            assert second.wait() == 1
        assert "already runs" in second.said()
        assert str(first.pid) in second.said()
        assert len(second.said().strip().splitlines()) == 1
        service.processed(pictures.jpeg())


def test_a_taken_port_is_one_clear_line(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with running("standalone", folder / "log", standalone_environment(folder, SERVER_PORT=port)) as refused:
            assert refused.wait() == 1
    (line,) = refused.said().strip().splitlines()
    assert "SERVER_PORT" in line
    assert str(port) in line
    assert "taken" in line


def test_a_setting_that_does_not_fit_is_one_clear_line(folder: Path) -> None:
    with running("standalone", folder / "log", standalone_environment(folder, MAX_UPLOAD_BYTES="plenty")) as refused:
        assert refused.wait() != 0
    (line,) = refused.said().strip().splitlines()
    assert "MAX_UPLOAD_BYTES" in line


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_every_process(folder: Path, number: signal.Signals) -> None:
    with standalone(folder) as (service, process):
        service.processed(pictures.jpeg())
        family = process.family()
        postgres = psutil.Process(int((folder / "data/postgres/postmaster.pid").read_text().splitlines()[0]))
        assert len(family) >= 4  # itself, the API, the worker, a decoder

        process.signal(number)

        assert process.wait() == 0, process.said()[-2000:]
        assert psutil.wait_procs([*family, postgres], timeout=30)[1] == []
    assert list((folder / "scratch").iterdir()) == []
    assert "Traceback" not in process.said()


def test_a_process_that_dies_is_started_again(folder: Path) -> None:
    with standalone(folder) as (service, process):
        wait_until(lambda: service.worker_health() == 200, within=30)  # it starts no more decoders: a fork looks like its parent
        (api,), (worker,) = process.of_program("api"), process.of_program("worker")
        path = service.processed(pictures.jpeg())

        for ended, killed in enumerate((api, worker), start=1):
            killed.kill()
            process.until_said(f'"code": {-signal.SIGKILL}', within=60, times=ended)

        until_ready(service.http, process)
        assert service.status(path)["status"] == "processed"
        service.processed(pictures.jpeg())
