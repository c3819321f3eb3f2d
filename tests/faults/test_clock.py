"""G2: time is the database's. Workers whose clocks are far off, both ways, take nothing from anybody and wait for nobody."""

import json
import os
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.processes import Running
from tests.faults.cluster import UNDER_WAY, Cluster
from tests.faults.conftest import LONG
from tests.faults.deployments import DEPLOYMENTS
from tests.faults.load import Load
from tests.services.waiting import wait_until

UPLOADS = 60 if LONG else 14
MORE_THAN_ENOUGH, PER_SECOND = 100_000, 10.0
"""More a second than two cores make of them."""
SLOTS = 2
OFF = {"folder": timedelta(hours=1), "stack": timedelta(minutes=10)}
"""S3 refuses whoever is more than a quarter of an hour off: such a worker waits, as in any outage of its store."""
RIGHT = timedelta(0)
SHIFT = '''
"""Shifts the clock of the process that starts with this on its path. What is compiled in can't be replaced, only changed."""

import ctypes, datetime, gc, os, time

seconds, true, true_ns = int(os.environ["CLOCK_OFF_SECONDS"]), time.time, time.time_ns
time.time = lambda: true() + seconds
time.time_ns = lambda: true_ns() + seconds * 10**9
methods = gc.get_referents(datetime.datetime.__dict__)[0]
methods["now"] = classmethod(lambda cls, tz=None: cls.fromtimestamp(time.time(), tz))
methods["utcnow"] = classmethod(lambda cls: cls.fromtimestamp(time.time(), datetime.UTC).replace(tzinfo=None))
ctypes.pythonapi.PyType_Modified(ctypes.py_object(datetime.datetime))
'''
TRIES = "SELECT count(*) FROM renditions WHERE tries > %s"


def settings(folder: Path, off: timedelta) -> dict[str, Any]:
    (folder / "sitecustomize.py").write_text(SHIFT)
    path = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
    clock = {"PYTHONPATH": path, "CLOCK_OFF_SECONDS": int(off.total_seconds())}
    return {**clock, "WORKER_FAST_SLOTS": SLOTS, "WORKER_LEASE_SECONDS": 6}


def off_by(worker: Running) -> timedelta:
    """How far ahead the clock is that it logs with, to the minute."""
    worker.until_said("worker.started", within=60)
    line = next(line for line in worker.said().splitlines() if "worker.started" in line)
    ahead = datetime.fromisoformat(json.loads(line)["timestamp"]) - datetime.now(UTC)
    return timedelta(minutes=round(ahead.total_seconds() / 60))


def kill(cluster: Cluster, load: Load, doomed: Running, workers: int) -> None:
    """While each of so many workers has something in its hands; all of it ends well."""

    def stopped_at_work() -> bool:
        doomed.signal(signal.SIGSTOP)
        at_work = cluster.number(UNDER_WAY) > SLOTS * (workers - 1)
        if not at_work:
            doomed.signal(signal.SIGCONT)
        return at_work

    with load.uploading(MORE_THAN_ENOUGH, per_second=PER_SECOND):
        wait_until(stopped_at_work, within=60)
        doomed.signal(signal.SIGKILL)
        load.stop()
    cluster.until_final(within=300)


@pytest.mark.parametrize("cluster", DEPLOYMENTS if LONG else ["folder"], indirect=True)
def test_clocks_that_are_off(cluster: Cluster, tmp_path: Path) -> None:
    off = OFF[cluster.name]
    load = Load(lambda: cluster.addresses, processing="blur:10")
    right, ahead, behind = ({"ready": False, **settings(tmp_path, clock)} for clock in (RIGHT, off, -off))
    with (
        cluster.steady_api(),
        cluster.worker(**right) as right_one,
        cluster.worker(**ahead) as early,
        cluster.worker(**behind) as late,
    ):
        workers = [right_one, early, late]
        assert [off_by(worker) for worker in workers] == [RIGHT, off, -off]

        load.upload(UPLOADS)
        cluster.checked(load)
        assert cluster.number(TRIES, 1) == 0
        assert not [worker.said() for worker in workers if "lease.ran_out" in worker.said() or "rendition.lost" in worker.said()]

        kill(cluster, load, early, 3)  # the leases that it took are no longer than others
        kill(cluster, load, right_one, 2)  # who is late is alone then, and finds them
        cluster.checked(load)
    assert 2 <= cluster.number(TRIES, 1) <= 2 * SLOTS, "of those that were killed, and of nobody else"
    assert not load.refused
