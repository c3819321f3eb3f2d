"""G6, G1: PostgreSQL away in the middle of load, for longer than a lease: told at once, and all that was accepted ends well.

Away: its connections end, as when it restarts (test_restarted has that too). Silent: they stay open, and no answer ever comes.
"""

import pytest

from tests.faults.cluster import LEASE_SECONDS, UNDER_WAY, Cluster
from tests.faults.conftest import LONG
from tests.faults.deployments import DEPLOYMENTS
from tests.faults.load import Load
from tests.faults.outages import (
    ALL_THREADS,
    CONSUMERS,
    IMPATIENT,
    PRODUCER,
    assert_nothing_has_leaked,
    assert_unavailable,
    before_database,
    held,
    post,
    sweep_at_once,
    until_later,
    warm_up,
)
from tests.services.kinds import PostgresService
from tests.services.waiting import wait_until

OUTAGES = 5 if LONG else 1
CASES = [(name, fault) for name in DEPLOYMENTS for fault in ("away", "silent")] if LONG else [("stack", "silent")]
PER_SECOND = 8.0


def until_all_are_accepted(load: Load) -> None:
    """Sixteen in a row: a busy machine may make one wait for a connection for longer than the impatient do."""

    def all_are() -> bool:
        load.upload(16)
        return [sent.status for sent in load.sent[-16:]] == [201] * 16

    wait_until(all_are, within=60)


@pytest.mark.timeout(900)
@pytest.mark.parametrize(("cluster", "fault"), CASES, indirect=["cluster"])
def test_in_the_middle_of_load(cluster: Cluster, fault: str, postgres: PostgresService) -> None:
    load = Load(lambda: cluster.addresses)
    with before_database(postgres) as between:
        settings = {**IMPATIENT, **between.settings}
        with cluster.worker(ready=False, **settings) as worker, cluster.api(**settings) as api:
            before_api, before_worker = warm_up(cluster, load, api), held(worker)
            for _ in range(OUTAGES):
                with load.uploading(10_000, per_second=PER_SECOND):
                    wait_until(lambda: cluster.number(UNDER_WAY) > 0, within=30)
                    setattr(between.proxy, fault, True)
                    until_later(cluster, LEASE_SECONDS + 1)
                    load.stop()  # and everybody has been told, while it is still away
                assert_unavailable(post(cluster))
                with load.uploading(10_000, per_second=PER_SECOND):
                    setattr(between.proxy, fault, False)
                    told = len(load.accepted)
                    wait_until(lambda: len(load.accepted) > told + PER_SECOND, within=30)  # noqa: B023 - used at once
                    load.stop()
                cluster.until_final()
            until_all_are_accepted(load)
            sweep_at_once(cluster)
            cluster.checked(load)
            assert_nothing_has_leaked(cluster, before_api, api, threads=ALL_THREADS)
            assert_nothing_has_leaked(cluster, before_worker, worker, kafka=PRODUCER + CONSUMERS, threads=ALL_THREADS)
    assert {sent.status for sent in load.sent} == {201, 503}
