"""G6, G4: an object store that fails in each of its ways costs a 503 and no picture, and leaves nothing half done, or open."""

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from tests.e2e.deployment import IMAGES, SOON_CLOSED
from tests.e2e.wire import FORM, closing, opening
from tests.faults.cluster import LONG_LEASE, Cluster
from tests.faults.conftest import LONG
from tests.faults.load import Load, Sent, picture
from tests.faults.outages import (
    ALL_THREADS,
    CONSUMERS,
    PRODUCER,
    SMALL,
    Between,
    assert_nothing_has_leaked,
    assert_unavailable,
    before_store,
    post,
    sweep_at_once,
    until_later,
    warm_up,
)
from tests.faults.scrape import Scrape, worker_at
from tests.faults.test_hang_up import unfinished_parts
from tests.services.kinds import S3Service
from tests.services.proxy import ERROR_500, Proxy
from tests.services.reachable import free_port
from tests.services.waiting import wait_until

pytestmark = pytest.mark.parametrize("cluster", ["stack"], indirect=True)

MIB = 2**20
IMPATIENT: dict[str, Any] = {
    **SMALL,
    "MINIO_TIMEOUT_SECONDS": 1,
    "BREAKER_SECONDS": 0.2,
    "WORKER_PAUSE_SECONDS": 0.2,
}
OVERDUE_SECONDS, OUTAGE_SECONDS, WAITING_UPLOADS = (3, 30, 200) if LONG else (1, 4, 6)
"""Long: as ten minutes of outage are to the minute after which what waits is queued again."""
SHORTENED: dict[str, Any] = {
    "WORKER_OVERDUE_SECONDS": OVERDUE_SECONDS,
    "WORKER_LEASE_SECONDS": 3,
    "STORAGE_INTENT_SECONDS": 3,
    "WORKER_FAST_SLOTS": 3,
    "WORKER_DEFER_SECONDS": 600,
}
"""An outage lasts longer than a lease, and than an intent; no slot puts its task off for it."""
FAULTS: dict[str, dict[str, object]] = {
    "answers 500": {"answer": ERROR_500},
    "is gone": {"away": True},
    "says nothing": {"silent": True},
    "ends in the middle of a PUT": {"cut_requests_after": 4096},
    "ends before it has answered": {"cut_after": 5},
}
UPLOADS = 6 if LONG else 2
"""In each of these."""
WELL: dict[str, object] = {"answer": None, "cut_after": None, "cut_requests_after": None, "away": False, "silent": False}


@pytest.fixture
def between(s3: S3Service) -> Iterator[Between]:
    with before_store(s3) as between:
        yield between


def become(proxy: Proxy, state: dict[str, object]) -> None:
    for name, value in state.items():
        setattr(proxy, name, value)


def large(size: int) -> bytes:
    """A picture of so many bytes: what follows its end is nothing to a decoder."""
    return picture() + bytes(size - len(picture()))


def accept(cluster: Cluster, load: Load, data: bytes) -> str:
    """An upload's id, which the load remembers. Sent until it is accepted: a busy store may be too slow for the impatient."""
    answers: list[httpx2.Response] = []

    def accepted() -> bool:
        answers.append(post(cluster, data))
        return answers[-1].status_code == 201

    wait_until(accepted, within=60)
    load.sent.append(Sent(0, 0, 201, id=answers[-1].json()["id"]))
    return load.accepted[-1]


def heal(cluster: Cluster, between: Between, load: Load) -> None:
    """Well again, and no breaker open any more. What was held back is lost first, as on a network: a PUT that came through now,
    behind its key's deadline and the sweep, would be for `imagectl reconcile` to find.
    """
    between.proxy.away = True
    wait_until(lambda: between.proxy.open == 0, within=10)
    become(between.proxy, WELL)

    def welcome() -> bool:
        load.upload(1)
        return load.sent[-1].status == 201

    wait_until(welcome, within=20)


def test_each_fault_is_told_and_leaks_nothing(cluster: Cluster, between: Between) -> None:
    load = Load(lambda: cluster.addresses)
    with cluster.worker(ready=False), cluster.api(**IMPATIENT, **between.settings) as api:
        before = warm_up(cluster, load, api)
        for name, fault in FAULTS.items():
            become(between.proxy, fault)
            for _ in range(UPLOADS):
                assert_unavailable(post(cluster), name)
            heal(cluster, between, load)
        between.proxy.delay = 0.1
        accept(cluster, load, picture())
        between.proxy.delay = 0
        load.upload(16)
        sweep_at_once(cluster)
        cluster.checked(load)
        assert_nothing_has_leaked(cluster, before, api, threads=ALL_THREADS)


