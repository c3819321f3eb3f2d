"""SIGTERM in the middle of work: a worker finishes or gives back and burns no try (G3); an API answers whom it has begun with."""

import signal
import time
from typing import Any

import httpx2
import pytest

from tests import pictures
from tests.e2e.deployment import IMAGES
from tests.e2e.wire import FORM, Wire, closing, opening
from tests.faults.cluster import LONG_LEASE, Cluster, until_stopped
from tests.faults.conftest import LONG
from tests.faults.deployments import DEPLOYMENTS
from tests.faults.load import Load, Sent
from tests.services.waiting import wait_until

AT_WORK: dict[str, Any] = {
    "FAULT_POINTS": "allowed",
    "FAULT_POINT": "after-get",
    "FAULT_ACTION": "stop",
    "WORKER_FAST_SLOTS": 1,
    **LONG_LEASE,
}
"""It stands still in the middle of its first picture, until it is told to go on."""
IN = DEPLOYMENTS if LONG else ("folder",)


@pytest.mark.parametrize("cluster", IN, indirect=True)
def test_a_worker_finishes_or_gives_back(cluster: Cluster) -> None:
    """Without time to finish, and with enough of it."""
    load = Load(lambda: cluster.addresses, processing="resize:64x64")
    with cluster.steady_api():
        for grace in (0, 120):
            load.upload(3)
            with cluster.worker(ready=False, WORKER_GRACE_SECONDS=grace, **AT_WORK) as worker:
                until_stopped(worker)
                worker.signal(signal.SIGTERM)
                worker.signal(signal.SIGCONT)
                assert worker.wait() == 0
            assert ("rendition.released" in worker.said()) == (grace == 0)
            left = cluster.rows("SELECT DISTINCT status, tries FROM renditions WHERE status <> 'processed'")
            assert left == [("uploaded", 0)]
        with cluster.worker(**LONG_LEASE):
            cluster.checked(load)
    assert cluster.rows("SELECT DISTINCT status, tries FROM renditions") == [("processed", 1)]


@pytest.mark.parametrize("cluster", IN, indirect=True)
def test_an_api_drains(cluster: Cluster) -> None:
    """The second half of a body comes after the signal, and takes its time; nobody new is let in."""
    body = opening() + pictures.photo_jpeg(2400, 1800) + closing()
    half = len(body) // 2
    headers = {"content-type": FORM, "content-length": str(len(body))}
    load = Load(lambda: cluster.addresses)
    with cluster.worker(ready=False), cluster.api(STORAGE_INTENT_SECONDS=30) as api, Wire(cluster.place) as wire:
        wire.post(IMAGES, headers, body[:half])
        wait_until(lambda: cluster.number("SELECT count(*) FROM unreferenced_objects") == 1, within=20)
        api.signal(signal.SIGTERM)
        wait_until(lambda: not accepts(cluster.place), within=20)
        for begin in range(half, len(body), half // 9):
            wire.send(body[begin : begin + half // 9])
            time.sleep(0.1)  # the client's pace
        answer = wire.answer()
        assert answer.status == 201
        assert api.wait() == 0
        load.sent.append(Sent(time.monotonic(), 0, 201, id=answer.json()["id"]))
        with cluster.steady_api():  # its relay tells what the worker has done
            cluster.checked(load)


@pytest.mark.parametrize("cluster", IN, indirect=True)
def test_who_waits_for_a_picture_holds_up_nobody(cluster: Cluster) -> None:
    """And is told how it stands, to ask again elsewhere."""
    load = Load(lambda: cluster.addresses, processing="resize:64x64")
    with cluster.api(SERVER_SHUTDOWN_SECONDS=20) as api, Wire(cluster.place) as wire:
        load.upload(1)
        path = f"{IMAGES}/{load.accepted[0]}"
        wire.send(f"GET {path} HTTP/1.1\r\nhost: e2e\r\nprefer: wait=30\r\n\r\n".encode())
        status = httpx2.get(cluster.url(load.accepted[0], "/status"), timeout=40, trust_env=False)
        assert status.status_code == 200, "who came later is answered: it waits"
        api.signal(signal.SIGTERM)
        answer = wire.answer()
        assert (answer.status, answer.json()["code"]) == (409, "not_ready")
        assert api.wait() == 0
    with cluster.worker(), cluster.steady_api():
        cluster.checked(load)


def accepts(place: tuple[str, int]) -> bool:
    """Whether somebody listens."""
    try:
        with Wire(place):
            return True
    except OSError:
        return False
