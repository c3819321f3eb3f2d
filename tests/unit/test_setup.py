"""`make` installs what a target needs: with uv or with pip, from the index that pip is told of, and nothing without its hash.

The index is a server of the test's own, with two packages and a `uv` that writes down how it was called.
"""

import base64
import hashlib
import importlib.util
import io
import os
import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType

import pytest

from internal.runtime.project import PROJECT

SETUP = PROJECT / "cmd/setup/main.py"
UV = """#!/bin/sh
[ "$2" = install ] || exit 9
echo "$UV_DEFAULT_INDEX $*" >> "$CALLS"
exit "${UV_FAILS:-0}"
"""
BACKEND = """
import zipfile

def build_editable(folder, settings=None, metadata=None):
    with zipfile.ZipFile(f"{folder}/project-1-py3-none-any.whl", "w") as wheel:
        wheel.writestr("project.pth", "/nowhere\\n")
        wheel.writestr("project-1.dist-info/METADATA", "Metadata-Version: 2.1\\nName: project\\nVersion: 1\\n")
        wheel.writestr("project-1.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr("project-1.dist-info/RECORD", "")
    return "project-1-py3-none-any.whl"
"""
PYPROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "project"
version = "1"
"""


def wheel(name: str, files: Mapping[str, str]) -> bytes:
    """A wheel of version 1 that holds these files."""
    info = f"{name}-1.dist-info"
    texts = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},sha256={_digest(text)},{len(text)}\n" for path, text in texts.items())
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, text in {**texts, f"{info}/RECORD": f"{record}{info}/RECORD,,\n"}.items():
            entry = zipfile.ZipInfo(path)
            entry.external_attr = (0o100755 if "/scripts/" in path else 0o100644) << 16
            archive.writestr(entry, text)
    return buffer.getvalue()


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


WRONG = " --hash=sha256:" + "0" * 64
WHEELS = {
    "uv": wheel("uv", {"uv-1.data/scripts/uv": UV}),
    "running": wheel("running", {"running.py": ""}),
    "testing": wheel("testing", {"testing.py": ""}),
}


class Index(ThreadingHTTPServer):
    """A package index as PyPI's; `asked` has the paths of its requests, `passwords` what came with them."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.asked: list[str] = []
        self.passwords: set[str | None] = set()
        self.url = f"http://somebody:secret@127.0.0.1:{self.server_address[1]}/simple"


class Answers(BaseHTTPRequestHandler):
    server: Index

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        self.server.passwords.add(self.headers.get("Authorization"))
        name = self.path.strip("/").split("/")[-1].split("-")[0]
        page = f'<a href="/files/{name}-1-py3-none-any.whl">{name}-1-py3-none-any.whl</a>'.encode()
        body = WHEELS[name] if self.path.startswith("/files/") else page
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the name that it has there
        """Nothing on stderr."""


@pytest.fixture
def index() -> Iterator[Index]:
    with Index() as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        yield server
        server.shutdown()


class Project:
    """A folder with the real setup script and locks of its own; pip is told of the index in a file."""

    def __init__(self, folder: Path, index: Index) -> None:
        self.folder = folder / "project"
        self.calls = folder / "calls"
        self.path = folder / "path"
        self.path.mkdir()
        (self.folder / "cmd/setup").mkdir(parents=True)
        shutil.copy(SETUP, self.folder / "cmd/setup/main.py")
        (self.folder / "pyproject.toml").write_text(PYPROJECT)
        (self.folder / "backend.py").write_text(BACKEND)
        self.lock("requirements-uv.lock", "uv")
        self.lock("requirements-runtime.lock", "running")
        self.lock("requirements-standalone.lock", "running")  # both may name a package
        self.lock("requirements.lock", "running", "testing")
        (folder / "pip.conf").write_text(f"[global]\nindex-url = {index.url}\n")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_", "PYTHON"))}
        here = {
            "PATH": str(self.path),
            "HOME": str(folder),
            "PIP_CONFIG_FILE": str(folder / "pip.conf"),
            "CALLS": str(self.calls),
        }
        self._environ = {**inherited, **here, "PIP_NO_CACHE_DIR": "1"}

    def lock(self, file: str, *names: str, ends: str = " --hash=sha256:{digest}") -> None:
        digests = {name: hashlib.sha256(WHEELS[name]).hexdigest() for name in names}
        (self.folder / file).write_text("".join(f"{name}==1{ends.format(digest=digest)}\n" for name, digest in digests.items()))

    def uv_on_path(self) -> None:
        (self.path / "uv").write_text(UV)
        (self.path / "uv").chmod(0o755)

    def set_up(self, what: str, python: str = sys.executable, **variables: str) -> "subprocess.CompletedProcess[str]":
        command = [python, str(self.folder / "cmd/setup/main.py"), what]
        return subprocess.run(
            command, env={**self._environ, **variables}, capture_output=True, text=True, timeout=120, check=False
        )

    def calls_of_uv(self) -> list[str]:
        return self.calls.read_text().splitlines() if self.calls.exists() else []

    def installed(self) -> set[str]:
        return {path.stem for path in self.folder.glob(".venv/lib/python*/site-packages/*.p*")}


