"""No process shows a secret: each has a canary in its place, and everything that it says is searched for it.

The canaries are wrong passwords: what fails, fails with them, and errors have every occasion to quote them.
"""

import base64
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from internal.settings.sections import every_setting
from tests.e2e.deployment import IMAGES
from tests.e2e.deployments import temporary_folder
from tests.e2e.processes import Running, environment, imagectl, running
from tests.services.kinds import KafkaService, PostgresService, S3Service
from tests.services.reachable import free_port
from tests.services.waiting import wait_until

CANARY = "canary-5d1f0c9be7a24863-"
SECRETS = [setting.variable for setting in every_setting() if setting.secret]


def canary(variable: str) -> str:
    """A secret of its own for each variable, which all of them begin in the same way."""
    text = f"{CANARY}{variable.lower().replace('_', '-')}-{'0' * 32}"
    return f"k1:{base64.b64encode(text.encode()).decode()}" if variable == "LINK_KEYS" else text


SHOWN = (CANARY, base64.b64encode(CANARY.encode()).decode().rstrip("=")[:-2])
"""As it is, and as the beginning of base64."""


def shows_none(said: str) -> None:
    for form in SHOWN:
        place = said.find(form)
        assert place < 0, said[max(0, place - 300) : place + 100]


@pytest.fixture
def folder() -> Iterator[Path]:
    with temporary_folder() as path:
        yield path


@pytest.fixture(params=["json", "files and console"])
def settings(
    request: pytest.FixtureRequest, folder: Path, postgres: PostgresService, s3: S3Service, kafka: KafkaService
) -> dict[str, object]:
    """The full stack's, with real servers that take none of these secrets; as variables, and as files; both forms of the log."""
    secrets: dict[str, object] = {variable: canary(variable) for variable in SECRETS}
    if request.param == "files and console":
        for variable in SECRETS:
            (folder / variable).write_text(f"{canary(variable)}\n", encoding="utf-8")
        secrets = {f"{variable}_FILE": folder / variable for variable in SECRETS}
    return {
        "DB_HOST": postgres.host,
        "DB_PORT": postgres.port,
        "DB_USER": "nobody",
        "DB_NAME": "nothing",
        "MINIO_HOST": s3.host,
        "MINIO_PORT": s3.port,
        "MINIO_ACCESS_KEY": "nobody",
        "MINIO_ROOT_USER": "nobody-as-well",
        "MINIO_SSL": s3.secure,
        "KAFKA_BROKERS": kafka.brokers,
        "KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
        "KAFKA_SASL_USERNAME": "nobody",
        "KAFKA_REQUEST_SECONDS": 1,
        "MIGRATE_WAIT_SECONDS": 1,
        "SANDBOX_SCRATCH": folder,
        "LOG_LEVEL": "debug",
        "LOG_FORMAT": request.param.rpartition(" ")[2],
        "AUTH_MODE": "key",
    }  | secrets  # fmt: skip


def asked(port: int, path: str, **headers: str) -> str:
    """An answer, with its head."""
    try:
        answer = httpx2.get(f"http://127.0.0.1:{port}{path}", headers=headers, timeout=30, trust_env=False)
    except httpx2.TransportError:
        return ""
    return f"{answer.status_code} {answer.headers} {answer.text}"


def until_tried(process: Running, port: int) -> None:
    """It has asked its dependencies, and each has refused it or is away."""
    wait_until(lambda: '{"status":"unavailable"' in asked(port, "/health") or process.ended, within=60)
    assert not process.ended, process.said()[-3000:]


def test_no_process_shows_a_secret(settings: dict[str, object], folder: Path) -> None:
    ports = {"SERVER_PORT": free_port(), "WORKER_PORT": free_port()}
    environ = environment(**settings, **ports)
    with running("migrate", folder / "migrate", environ) as migrate:
        assert migrate.wait() == 1, migrate.said()
    assert "migrate: " in migrate.said()
    shows_none(migrate.said())

    with running("api", folder / "api", environ) as api, running("worker", folder / "worker", environ) as worker:
        until_tried(api, ports["SERVER_PORT"])
        until_tried(worker, ports["WORKER_PORT"])
        for path in ("/health", "/metrics", f"{IMAGES}?limit=1", "/openapi.json", "/docs"):
            for port in ports.values():
                shows_none(asked(port, path))
                shows_none(asked(port, path, authorization="Bearer imgp_somebody", **{"x-request-id": "a"}))
                shows_none(asked(port, path, authorization=f"Bearer {canary('METRICS_TOKEN')}"))
        assert api.of_program("api")
    shows_none(api.said())
    shows_none(worker.said())


def test_no_command_shows_a_secret(settings: dict[str, object], folder: Path) -> None:
    for command in (["keys", "list"], ["audit"], ["reconcile"], ["store", "show"], ["deadletters", "list"]):
        done = imagectl(folder, *command, **settings, IMAGECTL_KEY=canary("IMAGECTL_KEY"))
        assert done.returncode == 3, (command, done.stderr)
        shows_none((done.stdout + done.stderr).decode())

    done = imagectl(folder, "list", "--retry", "0", SERVER_PORT=free_port(), IMAGECTL_KEY=canary("IMAGECTL_KEY"))
    assert done.returncode == 3
    shows_none((done.stdout + done.stderr).decode())


@pytest.mark.parametrize("program", ["api", "worker", "migrate", "standalone"])
def test_no_refusal_to_start_shows_a_secret(program: str, folder: Path) -> None:
    """Each secret with a value that can't be used, beside a fault of another setting."""
    given = dict.fromkeys(SECRETS, f"{CANARY} with a space, ö and \x01")
    for fault in ({"SERVER_PORT": "many"}, {"METRICS_PORT": 0}):
        environ = environment(**given, MINIO_ACCESS_KEY="own", MINIO_ROOT_USER="root", DATA_PATH=folder / "data", **fault)
        with running(program, folder / "log", environ) as process:
            assert process.wait() == 2, process.said()
        assert process.said().startswith("configuration: ")
        shows_none(process.said())
