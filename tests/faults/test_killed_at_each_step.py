"""G1, G4: kill -9 between any two steps of an upload, of its publication and of its processing: nothing is lost or left over."""

import pytest

from tests.e2e.processes import Running
from tests.faults.cluster import FAILED, Cluster, until_killed
from tests.faults.conftest import LONG
from tests.faults.deployments import DEPLOYMENTS
from tests.faults.load import Load
from tests.services.waiting import wait_until

UPLOADING = ("after-intent", "after-put", "before-commit", "after-commit", "after-publish")
WORKING = ("after-claim", "after-get", "after-decode", "after-result-put", "before-finish", "after-finish", "before-ack")
OF_THE_ADAPTERS = frozenset({"after-put", "after-publish", "after-result-put", "before-ack"})
"""Where the deployments differ."""


def cases(points: tuple[str, ...]) -> list[tuple[str, tuple[str, ...]]]:
    """Long: each step in each deployment. Short: each once, one after the other, those of the adapters on MinIO and Kafka."""
    if LONG:
        return [(name, (point,)) for name in DEPLOYMENTS for point in points]
    adapters = tuple(point for point in points if point in OF_THE_ADAPTERS)
    return [("folder", tuple(point for point in points if point not in adapters)), ("stack", adapters)]


def named(value: object) -> str:
    return "+".join(value) if isinstance(value, tuple) else str(value)


def upload_until_dead(load: Load, doomed: Running) -> None:
    """Another API takes turns with it, and another relay what there is to publish."""

    def upload() -> bool:
        load.upload(2)
        return doomed.ended

    wait_until(upload, within=60)
    until_killed(doomed)


@pytest.mark.parametrize(("cluster", "points"), cases(UPLOADING), indirect=["cluster"], ids=named)
def test_the_api_is_killed(cluster: Cluster, points: tuple[str, ...]) -> None:
    load = Load(lambda: cluster.addresses, stubborn=True)
    before = cluster.number("SELECT count(*) FROM images")
    with cluster.worker(ready=False), cluster.steady_api():
        for point in points:
            with cluster.api(FAULT_POINTS="allowed", FAULT_POINT=point) as doomed:
                upload_until_dead(load, doomed)
        cluster.checked(load)
    accepted = set(load.accepted)
    assert cluster.number("SELECT count(*) FROM images") == before + len(accepted), "sent again, an upload became two images"
    assert cluster.number(FAILED) == 0


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
            assert cluster.files_in_work() == []
    assert not load.refused
    assert cluster.number(FAILED) == 0
