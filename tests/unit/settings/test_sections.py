"""The sections: each belongs to a room, is cheap to import, and checks the values that depend on each other."""

import subprocess
import sys

import pytest

from internal.runtime.project import PROJECT
from internal.runtime.section import SettingsError
from internal.settings.loader import load_settings
from internal.settings.sections import Settings

MINIO = {"MINIO_ACCESS_KEY": "own", "MINIO_SECRET_KEY": "secret"}
ROOT = {"MINIO_ROOT_USER": "root", "MINIO_ROOT_PASSWORD": "word"}
LOADER = {"internal.settings.loader", "internal.settings.sections"}
LOADER |= {f"internal.runtime.{name}" for name in ("secret", "secret_file", "section", "project")}
LOADER |= {f"internal.domain.{name}" for name in ("errors", "identity", "rates", "urls")}


@pytest.mark.parametrize(
    ("environment", "key"), [(MINIO, ("own", "secret")), (ROOT, ("root", "word")), (MINIO | ROOT, ("own", "secret"))]
)
def test_the_store_is_asked_with_the_access_key_or_else_with_roots(environment: dict[str, str], key: tuple[str, str]) -> None:
    settings = load_settings(environment)

    settings.validate()

    assert settings.minio.key.reveal() == key


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({}, "MINIO_ACCESS_KEY"),
        ({"MINIO_ACCESS_KEY": "own"}, "MINIO_SECRET_KEY"),
        ({"MINIO_SECRET_KEY": "secret"}, "MINIO_ACCESS_KEY"),
        ({"MINIO_ROOT_USER": "root"}, "MINIO_ROOT_PASSWORD"),
    ],
)
def test_a_store_without_a_whole_key_is_refused(environment: dict[str, str], named: str) -> None:
    """There were default keys, the same for everybody."""
    with pytest.raises(SettingsError, match=named):
        load_settings(environment).validate()
    load_settings({**environment, "APP_PROFILE": "standalone"}).validate()


@pytest.mark.parametrize(
    ("environment", "refusal"),
    [
        ({"WORKER_RENEW_SECONDS": "6"}, r"^WORKER_RENEW_SECONDS .*: 6 has to be less than WORKER_LEASE_SECONDS, which is 6$"),
        ({"OUTBOX_LEASE_SECONDS": "5"}, r"^OUTBOX_LEASE_SECONDS: 5 has to be more than KAFKA_PUBLISH_SECONDS, which is 5$"),
        ({"STORAGE_INTENT_SECONDS": "2"}, r"^STORAGE_INTENT_SECONDS: 2 has to be more than WORKER_RENEW_SECONDS, which is 2$"),
        ({"KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "KAFKA_SASL_PASSWORD": "word"}, "^KAFKA_SASL_USERNAME: .* SASL_SSL, .* empty$"),
        ({"KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT", "KAFKA_SASL_USERNAME": "me"}, "^KAFKA_SASL_PASSWORD: "),
    ],
)
def test_values_that_do_not_fit_each_other_are_refused(environment: dict[str, str], refusal: str) -> None:
    with pytest.raises(SettingsError, match=refusal):
        load_settings(MINIO | environment).validate()


def test_the_queue_in_postgres_needs_nothing_of_kafka() -> None:
    kafka = {"OUTBOX_LEASE_SECONDS": "5", "KAFKA_SECURITY_PROTOCOL": "SASL_SSL"}

    load_settings(MINIO | kafka | {"QUEUE_BACKEND": "postgres"}).validate()


def test_no_process_starts_with_such_values() -> None:
    command = [sys.executable, "-P", str(PROJECT / "cmd/worker/main.py")]
    environment = {"APP_PROFILE": "standalone", "WORKER_RENEW_SECONDS": "60", "PYTHONPATH": str(PROJECT)}

    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)

    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
    assert done.stderr.startswith("configuration: WORKER_RENEW_SECONDS (worker.renew_seconds): 60 has to be less than")


def test_every_section_belongs_to_a_room() -> None:
    """It is in the `settings.py` of its room; the room `settings` has none of its own."""
    homes = {name: type(getattr(load_settings({}), name)).__module__ for name in Settings.__struct_fields__}

    assert len(homes) > 10
    assert [home for home in homes.values() if not home.endswith(".settings") or home.startswith("internal.settings")] == []


def test_the_settings_are_read_without_what_they_set() -> None:
    """Every process and `imagectl` read them first: a section's module imports no adapter, and no library but msgspec."""
    script = "import sys, internal.settings.loader; print(*(n for n, m in sys.modules.items() if not hasattr(m, '__path__')))"
    command = [sys.executable, "-S", "-c", f"import sys; sys.path[:] = {sys.path!r}; {script}"]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=60, check=True)
    ours = {name for name in done.stdout.split() if name.startswith("internal.")}
    libraries = {name.split(".")[0] for name in done.stdout.split()} - sys.stdlib_module_names - {"__main__", "internal"}

    assert {name for name in ours if not name.endswith(".settings")} == LOADER
    assert {name for name in libraries if not name.startswith(("_", "cython"))} <= {"msgspec", "yaml", "typing_extensions"}