@pytest.mark.parametrize("fault", ["is gone", "ends in the middle of a PUT"] if LONG else ["is gone"])
def test_an_upload_in_parts_is_cut_off(cluster: Cluster, between: Between, fault: str) -> None:
    """After its first part; the rest of it comes all the same. Who can still be reached is told to forget the part at once; else
    the sweep does it."""
    load = Load(lambda: cluster.addresses)
    keys: set[str] = set()

    def body() -> Iterator[bytes]:
        yield opening() + large(12 * MIB)
        wait_until(lambda: between.proxy.sent > 8 * MIB, within=20)
        keys.update(key for (key,) in cluster.rows("SELECT key FROM unreferenced_objects"))
        assert unfinished_parts(cluster, keys) == list(keys)
        become(between.proxy, FAULTS[fault])
        yield bytes(4 * MIB + MIB // 2) + closing()

    with cluster.worker(ready=False), cluster.api(**IMPATIENT, **between.settings, STORAGE_INTENT_SECONDS=30):
        url = f"{cluster.addresses[-1]}{IMAGES}"
        assert_unavailable(httpx2.post(url, content=body(), headers={"content-type": FORM}, timeout=40, trust_env=False))
        assert unfinished_parts(cluster, keys) == (list(keys) if fault == "is gone" else [])
        heal(cluster, between, load)
        sweep_at_once(cluster)
        cluster.checked(load)
        assert unfinished_parts(cluster, keys) == []


def test_downloads_are_cut_off(cluster: Cluster, between: Between) -> None:
    """Before the first byte: a 503. Later: an answer that is seen to be broken, and never passes for the whole."""
    load = Load(lambda: cluster.addresses)
    with (
        cluster.worker(ready=False),
        cluster.api(**IMPATIENT, **between.settings) as api,
        httpx2.Client(trust_env=False, timeout=40, limits=SOON_CLOSED) as client,
    ):
        whole = large(4 * MIB)
        original = cluster.url(accept(cluster, load, whole), "/original")
        between.proxy.cut()
        between.proxy.cut_after = 5
        assert_unavailable(client.get(original))
        between.proxy.cut_after = MIB // 2
        assert_unavailable(client.get(original, headers={"range": f"bytes=0-{MIB - 1}"}))
        between.proxy.cut_after = 2 * MIB + MIB // 2
        for _ in range(6):
            with client.stream("GET", original) as response:
                assert response.status_code == 200
                with pytest.raises(httpx2.RemoteProtocolError):
                    response.read()
        heal(cluster, between, load)
        assert client.get(original).content == whole
        assert api.said().count("download.broken_off") == 6
        assert "exc_type" not in api.said()
        cluster.checked(load)


def test_a_worker_is_cut_off(cluster: Cluster, between: Between) -> None:
    """In the middle of fetching, and then of storing: it waits, and burns no try."""
    load = Load(lambda: cluster.addresses)
    settings = {**IMPATIENT, **between.settings, **LONG_LEASE}
    with cluster.worker(ready=False, **settings) as worker, cluster.steady_api():
        before = warm_up(cluster, load, worker)
        between.proxy.cut_after = MIB
        id_ = accept(cluster, load, large(4 * MIB))
        worker.until_said("processing.paused")
        become(between.proxy, {**WELL, "cut_requests_after": 4096})
        paused = worker.said().count("processing.paused")
        worker.until_said("processing.paused", times=paused + 1)
        become(between.proxy, WELL)
        load.upload(16)
        sweep_at_once(cluster)
        cluster.checked(load)
        assert_nothing_has_leaked(cluster, before, worker, kafka=PRODUCER + CONSUMERS, threads=ALL_THREADS)
    assert cluster.rows("SELECT status, tries FROM renditions WHERE image_id = %s", id_) == [("processed", 1)]


def lag(settings: dict[str, Any]) -> dict[str, float]:
    """By lane, as a worker with these settings tells."""
    return Scrape(worker_at(settings["WORKER_PORT"])).of("queue_lag_messages")


@pytest.mark.timeout(600)
def test_a_queue_is_full_and_the_store_away(cluster: Cluster, between: Between) -> None:
    """Each slot has tried one task, and keeps to it; what waits in the queue is not sent again, and nothing costs a try."""
    load = Load(lambda: cluster.addresses)
    before = cluster.number("SELECT coalesce(sum(attempt), 0) FROM renditions")
    settings: dict[str, Any] = {**IMPATIENT, **between.settings, **SHORTENED, "WORKER_PORT": free_port()}
    with cluster.worker(ready=False, **settings) as worker, cluster.steady_api():
        between.proxy.away = True
        load.upload(WAITING_UPLOADS)
        worker.until_said("processing.paused", times=3)
        until_later(cluster, OUTAGE_SECONDS)
        wait_until(lambda: lag(settings).get("fast", 0) >= WAITING_UPLOADS, within=60)
        assert lag(settings)["fast"] <= 2 * WAITING_UPLOADS
        assert cluster.number("SELECT sum(attempt) FROM renditions") == before + 3
        assert cluster.number("SELECT max(tries) FROM renditions WHERE status <> 'processed'") == 0
        become(between.proxy, WELL)
        cluster.until_final(within=300)
        sweep_at_once(cluster)
        cluster.checked(load)
        wait_until(lambda: lag(settings) == {"fast": 0, "slow": 0}, within=30)
    assert len(load.accepted) == WAITING_UPLOADS
    made = cluster.rows("SELECT DISTINCT status, tries FROM renditions WHERE image_id = ANY(%s::uuid[])", load.accepted)
    assert made == [("processed", 1)]


def test_who_comes_later_waits_for_nobody(cluster: Cluster, between: Between) -> None:
    """The breaker: once a silent store has cost some their whole wait, it is not even asked for a while."""
    load = Load(lambda: cluster.addresses)
    patient: dict[str, Any] = {**IMPATIENT, "BREAKER_FAILURES": 2, "BREAKER_SECONDS": 60}
    with cluster.worker(ready=False), cluster.api(**patient, **between.settings):
        between.proxy.silent = True
        for _ in range(2):
            assert_unavailable(post(cluster))
        asked = between.proxy.connections, between.proxy.requests
        for _ in range(10):
            assert_unavailable(post(cluster))
        assert (between.proxy.connections, between.proxy.requests) == asked
        between.proxy.away = True  # what was held back never comes
        sweep_at_once(cluster)
        cluster.checked(load)
