"""The credential that imagectl sends, and what it says when it is refused. Never the credential itself."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from internal.cli.program import run

KEY = "imgp_canary0f8e7d6c"
REFUSALS = {401: "unauthenticated", 403: "forbidden"}


class Service(HTTPServer):
    """Answers every request with `status`, and keeps the credentials that came."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.status = 200
        self.code = ""
        self.credentials: list[list[str]] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Service)
        self.server.credentials.append(self.headers.get_all("authorization", []))
        problem = {"code": self.server.code or REFUSALS.get(self.server.status), "detail": "No."}
        body = json.dumps({"items": [], "next_cursor": None} if self.server.status == 200 else problem).encode()
        self.send_response(self.server.status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the name that it has there
        """Nothing on stderr."""


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    for name in ("IMAGECTL_KEY", "IMAGECTL_KEY_FILE"):
        monkeypatch.delenv(name, raising=False)
    with Service() as server:
        monkeypatch.setenv("IMAGECTL_ADDRESS", server.address)
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        yield server
        server.shutdown()
        serving.join()


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    file = tmp_path / "key"
    file.write_text(f"{KEY}\n", encoding="utf-8")
    return file


def test_without_a_key_none_is_sent(service: Service) -> None:
    assert run(["list"]) == 0
    assert service.credentials == [[]]


def test_the_key_comes_from_the_environment(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGECTL_KEY", KEY)

    assert run(["list"]) == 0
    assert service.credentials == [[f"Bearer {KEY}"]]


def test_the_key_comes_from_a_file(service: Service, key_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGECTL_KEY_FILE", str(key_file))

    assert run(["list"]) == 0
    assert service.credentials == [[f"Bearer {KEY}"]]


def test_the_option_comes_before_the_environment(service: Service, key_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGECTL_KEY", "imgp_another")

    assert run(["list", "--key-file", str(key_file)]) == 0
    assert service.credentials == [[f"Bearer {KEY}"]]


def test_the_address_option_comes_before_the_environment(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGECTL_ADDRESS", "http://127.0.0.1:1")

    assert run(["list", "--retry", "0"]) == 3
    assert run(["list", "--address", service.address]) == 0


@pytest.mark.parametrize(
    ("variables", "options", "said"),
    [
        ({"IMAGECTL_KEY": KEY, "IMAGECTL_KEY_FILE": "key"}, [], "IMAGECTL_KEY and IMAGECTL_KEY_FILE are both set"),
        ({"IMAGECTL_KEY_FILE": "/nowhere"}, [], "IMAGECTL_KEY_FILE: /nowhere can't be read: No such file"),
        ({}, ["--key-file", "/nowhere"], "--key-file: /nowhere can't be read: No such file"),
        ({"IMAGECTL_KEY": f"{KEY}\nx"}, [], "IMAGECTL_KEY: this is no key"),
        ({"IMAGECTL_KEY": f"{KEY}ö"}, [], "IMAGECTL_KEY: this is no key"),
    ],
)
def test_a_key_that_can_not_be_sent_is_refused(
    variables: dict[str, str],
    options: list[str],
    said: str,
    service: Service,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    assert run(["list", *options]) == 2

    shown = "".join(capsys.readouterr())
    assert said in shown
    assert KEY not in shown
    assert service.credentials == []


@pytest.mark.parametrize(
    ("status", "key", "hint"),
    [
        (401, "", "Set IMAGECTL_KEY, or name a file with the key in --key-file."),
        (401, KEY, "Check IMAGECTL_KEY, or the file of --key-file"),
        (403, KEY, "`imagectl keys create --scopes …` makes a key"),
    ],
)
def test_a_refusal_says_what_to_do(
    status: int, key: str, hint: str, service: Service, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("IMAGECTL_KEY", key)
    service.status = status

    assert run(["list"]) == 1

    shown = "".join(capsys.readouterr())
    assert shown.startswith(f"imagectl: {status} {REFUSALS[status]}: No. {hint}")
    assert KEY not in shown
    assert len(service.credentials) == 1


def test_no_option_takes_a_key(capsys: pytest.CaptureFixture[str]) -> None:
    """Command lines are seen by everybody on the machine."""
    with pytest.raises(SystemExit):
        run(["list", "--key", KEY])

    shown = "".join(capsys.readouterr())
    assert "argument --key: everybody sees command lines: set IMAGECTL_KEY" in shown
    assert KEY not in shown


@pytest.mark.parametrize("code", ["quota_exceeded", "links_disabled", "link_invalid"])
def test_a_refusal_that_no_key_changes_names_none(code: str, service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    service.status, service.code = 403, code

    assert run(["list"]) == 1
    assert "".join(capsys.readouterr()) == f"imagectl: 403 {code}: No.\n"
