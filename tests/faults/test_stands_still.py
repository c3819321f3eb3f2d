"""G2: a worker that stands still past its lease, and goes on after another has finished, changes nothing and leaves nothing."""

import signal

import pytest

from tests.faults.cluster import Cluster, until_stopped
from tests.faults.conftest import LONG
from tests.faults.deployments import DEPLOYMENTS
from tests.faults.load import Load

FINISHED = "SELECT id, status, attempt, result_key, sha256, finished_at FROM renditions ORDER BY id"


SAYS = {
    "after-decode": "rendition.lost",  # it has still to store its result
    "after-result-put": "rendition.lost",  # it has stored it
    "before-finish": "processing.paused",  # PostgreSQL has ended its transaction, which held the image's lock
}
CASES = [(name, point) for name in DEPLOYMENTS for point in SAYS if LONG or (name == "stack") == (point == "after-result-put")]


@pytest.mark.parametrize(("cluster", "point"), CASES, indirect=["cluster"])
def test_a_stale_worker(cluster: Cluster, point: str) -> None:
    load = Load(lambda: cluster.addresses)
    fault = {"FAULT_POINTS": "allowed", "FAULT_POINT": point, "FAULT_ACTION": "stop"}
    with cluster.steady_api():
        load.upload(1)
        with cluster.worker(ready=False, DB_TIMEOUT_SECONDS=1, WORKER_FAST_SLOTS=1, **fault) as stale:
            until_stopped(stale)
            stored = {key for key in cluster.places.objects.names() if key.startswith("renditions/") and load.accepted[0] in key}
            assert len(stored) == (0 if point == "after-decode" else 1)
            with cluster.worker():
                cluster.until_final()
                finished = cluster.rows(FINISHED)

                stale.signal(signal.SIGCONT)
                stale.until_said(SAYS[point])
                stale.signal(signal.SIGTERM)  # so that all it had in hand has come to its end
                assert stale.wait() == 0
                verdict = cluster.checked(load)

                assert cluster.rows(FINISHED) == finished
                assert not stored & cluster.places.objects.names()
    assert verdict.counted["attempts"] > verdict.counted["renditions"], "nobody was late"
