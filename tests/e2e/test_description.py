"""The service against its own description: Schemathesis asks what the document allows and forbids, in both deployments.

Every answer must have a status, a media type, headers and a body that are documented for it; what does not fit the schema must be
refused, and what fits it accepted (tests/e2e/schemathesis.toml says where that can't be, and why).
"""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from internal.api.openapi.document import openapi_document
from internal.api.openapi.examples import one_pixel
from tests.e2e.deployment import Deployment
from tests.e2e.deployments import FullStack, standalone, temporary_folder
from tests.services.databases import own_database
from tests.services.kinds import KafkaService, PostgresService, S3Service

CONFIGURATION = Path(__file__).parent / "schemathesis.toml"
OPERATIONS = sum(len(operations) for operations in openapi_document()["paths"].values())


@pytest.fixture(scope="module")
def in_one_terminal() -> Iterator[Deployment]:
    with temporary_folder() as folder, standalone(folder) as (deployment, _):
        yield deployment


@pytest.fixture(scope="module")
def full_stack(postgres: PostgresService, s3: S3Service, kafka: KafkaService, topic_prefix: str) -> Iterator[Deployment]:
    with (
        temporary_folder() as folder,
        own_database(postgres) as database,
        FullStack(folder, database, s3, kafka, f"{topic_prefix}described-").complete() as deployment,
    ):
        yield deployment


def _is_as_described(service: Deployment, folder: Path) -> None:
    service.processed(
        one_pixel().encode("ascii"), processing="resize:10x10"
    )  # the example of an upload; and something to ask for
    program = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIGURATION)]
    document = str(service.http.base_url.join("/openapi.json"))
    done = subprocess.run([*program, "run", document], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Tested: {OPERATIONS}" in done.stdout


def test_standalone(in_one_terminal: Deployment, tmp_path: Path) -> None:
    _is_as_described(in_one_terminal, tmp_path)


def test_full_stack(full_stack: Deployment, tmp_path: Path) -> None:
    _is_as_described(full_stack, tmp_path)
