"""Both deployments pass the journey: real processes, started as from a shell. test_compose.py sends the containers on it."""

from collections.abc import Callable, Iterator

import pytest

from tests.e2e.deployment import Deployment
from tests.e2e.deployments import FullStack, standalone, temporary_folder
from tests.e2e.journey import STEPS, step_name
from tests.services.databases import own_database
from tests.services.kinds import KafkaService, PostgresService, S3Service


@pytest.fixture(scope="module")
def in_one_terminal() -> Iterator[Deployment]:
    with temporary_folder() as folder, standalone(folder) as (deployment, _):
        yield deployment


@pytest.fixture(scope="module")
def full_stack(postgres: PostgresService, s3: S3Service, kafka: KafkaService, topic_prefix: str) -> Iterator[Deployment]:
    with (
        temporary_folder() as folder,
        own_database(postgres) as database,
        FullStack(folder, database, s3, kafka, topic_prefix).complete() as deployment,
    ):
        yield deployment


@pytest.mark.parametrize("step", STEPS, ids=step_name)
def test_standalone(step: Callable[[Deployment], None], in_one_terminal: Deployment) -> None:
    step(in_one_terminal)


@pytest.mark.parametrize("step", STEPS, ids=step_name)
def test_full_stack(step: Callable[[Deployment], None], full_stack: Deployment) -> None:
    step(full_stack)
