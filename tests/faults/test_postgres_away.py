"""G6, G1: PostgreSQL away in the middle of load, for longer than a lease: told at once, and all that was accepted ends well."""

from typing import Any

import pytest

from tests.faults.cluster import LEASE_SECONDS, Cluster
from tests.faults.conftest import LONG
from tests.faults.load import Load
from tests.faults.outages import assert_unavailable, before_database, held, post
from tests.services.kinds import PostgresService
from tests.services.waiting import wait_until

OUTAGES = 5 if LONG else 1
PER_SECOND = 8.0
UNDER_WAY = "SELECT count(*) FROM renditions WHERE status = 'processing'"
POOL, RESOLVING = 4, 8
"""Connections of a process, and threads that look up names for asyncio: both are bounded, whatever has been."""
IMPATIENT: dict[str, Any] = {"DB_TIMEOUT_SECONDS": 1, "DB_POOL_SIZE": POOL, "BREAKER_SECONDS": 0.2, "WORKER_PAUSE_SECONDS": 0.2}


def until_leases_have_run_out(cluster: Cluster) -> None:
    """By the database's clock, which everybody but the service's processes still sees."""
    [(since,)] = cluster.rows("SELECT now()")
    wait_until(lambda: cluster.rows("SELECT now() > %s + %s * interval '1 s'", since, LEASE_SECONDS + 1)[0][0], within=30)


@pytest.mark.timeout(900)
def test_in_the_middle_of_load(cluster: Cluster, postgres: PostgresService) -> None:
    load = Load(lambda: cluster.addresses)
    with before_database(postgres) as between:
        settings = {**IMPATIENT, **between.settings}
        with cluster.worker(**settings), cluster.api(**settings) as api:
            load.upload(16)
            before = held(api)
            for _ in range(OUTAGES):
                with load.uploading(10_000, per_second=PER_SECOND):
                    wait_until(lambda: cluster.number(UNDER_WAY) > 0, within=30)
                    between.proxy.away = True
                    until_leases_have_run_out(cluster)
                    assert_unavailable(post(cluster))
                    between.proxy.away = False
                    told = len(load.accepted)
                    wait_until(lambda: len(load.accepted) > told + PER_SECOND, within=30)  # noqa: B023 - used at once
                    load.stop()
                cluster.until_final()
            load.upload(16)
            assert [sent.status for sent in load.sent[-16:]] == [201] * 16
            now = held(api)
            assert now.connections <= before.connections + POOL  # it need not have been full before
            assert now.threads <= before.threads + RESOLVING
            cluster.checked(load)
    assert {sent.status for sent in load.sent} == {201, 503}
    assert cluster.number("SELECT count(*) FROM images WHERE status = 'failed'") == 0
