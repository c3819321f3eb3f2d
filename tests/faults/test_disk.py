"""G3, G4, G6: a full or read-only disk is an outage: it fails no picture, leaves no half file, and ends without a restart."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.deployment import pictures_in_work
from tests.e2e.processes import Running
from tests.faults.cluster import LONG_LEASE, Cluster
from tests.faults.deployments import open_cluster
from tests.faults.evidence import FolderObjects
from tests.faults.load import Load
from tests.faults.small_disk import SmallDisk, small_disk
from tests.services.folders import everything_below
from tests.services.waiting import wait_until

NO_ROOM = "There is no room for pictures in work"
NO_STORE = "The object store does not answer"
TRIES = "SELECT status, tries FROM renditions WHERE image_id = ANY(%s::uuid[])"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk", megabytes=4) as mounted:
        yield mounted


@pytest.fixture
def cluster(disk: SmallDisk) -> Iterator[Cluster]:
    """With its own store, which may be the small disk."""
    with open_cluster("folder") as opened:
        yield opened


def until_paused(cluster: Cluster, worker: Running, words: str, ids: list[str], *, times: int) -> None:
    """Wait until it has met the outage so many times more; of these images nothing is final, and nothing has cost a try."""
    before = worker.said().count(words)
    worker.until_said(words, within=90, times=before + times)
    assert set(cluster.rows(TRIES, ids)) <= {("uploaded", 0), ("processing", 1)}


def until_accepted(load: Load) -> None:
    """Upload until one is accepted."""
    before = len(load.accepted)

    def accepted() -> bool:
        load.upload(1)
        return len(load.accepted) > before

    wait_until(accepted, within=30)


def test_the_scratch_folder(disk: SmallDisk, cluster: Cluster) -> None:
    load = Load(lambda: cluster.addresses)
    settings: dict[str, Any] = {"SANDBOX_SCRATCH": disk.folder, "WORKER_PAUSE_SECONDS": 0.2, **LONG_LEASE}
    with cluster.api(), cluster.worker(command=disk.command, **settings) as worker:
        disk.fill()
        load.upload(2)
        until_paused(cluster, worker, NO_ROOM, load.accepted, times=6)
        disk.make_room()
        cluster.until_final()

        with disk.read_only():
            load.upload(2)
            until_paused(cluster, worker, NO_ROOM, load.accepted[-2:], times=6)
        cluster.checked(load)
        wait_until(lambda: not pictures_in_work(disk.seen), within=30)
    assert list(everything_below(disk.seen)) == []
    assert set(cluster.rows(TRIES, load.accepted)) == {("processed", 1)}


def test_the_object_store(disk: SmallDisk, cluster: Cluster) -> None:
    load = Load(lambda: cluster.addresses)
    settings: dict[str, Any] = {"command": disk.command, "STORAGE_PATH": disk.folder / "objects", "BREAKER_SECONDS": 0.5}
    assert isinstance(cluster.places.objects, FolderObjects)
    shutil.copytree(cluster.places.objects.root, disk.seen / "objects")  # with its id: it is the same store, on another disk
    cluster.places = replace(cluster.places, objects=FolderObjects(disk.seen / "objects"))
    with ExitStack() as started:
        started.enter_context(cluster.api(**settings))
        load.upload(2)
        before = cluster.places.objects.names()
        disk.fill()
        worker = started.enter_context(cluster.worker(ready=False, WORKER_PAUSE_SECONDS=0.2, **LONG_LEASE, **settings))
        load.upload(8)
        assert [sent.status for sent in load.refused] == [503] * 8
        until_paused(cluster, worker, NO_STORE, load.accepted, times=2)
        assert cluster.places.objects.names() == before, "half files"
        assert cluster.number("SELECT count(*) FROM images") == 2

        disk.make_room()
        until_accepted(load)
        cluster.checked(load)
    assert set(cluster.rows(TRIES, load.accepted)) == {("processed", 1)}
