"""G2: the two last renditions of an image, finished at the same time by two workers, end it once."""

import signal
from typing import Any

import pytest

from tests.faults.cluster import LONG_LEASE, Cluster, until_stopped
from tests.faults.conftest import LONG
from tests.faults.deployments import DEPLOYMENTS
from tests.faults.load import Load
from tests.services.waiting import wait_until

WAYS = ("together", "one-waits", "in-turn")
CASES = [(name, way) for name in DEPLOYMENTS for way in WAYS if LONG or (name, way) == ("folder", "one-waits")]
PATIENT: dict[str, Any] = {
    **LONG_LEASE,
    "WORKER_RENEW_SECONDS": 1,
    "WORKER_OVERDUE_SECONDS": 60,
    "WORKER_FAST_SLOTS": 1,
    "STORAGE_INTENT_SECONDS": 60,
}
"""Whoever stands still for a few seconds loses nothing but its hold on the message; and nobody takes both renditions."""
PROCESSED = "SELECT count(*) FROM renditions WHERE image_id = %s AND status = 'processed'"
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


def stopping_at(point: str) -> dict[str, Any]:
    return {**PATIENT, "FAULT_POINTS": "allowed", "FAULT_POINT": point, "FAULT_ACTION": "stop"}


@pytest.mark.parametrize(("cluster", "way"), CASES, indirect=["cluster"])
def test_finished_by_two_workers(cluster: Cluster, way: str) -> None:
    """The first holds one rendition, and stands still; its message goes to the second, which takes the other."""
    load = Load(lambda: cluster.addresses)
    with cluster.steady_api():
        load.upload(1)
        (id_,) = load.accepted
        with cluster.worker(ready=False, **stopping_at("after-result-put")) as first:
            until_stopped(first)
            settings = {
                "together": stopping_at("after-result-put"),
                "one-waits": stopping_at("before-finish"),
                "in-turn": PATIENT,
            }
            with cluster.worker(ready=False, **settings[way]) as second:
                if way == "in-turn":
                    wait_until(lambda: cluster.number(PROCESSED, id_) == 1, within=30)
                else:
                    until_stopped(second)
                assert cluster.status(id_) == "processing"

                first.signal(signal.SIGCONT)
                if way == "one-waits":
                    wait_until(lambda: cluster.number(WAITING) > 0, within=30)
                second.signal(signal.SIGCONT)
                cluster.checked(load)

    events = cluster.rows("SELECT type FROM events WHERE image_id = %s AND type LIKE 'image.processing.%%'", id_)
    assert sorted(events) == [("image.processing.completed",), ("image.processing.started",)]
    tries = cluster.rows("SELECT status, tries, attempt FROM renditions WHERE image_id = %s", id_)
    assert tries == [("processed", 1, 1)] * 2, "one rendition each, and neither was lost"
