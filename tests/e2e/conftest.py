"""The two deployments as real processes, one of each for a module of tests."""

from collections.abc import Iterator

import pytest

from tests.e2e.deployment import Deployment
from tests.e2e.deployments import FullStack, standalone, temporary_folder
from tests.services.databases import own_database
from tests.services.kinds import KafkaService, PostgresService, S3Service


@pytest.fixture(scope="module")
def in_one_terminal() -> Iterator[Deployment]:
    with temporary_folder() as folder, standalone(folder) as (deployment, _):
        yield deployment


@pytest.fixture(scope="module")
def full_stack(
    postgres: PostgresService, s3: S3Service, kafka: KafkaService, topic_prefix: str, request: pytest.FixtureRequest
) -> Iterator[Deployment]:
    """Its topics are the module's own."""
    topics = f"{topic_prefix}{request.path.stem.removeprefix('test_')}-"
    with (
        temporary_folder() as folder,
        own_database(postgres) as database,
        FullStack(folder, database, s3, kafka, topics).complete() as deployment,
    ):
        yield deployment
