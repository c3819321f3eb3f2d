"""A worker that is asked to stop in the middle finishes what it has, or gives it back: no try is burnt (G3)."""

import signal
from collections.abc import Iterator
from uuid import uuid4

import psutil  # type: ignore[import-untyped]
import pytest

from tests import pictures
from tests.e2e.deployment import Deployment
from tests.e2e.deployments import FullStack, temporary_folder
from tests.e2e.processes import Running
from tests.services.databases import own_database
from tests.services.kinds import KafkaService, PostgresService, S3Service
from tests.services.waiting import wait_until


@pytest.fixture
def stack(postgres: PostgresService, s3: S3Service, kafka: KafkaService, topic_prefix: str) -> Iterator[FullStack]:
    with temporary_folder() as folder, own_database(postgres) as database:
        yield FullStack(folder, database, s3, kafka, f"{topic_prefix}{uuid4().hex[:8]}-")


def in_the_middle(service: Deployment, worker: Running) -> tuple[str, list[psutil.Process]]:
    """The path of an image that the worker is at, and its decoders: they stand still, so that it stays there."""
    decoders = [found for found in worker.family() if "internal.sandbox.child" in found.cmdline()]
    for decoder in decoders:
        decoder.suspend()
    path = service.upload(pictures.jpeg(), processing="resize:20x20")
    wait_until(lambda: service.status(path)["renditions"][0]["status"] == "processing", within=90)
    return path, decoders


def tries(service: Deployment, path: str) -> tuple[str, int, int]:
    """The rendition's status, and how many attempts and tries it has seen."""
    ((status, attempt, count),) = service.rows(
        "SELECT status, attempt, tries FROM renditions WHERE image_id = %s", path.rpartition("/")[2]
    )
    return status, attempt, count


def test_with_time_it_finishes(stack: FullStack) -> None:
    with stack.serving() as service:
        with stack.worker(WORKER_GRACE_SECONDS=30, WORKER_LEASE_SECONDS=30) as worker:
            path, decoders = in_the_middle(service, worker)
            worker.signal(signal.SIGTERM)
            worker.until_said("worker.stopping")
            for decoder in decoders:
                decoder.resume()
            assert worker.wait() == 0
        assert tries(service, path) == ("processed", 1, 1)


def test_without_time_it_gives_it_back_and_another_one_finishes(stack: FullStack) -> None:
    with stack.serving() as service:
        with stack.worker(WORKER_GRACE_SECONDS=0) as worker:
            path, _ = in_the_middle(service, worker)
            family = worker.family()
            worker.signal(signal.SIGTERM)
            assert worker.wait() == 0
        assert tries(service, path) == ("uploaded", 1, 0)
        assert not service.scratch()
        assert not [process for process in family if process.is_running()]

        with stack.worker():
            assert service.settled(path, within=60)["status"] == "processed"
        assert tries(service, path) == ("processed", 2, 1)
