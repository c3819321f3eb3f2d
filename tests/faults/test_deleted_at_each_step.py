"""G5, and the sweep of G4: delete wins at every step, once, and takes nothing that is anybody else's."""

import signal
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.faults.cluster import Cluster, stands_still, until_stopped
from tests.faults.conftest import LONG
from tests.faults.deployments import DEPLOYMENTS
from tests.faults.load import Load
from tests.faults.test_killed_at_each_step import WORKING
from tests.services.waiting import wait_until

STEPS = [(name, point) for name in DEPLOYMENTS for point in WORKING if LONG or (name == "folder" and point != "after-get")]
UNMARKED = "SELECT count(*) FROM outbox"
IN_THE_HANDS_OF_THE_STOPPED = """
    SELECT key FROM outbox JOIN queue_messages USING (key)
     WHERE outbox.due_at > now() + interval '3 s' -- longer than the other relay's lease
"""
SENT = "SELECT count(*) FROM queue_messages WHERE key = %s"
UPLOADS = 200 if LONG else 40


def delete(load: Load, id_: str) -> None:
    """Until it is answered: whoever stands still in a transaction holds the image's lock for a while."""
    wait_until(lambda: load.delete(id_) in (200, 404), within=30)


@pytest.mark.parametrize(("cluster", "point"), STEPS, indirect=["cluster"])
def test_while_a_worker_is_at_it(cluster: Cluster, point: str) -> None:
    load = Load(lambda: cluster.addresses)
    fault = {"FAULT_POINTS": "allowed", "FAULT_POINT": point, "FAULT_ACTION": "stop"}
    with cluster.steady_api():
        load.upload(1)
        with cluster.worker(ready=False, DB_TIMEOUT_SECONDS=1, **fault) as worker:
            until_stopped(worker)
            delete(load, load.accepted[0])
            assert load.delete(load.accepted[0]) == 404
            worker.signal(signal.SIGCONT)
            cluster.checked(load)
            cluster.until_no_files_in_work()
    assert cluster.places.objects.names() == set()


@pytest.mark.parametrize("cluster", ["folder"], indirect=True)
def test_before_its_upload_is_answered(cluster: Cluster) -> None:
    load = Load(lambda: cluster.addresses[-1:])
    with (
        cluster.worker(),
        cluster.steady_api(),
        cluster.api(FAULT_POINTS="allowed", FAULT_POINT="after-commit", FAULT_ACTION="stop") as api,
    ):
        with load.uploading(1):
            until_stopped(api)
            id_ = str(cluster.rows("SELECT id FROM images")[0][0])
            other = Load(lambda: cluster.addresses)
            assert other.delete(id_) == 200
            api.signal(signal.SIGCONT)
        assert load.accepted == [id_]
        load.deleted.add(id_)
        cluster.checked(load)


@pytest.mark.parametrize("cluster", ["folder"], indirect=True)  # where a relay has nothing but tasks
def test_between_its_message_and_the_mark_that_it_is_sent(cluster: Cluster) -> None:
    """A relay stands still there; when its lease has run out another one sends the message again, of what is gone by then."""
    load = Load(lambda: cluster.addresses[:1])
    with (
        cluster.steady_api(),
        cluster.api(FAULT_POINTS="allowed", FAULT_POINT="after-publish", FAULT_ACTION="stop", OUTBOX_LEASE_SECONDS=10) as api,
    ):

        def stopped() -> bool:
            load.upload(1)
            return stands_still(api)

        wait_until(stopped, within=30)
        [(id_,), *_] = cluster.rows(IN_THE_HANDS_OF_THE_STOPPED)
        delete(load, id_)
        assert cluster.number(SENT, id_) == 1
        wait_until(lambda: cluster.number(UNMARKED) == 0, within=30)
        assert cluster.number(SENT, id_) == 2
        api.signal(signal.SIGCONT)
        with cluster.worker():
            cluster.checked(load)
            for other in set(load.accepted) - {id_}:
                delete(load, other)
            cluster.checked(load)
    assert cluster.places.objects.names() == set()


@pytest.mark.parametrize("cluster", DEPLOYMENTS if LONG else ["folder"], indirect=True)
def test_before_its_message_comes_and_by_many_at_once(cluster: Cluster) -> None:
    load = Load(lambda: cluster.addresses)
    with cluster.steady_api(), ThreadPoolExecutor(10) as clients:
        load.upload(3)
        wait_until(lambda: cluster.number("SELECT count(*) FROM outbox") == 0, within=30)
        for id_ in load.accepted:
            answers = sorted(clients.map(load.delete, [id_] * 10))
            assert answers == [200] + [404] * 9
        with cluster.worker():
            cluster.checked(load)
    assert cluster.places.objects.names() == set()


@pytest.mark.parametrize("cluster", DEPLOYMENTS if LONG else ["folder"], indirect=True)
def test_the_sweep_takes_nothing_live(cluster: Cluster) -> None:
    load = Load(lambda: cluster.addresses)
    eager: dict[str, Any] = {"WORKER_HOUSEKEEPING_SECONDS": 0.05, "STORAGE_SWEEP_SECONDS": 0}
    with cluster.steady_api(), cluster.worker(**eager), cluster.worker(**eager):
        with load.uploading(UPLOADS):
            for number in range(0, UPLOADS, 4):
                wait_until(lambda: len(load.accepted) > number, within=60)  # noqa: B023 - used at once
                assert load.delete(load.accepted[number]) == 200
        verdict = cluster.checked(load)
    assert not load.refused
    assert verdict.counted["images processed"] == UPLOADS - len(load.deleted)
