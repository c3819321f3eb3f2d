"""G3, G6: a database that takes no writes for a while, as a new standby: 503 for what would change it, and no try is burnt."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
import psycopg
import pytest

from tests.e2e.processes import Running
from tests.faults.cluster import UNDER_WAY, Cluster
from tests.faults.conftest import LONG
from tests.faults.deployments import DEPLOYMENTS
from tests.faults.load import Load
from tests.faults.outages import assert_unavailable, post
from tests.services.waiting import wait_until

MORE_THAN_ENOUGH, PER_SECOND = 100_000, 8.0
REFUSALS = 6
"""More than open a circuit here."""
POOL = 2
"""The API's connections, on which it reads, and commits, one thing at a time."""


@contextmanager
def read_only(cluster: Cluster) -> Iterator[None]:
    """Its connections break, as in a failover, and new ones may only read."""
    with psycopg.connect(cluster.places.conninfo, autocommit=True, options="-c default_transaction_read_only=off") as operator:

        def switch(to: bytes) -> None:
            operator.execute(b"ALTER DATABASE %b SET default_transaction_read_only = %b" % (name, to))
            operator.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> %s",
                [operator.info.backend_pid],
            )

        name = f'"{operator.info.dbname}"'.encode()
        switch(b"on")
        try:
            yield
        finally:
            switch(b"off")


def refused_as_read_only(cluster: Cluster, api: Running) -> bool:
    """Each upload is told to come again: the first ones for connections that broke, later ones for what may not be written."""
    assert_unavailable(post(cluster))
    return any("request.failed" in line and "ReadOnlySqlTransaction" in line for line in api.said().splitlines())


def read(cluster: Cluster, id_: str, what: str = "/status") -> int:
    """The status code of a GET."""
    return httpx2.get(cluster.url(id_, what), timeout=40, trust_env=False).status_code


@pytest.mark.parametrize("cluster", DEPLOYMENTS if LONG else ["folder"], indirect=True)
def test_in_the_middle_of_work(cluster: Cluster) -> None:
    load = Load(lambda: cluster.addresses, stubborn=True)
    with (
        cluster.api(BREAKER_SECONDS=0.2, BREAKER_FAILURES=3, DB_POOL_SIZE=POOL) as api,
        cluster.worker(WORKER_FAST_SLOTS=2, WORKER_PAUSE_SECONDS=0.2) as worker,
    ):
        with load.uploading(MORE_THAN_ENOUGH, per_second=PER_SECOND):
            wait_until(lambda: cluster.number(UNDER_WAY) > 0, within=60)
            with read_only(cluster):
                wait_until(lambda: "paused" in worker.said() or worker.ended, within=60)
                wait_until(lambda: refused_as_read_only(cluster, api), within=60)
                wait_until(
                    lambda: {read(cluster, load.accepted[0]) for _ in range(POOL)} == {200}, within=60
                )  # on both connections
                for _ in range(REFUSALS):
                    assert_unavailable(post(cluster))
                assert [read(cluster, load.accepted[0], what) for what in ("/status", "/original")] == [200, 200]
            load.stop()
        load.upload(4)
        cluster.checked(load)
        assert not api.ended
        assert not worker.ended
    assert "Traceback" not in worker.said()
    assert cluster.number("SELECT count(*) FROM images WHERE status <> 'processed'") == 0
    unknown = cluster.number("SELECT count(*) FROM images") - len(load.accepted)
    assert 0 <= unknown <= POOL, "whose connection broke between the commit and its answer"
