"""`make first-minute`: what it measures, and that nothing of it stays."""

import os
import subprocess
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest

from bench.first_minute import Minute, disk_usage, measure, report
from tests.services.waiting import wait_until

SERVICE = """
import http.server
import os
import pathlib

noted = f"{os.getpid()} {os.environ['HOME']} {'PYTHONDONTWRITEBYTECODE' in os.environ}\\n"
with pathlib.Path(os.environ["NOTED"]).open("a") as file:
    file.write(noted)



class Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self._answer(200, b"ok")

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(201, b'{"id": "1"}')

    def _answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["SERVER_PORT"])), Answers).serve_forever()
"""
MAKEFILE = "run:\n\t@mkdir -p .venv && echo installed > .venv/file\n\t@python3 service.py\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository whose `make run` is a service that answers everything at once."""
    for name in [name for name in os.environ if name.startswith("GIT_") or name in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("NOTED", str(tmp_path / "noted"))
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "Makefile").write_text(MAKEFILE)
    (folder / "service.py").write_text(SERVICE)
    who = ["-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false"]
    for words in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "--message=all"]):
        subprocess.run(["git", "-C", str(folder), *who, *words], check=True)
    return folder


def test_two_starts_in_a_home_of_their_own_and_nothing_stays(project: Path) -> None:
    minute = measure("HEAD", project)

    noted = [line.split() for line in (project.parent / "noted").read_text().splitlines()]
    assert [(Path(home).exists(), shortened) for _, home, shortened in noted] == [(False, "False")] * 2
    wait_until(lambda: not any(psutil.pid_exists(int(pid)) for pid, _, _ in noted), within=10)
    assert minute.first > 0
    assert minute.second > 0
    assert minute.venv > 0


def test_a_service_that_does_not_come_up_is_said(project: Path) -> None:
    (project / "Makefile").write_text("run:\n\t@exit 3\n")
    subprocess.run(["git", "-C", str(project), "-c", "user.name=a", "-c", "user.email=b", "commit", "-qam", "broken"], check=True)

    with pytest.raises(SystemExit, match="did not come up"):
        measure("HEAD", project)


def test_the_report_says_whether_the_targets_are_met() -> None:
    before, now = Minute(40.0, 2.0, 600_000_000), Minute(16.0, 2.0, 250_000_000)

    lines = report([before], [now], "a0cf3c6")

    assert "| `git clone` to a processed picture | 40.0 s | 16.0 s | 0.40 |" in lines
    assert lines[-1].endswith(": met.")
    for short in (Minute(16.3, 2.0, 1), Minute(1.0, 2.0, 251_000_000)):
        assert report([before], [short], "a0cf3c6")[-1].endswith("not met.")


def test_a_file_with_two_names_takes_its_place_once(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(os.urandom(100_000))
    once = disk_usage(tmp_path)
    (tmp_path / "two").hardlink_to(tmp_path / "one")

    assert disk_usage(tmp_path) == once >= 100_000
