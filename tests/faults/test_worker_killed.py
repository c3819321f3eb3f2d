"""G1 and G2 with real processes: however often the worker is killed, every accepted upload ends in one result, soon."""

import signal
import time
from contextlib import ExitStack, suppress
from typing import Any

import psutil  # type: ignore[import-untyped]
import pytest

from tests.e2e.deployments import standalone, temporary_folder
from tests.e2e.processes import Running
from tests.faults.checker import check
from tests.faults.cluster import QUICK, SLOW_STORE, UNDER_WAY, Cluster
from tests.faults.conftest import LONG
from tests.faults.deployments import DEPLOYMENTS
from tests.faults.evidence import FolderObjects, Places
from tests.faults.load import Load
from tests.faults.outages import sweep_at_once
from tests.services.waiting import wait_until

KILLS = 50 if LONG else 3
UPLOADS = 10 * KILLS
PER_SECOND = 3.0 if LONG else 2.0
PROCESSED = "SELECT count(*) FROM renditions WHERE status = 'processed'"
HELD = "SELECT id FROM renditions WHERE status = 'processing'"
WAITING = "SELECT count(*) FROM renditions WHERE status NOT IN ('processed', 'failed')"
STILL_THERE = "SELECT count(*) FROM renditions WHERE id = ANY(%s) AND status NOT IN ('processed', 'failed')"
MORE_THAN_ENOUGH = 100_000
SOON, WORK_SECONDS = 10 if LONG else 60, 20
"""Seconds until another worker has found what a dead one held; and for the work itself, with all that waits before it."""
USUAL: dict[str, Any] = {"WORKER_LEASE_SECONDS": 6, "WORKER_RENEW_SECONDS": 2, "WORKER_HOUSEKEEPING_SECONDS": 2} if LONG else {}
"""The defaults, where there is time for them."""


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("cluster", DEPLOYMENTS if LONG else ["stack"], indirect=True)  # the folder's is in test_standalone
def test_killed_again_and_again(cluster: Cluster) -> None:
    load = Load(lambda: cluster.addresses)
    with cluster.steady_api(), ExitStack() as last:
        with load.uploading(MORE_THAN_ENOUGH, per_second=PER_SECOND):
            for _ in range(KILLS):
                before = cluster.number(PROCESSED)
                with cluster.worker(WORKER_FAST_SLOTS=2, **USUAL) as worker:
                    wait_until(lambda: cluster.number(PROCESSED) > before and cluster.number(UNDER_WAY) > 0, within=60)  # noqa: B023
                    worker.signal(signal.SIGKILL)
            held = [id_ for (id_,) in cluster.rows(HELD)]
            waiting, done = cluster.number(WAITING), cluster.number(PROCESSED)
            last.enter_context(cluster.worker(**USUAL))
            restarted = time.monotonic()
            wait_until(lambda: cluster.number(PROCESSED) > done, within=SOON)
            begun = time.monotonic() - restarted
            wait_until(lambda: cluster.number(STILL_THERE, held) == 0, within=SOON + WORK_SECONDS)
            ended = time.monotonic() - restarted
            print(
                f"{cluster.name}: after the last restart the first result in {begun:.1f} s, all that was held in {ended:.1f} s;"
            )
            print(f"{waiting} renditions were waiting")
            wait_until(lambda: len(load.sent) >= UPLOADS, within=120)
            load.stop()
        verdict = cluster.checked(load, within=300)
    assert not load.refused
    assert verdict.counted["images processed"] == len(load.accepted), str(verdict)


def test_standalone() -> None:
    """Its supervisor starts the worker again."""
    with temporary_folder() as folder, standalone(folder, **{**QUICK, **SLOW_STORE}) as (service, process):
        load = Load(lambda: [str(service.http.base_url)])
        with load.uploading(30, per_second=12):
            for kill in range(3):
                wait_until(lambda: service.rows(PROCESSED)[0][0] > kill * 3, within=60)  # noqa: B023 - used at once
                kill_the_worker(process)
        cluster = Cluster("standalone", folder, {}, Places(service.conninfo, FolderObjects(folder / "data/objects")))
        sweep_at_once(cluster)
        cluster.until_quiet()
        verdict = check(cluster.places, load.told())
        assert not verdict.violations, str(verdict)
        assert verdict.counted["images processed"] == 30


def kill_the_worker(service: Running) -> None:
    """The one among a standalone service's processes, as soon as there is one; it is gone on return."""

    def killed() -> bool:
        with suppress(psutil.NoSuchProcess):  # it is the one before, and gone since it was listed
            for worker in service.of_program("worker"):
                worker.kill()
                worker.wait(30)
                return True
        return False

    wait_until(killed, within=60)
