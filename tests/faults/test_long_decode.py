"""G2: who is at one picture for longer than a lease of its message, or a poll interval, keeps it: nobody else is given it."""

import json
import signal
import time
from functools import partial
from typing import Any

import httpx2
import psutil  # type: ignore[import-untyped]
import pytest

from tests import pictures
from tests.e2e.deployment import IMAGES
from tests.e2e.processes import Running
from tests.faults.cluster import LONG_LEASE, Cluster
from tests.faults.conftest import LONG
from tests.faults.decoders import decoders_at
from tests.faults.deployments import DEPLOYMENTS
from tests.faults.load import Load, Sent
from tests.services.waiting import wait_until

POLL_SECONDS = 30 if LONG else 3
HELD_SECONDS = POLL_SECONDS + 6.0
"""A poll interval, and until the group has learnt that it is over; three leases of a message of the queue in PostgreSQL."""
SETTINGS: dict[str, Any] = {
    "KAFKA_POLL_SECONDS": POLL_SECONDS,
    "QUEUE_VISIBILITY_SECONDS": 2,
    "WORKER_OVERDUE_SECONDS": 600,
    "WORKER_FAST_SLOTS": 1,
    **LONG_LEASE,
}
LONG_ONE = {"long": "|".join(["blur:10"] * 24), "next": "resize:64x64"}
"""Whoever is given the message a second time finds one rendition to do."""
BEGUN = "SELECT count(*) FROM renditions WHERE image_id = %s AND attempt > 0"

UNFINISHED = "SELECT count(*) FROM renditions WHERE image_id = %s AND status <> 'processed'"


def is_finished(cluster: Cluster, id_: str) -> bool:
    return cluster.number(UNFINISHED, id_) == 0


def upload_long_one(cluster: Cluster, load: Load, data: bytes) -> str:
    began = time.monotonic()
    wishes = {"renditions": json.dumps(LONG_ONE)}
    answer = httpx2.post(f"{cluster.addresses[0]}{IMAGES}", files={"image": data}, data=wishes, timeout=30, trust_env=False)
    load.sent.append(Sent(began, time.monotonic() - began, answer.status_code, id=answer.json()["id"]))
    return str(answer.json()["id"])


def stopped_decoder(workers: list[Running], size: int) -> tuple[psutil.Process, Running]:
    """Wait until one of them is at the picture, and have its decoder stand still. Returns it, and the other worker."""
    found: list[tuple[psutil.Process, Running]] = []

    def look() -> bool:
        one, other = workers
        found.extend((child, other) for child in decoders_at(one, size))
        found.extend((child, one) for child in decoders_at(other, size))
        return bool(found)

    wait_until(look, within=30)
    found[0][0].send_signal(signal.SIGSTOP)
    return found[0]


def until_it_works(load: Load, worker: Running) -> None:
    """Upload until it has finished something from here on."""
    before = worker.said().count("rendition.processed")

    def works() -> bool:
        load.upload(1)
        return worker.said().count("rendition.processed") > before

    wait_until(works, within=60)


@pytest.mark.parametrize("cluster", DEPLOYMENTS if LONG else ["stack"], indirect=True)
def test_longer_than_a_poll_interval(cluster: Cluster, request: pytest.FixtureRequest) -> None:
    if cluster.name == "stack" and request.getfixturevalue("kafka").source == "wheels":
        pytest.skip("librdkafka's mock broker can't divide a topic between two workers")
    load, data = Load(lambda: cluster.addresses), pictures.photo_jpeg(810, 600)
    with cluster.steady_api(), cluster.worker(ready=False, **SETTINGS) as one, cluster.worker(ready=False, **SETTINGS) as other:
        until_it_works(load, one)
        until_it_works(load, other)
        id_ = upload_long_one(cluster, load, data)
        decoder, idle = stopped_decoder([one, other], len(data))
        while cluster.number(BEGUN, id_) > 1:  # both workers claimed at the same moment, and shared the task
            decoder.send_signal(signal.SIGCONT)
            wait_until(partial(is_finished, cluster, id_), within=60)
            id_ = upload_long_one(cluster, load, data)
            decoder, idle = stopped_decoder([one, other], len(data))
        load.upload(6)  # some wait behind it
        until = time.monotonic() + HELD_SECONDS
        wait_until(lambda: time.monotonic() > until or cluster.number(BEGUN, id_) > 1, within=HELD_SECONDS + 10)
        assert cluster.number(BEGUN, id_) == 1, "its message was given to another"
        until_it_works(load, idle)  # there is one that it could have been given to
        decoder.send_signal(signal.SIGCONT)
        cluster.checked(load)
    assert cluster.number("SELECT count(*) FROM renditions WHERE status <> 'processed' OR tries <> 1 OR attempt <> 1") == 0
    assert not load.refused
