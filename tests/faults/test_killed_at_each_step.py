"""G1, G4: kill -9 between any two steps of an upload, of its publication and of its processing: nothing is lost or left over."""

from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from tests.e2e.processes import Running
from tests.faults.cluster import Cluster, until_killed
from tests.faults.conftest import LONG
from tests.faults.deployments import DEPLOYMENTS
from tests.faults.load import Load
from tests.faults.outages import sweep_at_once
from tests.services.waiting import wait_until

UPLOADING = ("after-intent", "after-put", "before-commit", "after-commit")
WORKING = ("after-claim", "after-get", "after-decode", "after-result-put", "before-finish", "after-finish", "before-ack")
OF_THE_ADAPTERS = frozenset({"after-put", "after-result-put", "before-ack"})
"""Where the deployments differ."""
LANES_ONLY: dict[str, Any] = {"KAFKA_EVENTS_TOPIC": "", "KAFKA_DLQ_TOPIC": ""}
"""A relay publishes each channel by itself; in one that has no others it is a task's batch that dies."""
BATCHES = [("stack", "tasks"), *([("folder", "tasks"), ("stack", "events")] if LONG else [])]
COMMITTING = ("before-commit", "after-commit")
UNANSWERED = [
    (name, point) for name in DEPLOYMENTS for point in COMMITTING if LONG or (name, point) == ("folder", "before-commit")
]
IMAGES = "SELECT count(*) FROM images"


def cases(points: tuple[str, ...]) -> list[tuple[str, tuple[str, ...]]]:
    """Long: each step in each deployment. Short: each once, one after the other, those of the adapters on MinIO and Kafka."""
    if LONG:
        return [(name, (point,)) for name in DEPLOYMENTS for point in points]
    adapters = tuple(point for point in points if point in OF_THE_ADAPTERS)
    return [("folder", tuple(point for point in points if point not in adapters)), ("stack", adapters)]


def named(value: object) -> str:
    return "+".join(value) if isinstance(value, tuple) else str(value)


def until_dead(act: Callable[[], object], doomed: Running) -> None:
    """Again and again: another API takes turns with it, and another relay what there is to publish."""

    def has_ended() -> bool:
        act()
        return doomed.ended

    wait_until(has_ended, within=60)
    until_killed(doomed)


@pytest.mark.parametrize(("cluster", "points"), cases(UPLOADING), indirect=["cluster"], ids=named)
def test_the_api_is_killed(cluster: Cluster, points: tuple[str, ...]) -> None:
    load = Load(lambda: cluster.addresses, stubborn=True)
    before = cluster.number(IMAGES)
    with cluster.worker(ready=False), cluster.steady_api():
        for point in points:
            with cluster.api(FAULT_POINTS="allowed", FAULT_POINT=point) as doomed:
                until_dead(lambda: load.upload(2), doomed)
        cluster.checked(load)
    accepted = set(load.accepted)
    assert cluster.number(IMAGES) == before + len(accepted), "sent again, an upload became two images"


@pytest.mark.parametrize(("cluster", "point"), UNANSWERED, indirect=["cluster"])
def test_the_api_is_killed_and_nobody_sends_it_again(cluster: Cluster, point: str) -> None:
    """Without an Idempotency-Key, of which the commit is another: an upload that got no answer is an image after it only."""
    load = Load(lambda: cluster.addresses)
    before = cluster.number(IMAGES)
    with cluster.worker(ready=False), cluster.steady_api():
        with cluster.api(FAULT_POINTS="allowed", FAULT_POINT=point) as doomed:
            until_dead(lambda: load.upload(2), doomed)
        sweep_at_once(cluster)
        cluster.checked(load)
    unknown = 1 if point == "after-commit" else 0
    assert {sent.status for sent in load.refused} == {0}
    assert cluster.number(IMAGES) == before + len(load.accepted) + unknown


@pytest.mark.parametrize(("cluster", "batch"), BATCHES, indirect=["cluster"])
def test_a_relay_is_killed(cluster: Cluster, batch: str) -> None:
    """Between a batch's publication and the mark that it is sent: when its lease has run out another one sends it again."""
    load = Load(lambda: cluster.addresses[:1])  # the steady one: who has no topic of events announces none
    with cluster.worker(ready=False), cluster.steady_api():
        if batch == "tasks":
            act, settings = partial(load.upload, 2), LANES_ONLY
        else:  # what is deleted makes events, and no task
            load.upload(24)
            cluster.until_final()
            act, settings = partial(delete_next, load), {}
        with cluster.api(FAULT_POINTS="allowed", FAULT_POINT="after-publish", **settings) as doomed:
            until_dead(act, doomed)
        cluster.checked(load)
    if topics := cluster.places.topics:
        published = topics.read(next(iter(topics.lanes)) if batch == "tasks" else topics.events)
        assert max(Counter(record.value for record in published).values()) > 1, "another batch was killed"


def delete_next(load: Load) -> None:
    assert load.delete(next(id_ for id_ in load.accepted if id_ not in load.deleted)) == 200


@pytest.mark.parametrize(("cluster", "points"), cases(WORKING), indirect=["cluster"], ids=named)
def test_the_worker_is_killed(cluster: Cluster, points: tuple[str, ...]) -> None:
    load = Load(lambda: cluster.addresses)
    with cluster.steady_api():
        for point in points:
            load.upload(2)
            with cluster.worker(ready=False, FAULT_POINTS="allowed", FAULT_POINT=point) as doomed:
                until_killed(doomed)
        with cluster.worker():
            cluster.checked(load)
            cluster.until_no_files_in_work()
    assert not load.refused
