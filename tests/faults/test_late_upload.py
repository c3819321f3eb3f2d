"""G4: an upload that stands still until its deadline has passed and the sweep has been there is refused, and leaves nothing."""

import signal
from contextlib import ExitStack
from typing import Any

import pytest

from tests.faults.cluster import Cluster, until_stopped
from tests.faults.conftest import LONG
from tests.faults.deployments import DEPLOYMENTS
from tests.faults.load import Load
from tests.services.waiting import wait_until

LATE: dict[str, Any] = {
    "FAULT_POINTS": "allowed",
    "FAULT_POINT": "after-put",
    "FAULT_ACTION": "stop",
    "STORAGE_INTENT_SECONDS": 4,
}
CASES = [(name, stubborn) for name in DEPLOYMENTS for stubborn in (True, False) if LONG or (name == "folder" and stubborn)]
LISTED = "SELECT count(*) FROM unreferenced_objects"
IMAGES = "SELECT count(*) FROM images"


@pytest.mark.parametrize(("cluster", "stubborn"), CASES, indirect=["cluster"])
def test_a_deadline_that_passes(cluster: Cluster, stubborn: bool) -> None:
    """A client that sends it again, with its Idempotency-Key, has one image in the end."""
    load, before = Load(lambda: cluster.addresses[-1:], stubborn=stubborn), cluster.number(IMAGES)
    with cluster.api(**LATE) as api, ExitStack() as sweeping:
        objects = cluster.places.objects.names()
        with load.uploading(1):
            until_stopped(api)
            assert len(cluster.places.objects.names() - objects) == 1, "it stands still before its object is complete"
            sweeping.enter_context(cluster.worker(ready=False))
            wait_until(lambda: cluster.places.objects.names() == objects and cluster.number(LISTED) == 0, within=60)
            api.signal(signal.SIGCONT)
        assert [sent.status for sent in load.sent] == ([503, 201] if stubborn else [503])
        cluster.checked(load)
        assert cluster.number(IMAGES) == before + len(load.accepted)
        assert stubborn or cluster.places.objects.names() == objects

        load.upload(1)
        cluster.checked(load)
    assert cluster.number(IMAGES) == before + len(load.accepted)
