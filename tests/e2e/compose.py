"""The full stack in containers, as `make up` starts it: project, ports, image and volumes of its own, removed at the end."""

import json
import os
import re
import shutil
import subprocess
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_bytes
from typing import Any
from uuid import uuid4

import pytest

from tests.e2e.deployment import MAX_UPLOAD_BYTES, Deployment, client, let_in, objects_in
from tests.e2e.deployments import until_ready
from tests.e2e.processes import PROJECT, environment
from tests.services.kinds import S3Service
from tests.services.reachable import free_port

MINUTES = 60.0
SECRETS = ("DB_PASSWORD", "MINIO_ROOT_PASSWORD", "MINIO_SECRET_KEY", "LINK_KEYS")
WORKERS = 2
FIND_WORK = ["find", "/dev/shm", "-name", "task-*"]
ASK_HEALTH = """
from http.client import HTTPConnection
asked = HTTPConnection("127.0.0.1", 8081)
asked.request("GET", "/health/ready")
print(asked.getresponse().status)
"""
ASK_METRICS = "import urllib.request; print(urllib.request.urlopen('http://127.0.0.1:{}/metrics').read().decode())"


def require_compose() -> None:
    """Skip where there is no Docker with compose; fail where there has to be one."""
    asked = (["docker", "version"], ["docker", "compose", "version"])  # the first fails where a client has no engine
    if shutil.which("docker") and all(_run(command, dict(os.environ)).returncode == 0 for command in asked):
        return
    if os.environ.get("REQUIRE_CONTAINERS") == "1":
        pytest.fail("REQUIRE_CONTAINERS=1, but Docker with compose does not answer")
    pytest.skip("Docker with compose does not answer")


class Compose:
    """One project of its own; `ports` by the variables that set them, once they are chosen.

    Its secrets come from the environment; without them from the .env in `folder`, a copy of the project.
    """

    def __init__(self, folder: Path = PROJECT, *, with_secrets: bool = True) -> None:
        name = f"e2e-{uuid4().hex[:12]}"
        self.ports: dict[str, int] = {}
        self.image = f"image-processor-e2e:{name}"
        self.project, self.folder = name, folder
        self.secrets = {variable: uuid4().hex for variable in SECRETS} if with_secrets else {}
        if with_secrets:
            self.secrets["LINK_KEYS"] = f"e2e:{b64encode(token_bytes(32)).decode()}"
        own = {"COMPOSE_PROJECT_NAME": name, "IMAGE": self.image, "LOG_FORMAT": "json", "MAX_UPLOAD_BYTES": MAX_UPLOAD_BYTES}
        self._environment = environment(**own, **self.secrets, **({"COMPOSE_ENV_FILES": os.devnull} if with_secrets else {}))
        for inherited in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS"):
            self._environment.pop(inherited, None)

    @property
    def conninfo(self) -> str:
        return f"host=127.0.0.1 port={self.ports['DB_PORT']} user=postgres password={self.secrets['DB_PASSWORD']} dbname=images"

    @property
    def variables(self) -> dict[str, str]:
        """For a shell in any folder, so that `docker compose` there finds this project."""
        return {**self._environment, "COMPOSE_FILE": str(self.folder / "docker-compose.yml")}

    def choose_ports(self) -> None:
        """Free ones, that they are published on from now on."""
        self.ports = {variable: free_port() for variable in ("SERVER_PORT", "DB_PORT", "MINIO_PORT", "KAFKA_PORT")}
        self._environment |= {variable: str(port) for variable, port in self.ports.items()}

    def make(self, *words: str) -> str:
        return self._output(["make", *words])

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """In its folder, with its settings; whatever becomes of it."""
        return _run(list(command), self._environment, self.folder)

    def __call__(self, *words: str) -> str:
        """`docker compose …`; its output."""
        return self._output(["docker", "compose", *words])

    def key_as_printed(self, said: str) -> str:
        """An API key, made by the command that `make up` printed."""
        (command,) = re.findall(r"^  (KEY=.*)$", said, re.MULTILINE)
        return self._output(["sh", "-euc", f'{command}; printf %s "$KEY"'])

    def containers(self) -> list[dict[str, Any]]:
        """What Docker knows of each container, also of those that have ended."""
        found: list[dict[str, Any]] = json.loads(self._output(["docker", "inspect", *self("ps", "--all", "--quiet").split()]))
        return found

    def of(self, service: str) -> list[dict[str, Any]]:
        return [found for found in self.containers() if service_of(found) == service]

    def users(self, container: str) -> set[int]:
        """Whose processes run in it, as the machine sees them: a health check is root's for its first milliseconds."""
        return {int(line.split()[0]) for line in self._output(["docker", "top", container, "-eo", "uid,pid"]).splitlines()[1:]}

    def each_worker(self, *command: str) -> list[str]:
        return [self("exec", "-T", "--index", str(number), "worker", *command) for number in range(1, WORKERS + 1)]

    def remove(self) -> None:
        """Everything, whatever state it is in."""
        self("down", "--volumes", "--remove-orphans", "--timeout", "30")
        self.run("docker", "image", "rm", "--force", self.image)

    def _output(self, command: list[str]) -> str:
        done = self.run(*command)
        assert done.returncode == 0, f"{command}: {done.stderr[-3000:]}"
        return done.stdout


def service_of(container: dict[str, Any]) -> str:
    return str(container["Config"]["Labels"]["com.docker.compose.service"])


@contextmanager
def composed() -> Iterator[tuple[Deployment, Compose]]:
    """Built, up, and ready."""
    compose = Compose()
    try:
        compose("build")
        compose.choose_ports()  # not before the build, which may take minutes: a port would not stay free
        said = compose.make("up", f"WORKERS={WORKERS}")
        store = S3Service(
            "testcontainers", "127.0.0.1", compose.ports["MINIO_PORT"], "minioadmin", compose.secrets["MINIO_ROOT_PASSWORD"]
        )
        with client(compose.ports["SERVER_PORT"]) as http:
            until_ready(http)
            let_in(http, compose.key_as_printed(said))
            deployment = Deployment(
                http=http,
                conninfo=compose.conninfo,
                objects=lambda: objects_in(store, "images"),
                scratch=lambda: {line for said in compose.each_worker(*FIND_WORK) for line in said.split()},
                log=lambda: compose("logs", "--no-color", "--no-log-prefix", "api", "worker"),
                api_metrics=lambda: compose("exec", "-T", "api", "python", "-c", ASK_METRICS.format(8082)),
                worker_metrics=lambda: "\n".join(compose.each_worker("python", "-c", ASK_METRICS.format(8081))),
                worker_health=lambda: max(int(status) for status in compose.each_worker("python", "-c", ASK_HEALTH)),
            )
            yield deployment, compose
    finally:
        compose.remove()


def _run(command: list[str], environ: dict[str, str], folder: Path = PROJECT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=folder, env=environ, capture_output=True, text=True, timeout=10 * MINUTES, check=False, errors="replace"
    )