@pytest.fixture
def project(tmp_path: Path, index: Index) -> Project:
    return Project(tmp_path, index)


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("setup_script", SETUP)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("what", "locks"),
    [
        ("run", "--requirement requirements-runtime.lock --requirement requirements-standalone.lock"),
        ("dev", "--requirement requirements.lock"),
    ],
)
def test_pip_fetches_uv_which_is_told_where_pip_would_look(project: Project, index: Index, what: str, locks: str) -> None:
    done = project.set_up(what)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    called = f"{index.url} pip install --python {project.folder}/.venv/bin/python --quiet --no-deps"
    assert project.calls_of_uv() == [f"{called} --require-hashes {locks}", f"{called} --no-build-isolation --editable ."]
    assert index.asked == ["/simple/uv/", "/files/uv-1-py3-none-any.whl"]
    assert index.passwords == {"Basic " + base64.b64encode(b"somebody:secret").decode()}
    texts = [path.read_bytes() for path in project.folder.rglob("*") if path.is_file()]
    assert [text for text in texts if b"secret" in text] == []  # the password is written nowhere


@pytest.mark.parametrize("ends", [WRONG, ""], ids=["another hash", "no hash"])
def test_a_uv_without_its_hash_is_not_run_and_pip_installs(project: Project, ends: str) -> None:
    project.lock("requirements-uv.lock", "uv", ends=ends)

    done = project.set_up("run")

    assert (done.returncode, done.stdout, project.calls_of_uv()) == (0, "", [])
    assert done.stderr.startswith("uv is not available (")
    assert len(done.stderr.splitlines()) == 1
    assert {"running", "project"} <= project.installed()
    assert not (project.folder / ".venv/uv").exists()


def test_what_has_another_hash_is_not_installed(project: Project) -> None:
    project.lock("requirements.lock", "running", "testing", ends=WRONG)

    done = project.set_up("dev", INSTALLER="pip")

    assert done.returncode == 1
    assert "DO NOT MATCH" in done.stderr
    assert "Traceback" not in done.stderr
    assert project.installed().isdisjoint({"running", "testing", "project"})


def test_the_uv_on_the_path_is_used_and_where_it_fails_pip_installs(project: Project, index: Index) -> None:
    project.uv_on_path()

    assert project.set_up("run").returncode == 0
    assert (len(project.calls_of_uv()), index.asked) == (2, [])

    done = project.set_up("run", UV_FAILS="2")
    assert done.returncode == 0
    assert "Trying pip" in done.stderr
    assert {"running", "project"} <= project.installed()


def test_a_python_without_pip_is_enough(project: Project, tmp_path: Path) -> None:
    """As Debian's, which has python3-venv and python3-pip apart."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "bare")], check=True)

    done = project.set_up("run", python=str(tmp_path / "bare/bin/python"))

    assert (done.returncode, done.stderr, len(project.calls_of_uv())) == (0, "", 2)


def test_without_pip_and_ensurepip_there_is_one_clear_line_unless_uv_is_on_the_path(project: Project, tmp_path: Path) -> None:
    """As Debian's without python3-venv. What variables tell pip, uv is told all the same."""
    bare = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(bare)], check=True)
    (hidden,) = bare.glob("lib/python*/site-packages")
    (hidden / "sitecustomize.py").write_text("import sys\nsys.modules['ensurepip'] = None\n")

    refused = project.set_up("run", python=str(bare / "bin/python"))
    assert (refused.returncode, len(refused.stderr.splitlines())) == (1, 1)
    assert "python3-venv" in refused.stderr

    project.uv_on_path()
    assert project.set_up("run", python=str(bare / "bin/python"), PIP_INDEX_URL="https://one/simple").returncode == 0
    assert [call.split()[0] for call in project.calls_of_uv()] == ["https://one/simple"] * 2


