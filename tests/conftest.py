"""What all tests share: real services (tests/services says where they come from) and a place of one's own in each."""

import os
from collections.abc import Iterator
from uuid import uuid4

import pytest

from tests.services import run, tools
from tests.services.databases import own_database
from tests.services.kinds import KafkaService, PostgresService, S3Service

pytest.register_assert_rewrite(
    "tests.e2e.steps_use",
    "tests.e2e.steps_refusals",
    "tests.e2e.steps_renditions",
    "tests.e2e.steps_forms",
    "tests.e2e.processes",
)
"""Plain modules whose assertions are to say what they saw, as those of tests do. Here, since tests/faults imports them too."""


def _is_owner(config: pytest.Config) -> bool:
    return not hasattr(config, "workerinput")  # xdist's workers have one


def pytest_configure(config: pytest.Config) -> None:
    if _is_owner(config):
        run.begin()


def pytest_unconfigure(config: pytest.Config) -> None:
    if _is_owner(config):
        run.end()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.write_line(run.summary() + tools.summary(terminalreporter.stats.get("skipped", ())))


def _unique(word: str) -> str:
    return f"{word}-{os.environ.get('PYTEST_XDIST_WORKER', 'main')}-{uuid4().hex[:12]}"


@pytest.fixture(scope="session")
def postgres() -> PostgresService:
    """The server; tests want `database`."""
    return run.acquire(PostgresService)


@pytest.fixture(scope="session")
def s3() -> S3Service:
    """The server; tests want `bucket` too."""
    return run.acquire(S3Service)


@pytest.fixture(scope="session")
def kafka() -> KafkaService:
    """The brokers; tests put `topic_prefix` before the names of their topics and groups."""
    return run.acquire(KafkaService)


@pytest.fixture(scope="session")
def database(postgres: PostgresService) -> Iterator[PostgresService]:
    """An empty database of this worker's own. Who leaves rows in it breaks the next: processes want `own_database`."""
    with own_database(postgres) as database:
        yield database


@pytest.fixture(scope="session")
def bucket(s3: S3Service) -> Iterator[str]:
    """The name of an empty bucket of this worker's own, removed at the end with what is in it."""
    name = _unique("test")
    client = s3.client()
    client.make_bucket(name, "us-east-1")
    yield name
    for found in client.list_objects(name, recursive=True):
        client.remove_object(name, found.object_name or "")
    client.remove_bucket(name)


@pytest.fixture(scope="session")
def topic_prefix() -> str:
    """What makes topics and consumer groups this worker's own."""
    return _unique("test") + "-"
