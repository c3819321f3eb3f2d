"""A worker that is asked to stop in the middle finishes what it has, or gives it back: no try is burnt (G3)."""

import signal
from collections.abc import Iterator
from uuid import uuid4

import pytest

from tests import pictures
from tests.e2e.deployment import Deployment
from tests.e2e.deployments import FullStack, temporary_folder
from tests.services.databases import own_database
from tests.services.kinds import KafkaService, PostgresService, S3Service
from tests.services.waiting import wait_until

SLOW = "|".join(["blur:10"] * 4)
"""Takes a few seconds on the picture below."""


@pytest.fixture
def stack(postgres: PostgresService, s3: S3Service, kafka: KafkaService, topic_prefix: str) -> Iterator[FullStack]:
    with temporary_folder() as folder, own_database(postgres) as database:
        yield FullStack(folder, database, s3, kafka, f"{topic_prefix}{uuid4().hex[:8]}-")


def in_the_middle(service: Deployment) -> str:
    """The path of an image that a worker is at."""
    path = service.upload(pictures.photo_jpeg(3000, 2000), processing=SLOW)
    wait_until(lambda: service.status(path)["renditions"][0]["status"] == "processing", within=30)
    return path


def tries(service: Deployment, path: str) -> tuple[str, int, int]:
    """The rendition's status, and how many attempts and tries it has seen."""
    ((status, attempt, count),) = service.rows(
        "SELECT status, attempt, tries FROM renditions WHERE image_id = %s", path.rpartition("/")[2]
    )
    return status, attempt, count


def test_with_time_it_finishes(stack: FullStack) -> None:
    with stack.serving() as service:
        with stack.worker(WORKER_GRACE_SECONDS=30) as worker:
            path = in_the_middle(service)
            worker.signal(signal.SIGTERM)
            assert worker.wait() == 0
        assert tries(service, path) == ("processed", 1, 1)


def test_without_time_it_gives_it_back_and_another_one_finishes(stack: FullStack) -> None:
    with stack.serving() as service:
        with stack.worker(WORKER_GRACE_SECONDS=0) as worker:
            path = in_the_middle(service)
            family = worker.family()
            worker.signal(signal.SIGTERM)
            assert worker.wait() == 0
        assert tries(service, path) == ("uploaded", 1, 0)
        assert not service.scratch()
        assert not [process for process in family if process.is_running()]

        with stack.worker():
            assert service.settled(path, within=60)["status"] == "processed"
        assert tries(service, path) == ("processed", 2, 1)