def test_a_virtual_environment_whose_python_is_gone_is_made_anew(project: Project) -> None:
    project.uv_on_path()
    (project.folder / ".venv/bin").mkdir(parents=True)
    (project.folder / ".venv/bin/python").symlink_to("/nowhere/python3.11")
    (project.folder / ".venv/.dev").touch()

    assert project.set_up("run").returncode == 0
    assert (project.folder / ".venv/bin/python").exists()
    assert not (project.folder / ".venv/.dev").exists()


@pytest.mark.parametrize(("files", "trusted"), [(["ca.pem"], {"UV_SYSTEM_CERTS": "true"}), ([], {})])
def test_the_certificates_of_the_system_are_trusted_where_it_has_any(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: list[str], trusted: dict[str, str]
) -> None:
    for file in files:
        (tmp_path / file).touch()
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))

    assert script.uv_environment({}, {}) == {"UV_INDEX_STRATEGY": "unsafe-best-match", **trusted}
    assert script.uv_environment({}, {"UV_SYSTEM_CERTS": "false"})["UV_SYSTEM_CERTS"] == "false"


def test_what_pip_is_told_uv_is_told(script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(script, "_has_certificates", lambda: False)
    settings = {
        "index-url": "https://one/simple",
        "extra-index-url": "https://two/simple\nhttps://three/simple",
        "find-links": f"/not/there {tmp_path} https://four/",
        "trusted-host": "one two:8080",
        "cert": "/etc/ca.pem",
        "proxy": "http://proxy:3128",
        "no-input": "1",
    }

    assert script.uv_environment(settings, {"HOME": "/home", "UV_SYSTEM_PYTHON": "1"}) == {
        "HOME": "/home",
        "UV_DEFAULT_INDEX": "https://one/simple",
        "UV_INDEX": "https://two/simple https://three/simple",
        "UV_FIND_LINKS": f"{tmp_path},https://four/",
        "UV_INSECURE_HOST": "one two:8080",
        "SSL_CERT_FILE": "/etc/ca.pem",
        "ALL_PROXY": "http://proxy:3128",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
    }


@pytest.mark.parametrize("variable", ["UV_DEFAULT_INDEX", "UV_INDEX_URL"])
def test_what_uv_is_told_itself_stays(script: ModuleType, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setattr(script, "_has_certificates", lambda: False)

    environ = script.uv_environment({"index-url": "https://pip/simple"}, {variable: "https://uv/simple"})

    assert environ == {variable: "https://uv/simple", "UV_INDEX_STRATEGY": "unsafe-best-match"}


def test_a_variable_wins_over_a_file_and_a_command_over_all(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "pip.conf"
    file.write_text("[global]\nindex-url = https://global/\ncert = /global\n[install]\ncert = /install\nproxy = http://install\n")
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", str(file))
    monkeypatch.setenv("PIP_PROXY", "http://variable")

    found = script.pip_settings()

    assert [found[name] for name in ("index-url", "cert", "proxy")] == ["https://global/", "/install", "http://variable"]


def made_by(target: str, changed: str) -> str:
    """What `make TARGET` would do if this file had changed, and no other since the last time."""
    others = {"pyproject.toml", "requirements.lock", "requirements-runtime.lock", "requirements-standalone.lock"} - {changed}
    command = ["make", "--dry-run", f"--assume-new={changed}", *(f"--assume-old={name}" for name in others), target]
    environ = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    return subprocess.run(command, cwd=PROJECT, env=environ, capture_output=True, text=True, check=True).stdout


def test_imagectl_is_a_command_of_the_virtual_environment() -> None:
    command = [str(Path(sys.executable).with_name("imagectl")), "--help"]
    said = subprocess.run(command, cwd="/", capture_output=True, text=True, check=True).stdout

    assert said.startswith("usage: imagectl")


@pytest.mark.parametrize("target", ["run", "demo", "migrate"])
def test_running_installs_what_running_needs(target: str) -> None:
    steps = made_by(target, "requirements-runtime.lock")

    assert "installing into .venv" in steps.partition("cmd/setup/main.py run")[0]
    assert "cmd/setup/main.py dev" not in steps
    assert "cmd/setup/main.py" not in made_by(target, "requirements.lock")


@pytest.mark.parametrize(
    "target", ["setup", "dev", "test", "lint", "format", "bench", "faults", "soak", "fuzz", "calls", "notices"]
)
def test_developing_installs_the_rest(target: str) -> None:
    steps = made_by(target, "requirements.lock")

    assert "installing into .venv" in steps.partition("cmd/setup/main.py dev")[0]
