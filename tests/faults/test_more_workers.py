"""One worker, then four, then one again, under load: nothing is lost, nothing is tried twice."""

import signal
from contextlib import ExitStack
from typing import Any

import pytest

from tests.e2e.processes import Running
from tests.faults.cluster import Cluster
from tests.faults.conftest import LONG
from tests.faults.deployments import DEPLOYMENTS
from tests.faults.load import Load
from tests.services.waiting import wait_until

ROUNDS = 3 if LONG else 1
PER_SECOND = 4.0
MORE_THAN_ENOUGH = 100_000
LEASE: dict[str, Any] = {"WORKER_LEASE_SECONDS": 6}
"""Longer than a machine that starts four workers at once may keep one of them waiting."""
TRIED_AGAIN = "SELECT count(*) FROM renditions WHERE tries <> 1"


def until_all_work(workers: list[Running]) -> None:
    """Each does something from here on."""
    done = [worker.said().count("rendition.processed") for worker in workers]
    wait_until(
        lambda: all(worker.said().count("rendition.processed") > before for worker, before in zip(workers, done, strict=True)),
        within=90,
    )


@pytest.mark.timeout(600)
@pytest.mark.parametrize("cluster", DEPLOYMENTS if LONG else ["folder"], indirect=True)
def test_one_four_one(cluster: Cluster) -> None:
    load = Load(lambda: cluster.addresses, processing="blur:10")
    with cluster.steady_api(), ExitStack() as started:
        workers = [started.enter_context(cluster.worker(**LEASE))]
        with load.uploading(MORE_THAN_ENOUGH, per_second=PER_SECOND):
            for _ in range(ROUNDS):
                until_all_work(workers)
                workers += [started.enter_context(cluster.worker(ready=False, **LEASE)) for _ in range(3)]
                until_all_work(workers)
                for worker in workers[:3]:
                    worker.signal(signal.SIGTERM)
                assert [worker.wait() for worker in workers[:3]] == [0, 0, 0]
                del workers[:3]
                until_all_work(workers)
            load.stop()
        verdict = cluster.checked(load, within=300)
    assert not load.refused
    assert verdict.counted["images processed"] == len(load.accepted), str(verdict)
    assert cluster.number(TRIED_AGAIN) == 0
