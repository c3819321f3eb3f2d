"""G1 and G2 with real processes: whoever is killed, every accepted upload ends in one result, and nothing is left over."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psutil  # type: ignore[import-untyped]

from tests import pictures
from tests.e2e.deployment import Deployment
from tests.e2e.deployments import FullStack, standalone, temporary_folder
from tests.services.kinds import KafkaService, PostgresService, S3Service
from tests.services.waiting import wait_until

UPLOADS = 40
KILLS = 3
QUICK = {
    "WORKER_MAX_ATTEMPTS": 20,
    "WORKER_LEASE_SECONDS": 2,
    "WORKER_RENEW_SECONDS": 0.5,
    "WORKER_HOUSEKEEPING_SECONDS": 0.5,
    "WORKER_BACKOFF_SECONDS": 0.1,
    "STORAGE_INTENT_SECONDS": 3,
    "STORAGE_SWEEP_SECONDS": 1,
    "QUEUE_VISIBILITY_SECONDS": 2,
}


@contextmanager
def uploading(deployment: Deployment, accepted: list[str]) -> Iterator[None]:
    """Upload in the background; the accepted images' paths come into the list."""
    picture = pictures.photo_jpeg(1600, 1200)

    def upload_all() -> None:
        accepted.extend(deployment.upload(picture, processing="resize:200x200") for _ in range(UPLOADS))

    thread = threading.Thread(target=upload_all)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def finished(deployment: Deployment) -> int:
    return int(deployment.rows("SELECT count(*) FROM renditions WHERE status = 'processed'")[0][0])


def assert_all_is_well(deployment: Deployment, accepted: list[str]) -> None:
    """Every accepted image is processed once; every object is one that a row refers to."""
    wait_until(lambda: finished(deployment) == UPLOADS, within=60)
    statuses = deployment.rows("SELECT status, count(*) FROM images GROUP BY status")
    assert statuses == [("processed", len(accepted))]
    completed = deployment.rows("SELECT count(*), count(DISTINCT image_id) FROM events WHERE type = 'image.processing.completed'")
    assert completed == [(UPLOADS, UPLOADS)]
    referred = deployment.rows("SELECT original_key FROM images UNION SELECT result_key FROM renditions")
    wait_until(lambda: deployment.rows("SELECT count(*) FROM unreferenced_objects") == [(0,)], within=30)
    wait_until(lambda: len(deployment.objects()) == len(referred), within=10)
    wait_until(lambda: deployment.rows("SELECT count(*) FROM outbox") == [(0,)], within=10)
    for path in accepted[:: UPLOADS // 10]:
        assert deployment.http.get(path).status_code == 200


def test_full_stack(own_database: PostgresService, s3: S3Service, kafka: KafkaService, topic_prefix: str) -> None:
    accepted: list[str] = []
    with temporary_folder() as folder:
        stack = FullStack(folder, own_database, s3, kafka, f"{topic_prefix}killed-")
        with stack.serving() as deployment, uploading(deployment, accepted):
            for kill in range(KILLS):
                with stack.worker(**QUICK) as worker:
                    wait_until(lambda: finished(deployment) > kill * 3, within=60)  # noqa: B023 - used at once
                    worker.signal(signal.SIGKILL)
            with stack.worker(**QUICK):
                assert_all_is_well(deployment, accepted)


def test_standalone() -> None:
    accepted: list[str] = []
    with temporary_folder() as folder, standalone(folder, **QUICK) as (deployment, process):
        with uploading(deployment, accepted):
            for kill in range(KILLS):
                wait_until(lambda: finished(deployment) > kill * 3, within=60)  # noqa: B023 - used at once
                the_worker(process.family()).kill()  # the supervisor starts it again
        assert_all_is_well(deployment, accepted)


def the_worker(family: list[psutil.Process]) -> psutil.Process:
    """The worker among a standalone service's processes, as soon as there is one."""
    found: list[psutil.Process] = []

    def look() -> bool:
        found[:] = [process for process in family[0].children() if "cmd/worker/main.py" in " ".join(process.cmdline())]
        return bool(found)

    wait_until(look, within=30)
    return found[0]
