"""G4: an upload that breaks off, whichever end it is that goes, leaves no row, no object and no temporary file."""

import signal
from itertools import product

import pytest

from tests import pictures
from tests.e2e.deployment import IMAGES
from tests.e2e.wire import FORM, Wire, opening
from tests.faults.cluster import Cluster
from tests.faults.conftest import LONG
from tests.faults.deployments import DEPLOYMENTS
from tests.faults.evidence import BucketObjects
from tests.faults.load import Load
from tests.faults.outages import sweep_at_once
from tests.services.waiting import wait_until

SHARES = (0.1, 0.5, 0.99)
SMALL, LARGE = 2**18, 20 * 2**20
"""Bytes: one that is put at once, and one that is put in parts while it comes."""


def begin(wire: Wire, size: int, share: float) -> None:
    """Send a part of a picture of that size."""
    data = opening() + pictures.jpeg() + bytes(size)
    wire.post(IMAGES, {"content-type": FORM, "content-length": str(len(data))}, data[: int(len(data) * share)])


def in_flight(cluster: Cluster) -> set[str]:
    return {key for (key,) in cluster.rows("SELECT key FROM unreferenced_objects")}


def unfinished_parts(cluster: Cluster, keys: set[str]) -> list[str]:
    """Multipart uploads that nobody completed or aborted; a bucket's listing does not show them."""
    if not isinstance(cluster.places.objects, BucketObjects):
        return []
    return [found for key in keys for found in cluster.places.objects.unfinished(key)]


def assert_nothing_is_left(cluster: Cluster, keys: set[str]) -> None:
    cluster.checked(Load(lambda: cluster.addresses))
    assert cluster.number("SELECT count(*) FROM images") == 0
    assert cluster.places.objects.names() == set()
    assert unfinished_parts(cluster, keys) == []


@pytest.mark.parametrize("cluster", DEPLOYMENTS if LONG else ["stack"], indirect=True)  # which is the one with parts
def test_the_client_hangs_up(cluster: Cluster) -> None:
    keys: set[str] = set()
    with cluster.worker(ready=False), cluster.api() as api:
        for number, (size, share) in enumerate(product((SMALL, LARGE), SHARES), start=1):
            with Wire(cluster.place) as wire:
                begin(wire, size, share)
                if size == LARGE:
                    wait_until(lambda: bool(in_flight(cluster) - keys), within=20)  # noqa: B023 - used at once
                    keys |= in_flight(cluster)
            wait_until(lambda: api.said().count("client_gone") == number, within=20)  # noqa: B023
        assert len(keys) == len(SHARES)
        assert_nothing_is_left(cluster, keys)


@pytest.mark.parametrize("cluster", DEPLOYMENTS if LONG else ["stack"], indirect=True)
def test_the_api_is_killed(cluster: Cluster) -> None:
    with cluster.worker(ready=False):
        with cluster.api() as api, Wire(cluster.place) as wire:
            begin(wire, LARGE, 0.8)
            wait_until(lambda: bool(in_flight(cluster)) and half_written(cluster), within=20)
            keys = in_flight(cluster)
            api.signal(signal.SIGKILL)
            assert api.wait() == -signal.SIGKILL
        sweep_at_once(cluster)
        assert_nothing_is_left(cluster, keys)


def half_written(cluster: Cluster) -> bool:
    return bool(cluster.places.objects.names() or unfinished_parts(cluster, in_flight(cluster)))
