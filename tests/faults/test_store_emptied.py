"""G4, G6: a store that is not mounted, or was emptied, is an outage: nothing is made in its place, and nothing fails."""

import shutil
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx2
import pytest
from minio import Minio

from tests.e2e.processes import Running
from tests.faults.cluster import LONG_LEASE, Cluster
from tests.faults.conftest import LONG
from tests.faults.evidence import BucketObjects, FolderObjects
from tests.faults.load import Load
from tests.faults.outages import assert_unavailable, post
from tests.services.folders import everything_below
from tests.services.waiting import wait_until

IMPATIENT: dict[str, Any] = {"BREAKER_SECONDS": 0.2, "WORKER_PAUSE_SECONDS": 0.2, "MIGRATE_WAIT_SECONDS": 0, **LONG_LEASE}

LEFT = ("nothing", "empty") if LONG else ("empty",)
"""In its place; tests/integration/test_store_identity.py has each, too."""


class Away:
    """The cluster's objects, put elsewhere; in their place is `left`: nothing, or a folder or bucket without anything in it."""

    def __init__(self, cluster: Cluster, left: str) -> None:
        self._objects, self._left = cluster.places.objects, left

    def take(self) -> None:
        match self._objects:
            case FolderObjects(root):
                root.rename(_elsewhere(root))
                if self._left == "empty":
                    root.mkdir()
            case BucketObjects(client, bucket):
                _move(client, bucket, f"{bucket}-elsewhere")
                if self._left == "empty":
                    client.make_bucket(bucket, "us-east-1")

    def put_back(self) -> None:
        match self._objects:
            case FolderObjects(root):
                shutil.rmtree(root, ignore_errors=True)
                _elsewhere(root).rename(root)
            case BucketObjects(client, bucket):
                if self._left == "empty":
                    client.remove_bucket(bucket)
                _move(client, f"{bucket}-elsewhere", bucket)

    def there(self) -> set[str]:
        """All that is in their place."""
        match self._objects:
            case FolderObjects(root):
                return {str(path) for path in everything_below(root)} if root.exists() else set()
            case BucketObjects(client, bucket):
                objects = client.list_objects(bucket, recursive=True) if client.bucket_exists(bucket) else ()
                return {found.object_name or "" for found in objects}
        raise AssertionError(self._objects)


def _elsewhere(root: Path) -> Path:
    return root.with_name("elsewhere")


def _move(client: Minio, here: str, there: str) -> None:
    client.make_bucket(there, "us-east-1")
    for found in list(client.list_objects(here, recursive=True)):
        name = found.object_name or ""
        with client.get_object(here, name) as answer:
            content = answer.read()
            client.put_object(there, name, BytesIO(content), len(content))
        client.remove_object(here, name)
    client.remove_bucket(here)


def until_told(address: str, condition: Callable[[httpx2.Response], bool]) -> None:
    """Until the health of the process at this address says so."""

    def told() -> bool:
        try:
            return condition(httpx2.get(f"{address}/health", timeout=40, trust_env=False))
        except httpx2.TransportError:
            return False

    wait_until(told, within=60)


def until_accepted(load: Load) -> None:
    def accepted() -> bool:
        load.upload(1)
        return load.sent[-1].status == 201

    wait_until(accepted, within=30)


def upload_and_leave_some_waiting(cluster: Cluster, load: Load) -> None:
    with cluster.api():
        with cluster.worker(ready=False):
            load.upload(2)
            cluster.until_quiet()
        load.upload(2)


@pytest.mark.parametrize("left", LEFT)
def test_started_without_the_store_and_it_is_put_back(cluster: Cluster, left: str) -> None:
    load, away = Load(lambda: cluster.addresses), Away(cluster, left)
    upload_and_leave_some_waiting(cluster, load)
    old = load.accepted[0]
    away.take()
    assert away.there() == set()
    with cluster.api(ready=False, **IMPATIENT) as api, cluster.worker(ready=False, **IMPATIENT) as worker:
        until_told(cluster.addresses[0], lambda health: health.status_code == 503)
        for _ in range(8):
            assert_unavailable(post(cluster))
        assert_unavailable(httpx2.get(cluster.url(old, "/original"), timeout=40, trust_env=False))
        worker.until_said("processing.paused", times=2)
        said = cluster.refused_migration(**IMPATIENT)
        assert "Traceback" not in said
        assert "Nothing was made" in said
        assert away.there() == set()
        assert cluster.rows("SELECT DISTINCT status FROM renditions WHERE image_id = ANY(%s::uuid[])", load.accepted[2:]) != []
        assert cluster.number("SELECT count(*) FROM renditions WHERE status = 'failed'") == 0
        assert cluster.number("SELECT count(*) FROM dead_letters") == 0

        away.put_back()
        until_accepted(load)
        until_told(cluster.addresses[0], lambda health: health.status_code == 200)
        cluster.checked(load)
        said_once(api, worker)
    tries = cluster.rows("SELECT DISTINCT status, tries FROM renditions WHERE image_id = ANY(%s::uuid[])", load.accepted)
    assert tries == [("processed", 1)]


def said_once(*processes: Running) -> None:
    """Loudly, and not at each request."""
    for process in processes:
        assert process.said().count('"event": "store.wrong"') <= 2, process.said()[-3000:]


@pytest.mark.parametrize("left", LEFT)
def test_the_store_goes_under_running_processes_and_is_put_back(cluster: Cluster, left: str) -> None:
    load, away = Load(lambda: cluster.addresses), Away(cluster, left)
    with cluster.api(**IMPATIENT), cluster.worker(ready=False, **IMPATIENT):
        load.upload(4)
        cluster.until_quiet()
        away.take()
        assert_unavailable(httpx2.get(cluster.url(load.accepted[0], "/original"), timeout=40, trust_env=False))
        for _ in range(8):
            assert_unavailable(post(cluster))
        assert away.there() == set()
        until_told(cluster.addresses[0], lambda health: health.status_code == 503)

        away.put_back()
        until_accepted(load)
        load.upload(4)
        cluster.checked(load)
