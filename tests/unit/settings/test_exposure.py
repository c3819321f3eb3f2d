"""What a process may start with, by the address on which it listens."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from internal.runtime.section import SettingsError
from internal.settings.exposure import EXAMPLES, refuse_exposed_api, refuse_exposed_worker, warn_of_open_doors
from internal.settings.loader import load_settings
from internal.settings.sections import Settings, every_setting
from tests.e2e.processes import PROJECT, environment

EVERY = "0.0.0.0"  # noqa: S104 - refused, not bound
OWN = {"MINIO_ACCESS_KEY": "own", "MINIO_SECRET_KEY": "a secret of our own"}
SECRETS = [setting.variable for setting in every_setting() if setting.secret]
OUTSIDE = {"SERVER_HOST": EVERY, "WORKER_HOST": EVERY, "AUTH_ALLOW_ANONYMOUS": "true"}


@pytest.mark.parametrize("host", [EVERY, "::", "", "192.168.1.7", "nowhere.invalid"])
def test_an_open_api_is_for_this_machine(host: str) -> None:
    with pytest.raises(SettingsError) as refused:
        refuse_exposed_api(load_settings({"SERVER_HOST": host}))

    for way_out in ("AUTH_MODE=key", "SERVER_HOST=127.0.0.1", "AUTH_ALLOW_ANONYMOUS=true", "SERVER_HOST (server.host)"):
        assert way_out in str(refused.value)


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"SERVER_HOST": "localhost"},
        {"SERVER_HOST": "::1"},
        {"SERVER_HOST": EVERY, "AUTH_ALLOW_ANONYMOUS": "true"},
        {"SERVER_HOST": EVERY, "AUTH_MODE": "key"},
        {"SERVER_HOST": "::", "AUTH_MODE": "jwt"},
    ],
)
def test_each_way_out_is_one(variables: dict[str, str]) -> None:
    refuse_exposed_api(load_settings(variables))


def test_a_worker_lets_nobody_in() -> None:
    refuse_exposed_worker(load_settings({"WORKER_HOST": EVERY} | OWN))


@pytest.mark.parametrize("variable", SECRETS)
@pytest.mark.parametrize(("refuse", "host"), [(refuse_exposed_api, "SERVER_HOST"), (refuse_exposed_worker, "WORKER_HOST")])
def test_an_example_is_no_secret(refuse: Callable[[Settings], None], host: str, variable: str) -> None:
    for value in (*EXAMPLES, "MinioAdmin", "2026:changeme", "2026:longer,2025:changeme"):
        refuse(load_settings(OWN | {variable: value}))
        with pytest.raises(SettingsError, match=rf"^{variable} \(.*: its value is an example .* {host} is 0.0.0.0, which other"):
            refuse(load_settings(OWN | OUTSIDE | {"AUTH_MODE": "key+jwt", variable: value}))


def test_a_secret_that_is_not_in_use_is_not_looked_at() -> None:
    unused = {"MINIO_ROOT_PASSWORD": "minioadmin", "KAFKA_SASL_PASSWORD": "secret", "APP_PROFILE": "standalone"}

    refuse_exposed_api(load_settings(OUTSIDE | unused))


def test_a_secret_that_holds_such_a_word_is_one() -> None:
    refuse_exposed_api(load_settings(OWN | OUTSIDE | {"DB_PASSWORD": "secretariat", "METRICS_TOKEN": "test-42"}))


@pytest.mark.parametrize(
    ("variables", "logged"),
    [
        ({}, {"auth.none": "every program on this machine may"}),
        ({"SERVER_HOST": EVERY}, {"auth.none": "everybody who reaches 0.0.0.0 may"}),
        ({"AUTH_MODE": "key"}, {}),
        ({"AUTH_MODE": "key", "DB_PASSWORD": "postgres"}, {"secret.example": "an example that everybody knows"}),
    ],
)
def test_what_is_open_is_logged_once(variables: dict[str, str], logged: dict[str, str]) -> None:
    with capture_logs() as lines:
        warn_of_open_doors(load_settings(OWN | variables))

    assert [line["event"] for line in lines] == list(logged)
    for line in lines:
        assert logged[line["event"]] in line["detail"]
        assert line["log_level"] == "warning"


@pytest.mark.parametrize("program", ["api", "standalone"])
def test_no_process_serves_everybody_by_accident(program: str, tmp_path: Path) -> None:
    """Nothing has begun: no database, no port, no folder."""
    command = [sys.executable, "-P", str(PROJECT / f"cmd/{program}/main.py")]
    variables = environment(SERVER_HOST=EVERY, DATA_PATH=tmp_path / "data", **OWN)

    done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=60, check=False)

    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
    assert done.stderr.startswith("configuration: SERVER_HOST (server.host): other machines reach 0.0.0.0")
    assert not (tmp_path / "data").exists()


def test_no_worker_starts_with_an_example() -> None:
    command = [sys.executable, "-P", str(PROJECT / "cmd/worker/main.py")]
    variables = environment(WORKER_HOST=EVERY, MINIO_ACCESS_KEY="own", MINIO_SECRET_KEY="minioadmin")

    done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=60, check=False)

    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
    assert done.stderr.startswith("configuration: MINIO_SECRET_KEY (minio.secret_key): its value is an example")
