"""G3, G7: a picture that kills every decoder is given up after its tries, with a code; the pictures beside it notice nothing."""

import signal
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import pytest

from tests import pictures
from tests.e2e.processes import Running
from tests.faults.cluster import LONG_LEASE, Cluster
from tests.faults.conftest import LONG
from tests.faults.decoders import decoders_at
from tests.faults.deployments import DEPLOYMENTS
from tests.faults.load import Load
from tests.faults.scrape import Scrape, worker_at
from tests.services.reachable import free_port
from tests.services.waiting import wait_until

TRIES = 3
NEIGHBOURS = 50 if LONG else 6
BLUR = "blur:10"
"""Takes a decoder a fifth of a second, all of it CPU time, so that some are beside a poison when it dies."""
OUTCOME = """
    SELECT r.status, r.tries, r.attempt, r.error_code, r.error_detail, d.code, d.attempts
      FROM renditions r LEFT JOIN dead_letters d USING (image_id) WHERE image_id = %s
"""


class Poison(NamedTuple):
    """A picture, and what its decoder is sent each time that it is at work on it; without a signal it dies by itself."""

    width: int
    signal: signal.Signals | None
    code: str
    says: str
    huge: bool = False

    def data(self) -> bytes:
        """By its size in bytes a decoder's picture is told from the others."""
        if self.huge:
            return pictures.png(self.width, self.width, compression=1)
        return pictures.photo_jpeg(self.width, 600)


KILLED = [
    Poison(810, signal.SIGSEGV, "decoder_died", "SIGSEGV"),
    Poison(820, signal.SIGABRT, "decoder_died", "SIGABRT"),
    Poison(830, signal.SIGKILL, "decoder_out_of_memory", "SIGKILL"),  # as the system does when memory runs out
]
AT_ITS_WALLS = [
    Poison(840, None, "decoder_timeout", "1 seconds of CPU time"),
    Poison(9000, None, "decoder_out_of_memory", "more memory", huge=True),
]
HANGING = [Poison(850, signal.SIGSTOP, "decoder_timeout", "more than 4 seconds.")]
KINDS: dict[str, tuple[dict[str, Any], list[Poison]]] = {
    "killed": ({}, KILLED),
    "at-its-walls": ({"SANDBOX_CPU_SECONDS": 1, "SANDBOX_MEMORY_BYTES": 2**28}, AT_ITS_WALLS),
    "hanging": ({"SANDBOX_WALL_SECONDS": 4}, HANGING),
}
CASES = (
    [("folder", "at-its-walls"), ("folder", "killed")] if not LONG else [(name, kind) for name in DEPLOYMENTS for kind in KINDS]
)


def haunt(cluster: Cluster, worker: Running, poison: Poison) -> str:
    """Upload it, and send the signal to every decoder that begins with it, until it is final. Returns its id."""
    data, hit = poison.data(), set[int]()
    load = Load(lambda: cluster.addresses, processing="rotate:90" if poison.huge else "|".join([BLUR] * 30))
    load.upload(1, data=data)

    def final() -> bool:
        for decoder in decoders_at(worker, len(data)) if poison.signal else ():
            if decoder.pid not in hit:
                hit.add(decoder.pid)
                decoder.send_signal(poison.signal)
        return cluster.status(load.accepted[0]) in ("processed", "failed")

    wait_until(final, within=60)
    assert len(hit) >= (TRIES if poison.signal else 0)
    return load.accepted[0]


def assert_counted(worker: str, poisons: list[Poison]) -> None:
    """Each death by its cause, each attempt that went wrong by its code, and each attempt by its end."""
    deaths = Counter(poison.code for poison in poisons for _ in range(TRIES))
    wait_until(lambda: sum(Scrape(worker).counts("failures_total").values()) >= deaths.total(), within=10)
    counted = Scrape(worker)
    assert counted.counts("sandbox_deaths_total") == deaths
    assert counted.counts("failures_total") == deaths
    ends = {"processed": NEIGHBOURS, "postponed": (TRIES - 1) * len(poisons), "failed": len(poisons)}
    assert counted.counts("attempts_total") == ends


@pytest.mark.parametrize(("cluster", "kind"), CASES, indirect=["cluster"])
def test_poison(cluster: Cluster, kind: str) -> None:
    walls, poisons = KINDS[kind]
    load = Load(lambda: cluster.addresses, processing=BLUR)
    port = free_port()
    with cluster.steady_api(), cluster.worker(WORKER_PORT=port, WORKER_MAX_ATTEMPTS=TRIES, **LONG_LEASE, **walls) as worker:
        with load.uploading(NEIGHBOURS, per_second=4), ThreadPoolExecutor(len(poisons)) as haunting:
            ids = list(haunting.map(lambda poison: haunt(cluster, worker, poison), poisons))
        cluster.checked(load, bad=ids)
        cluster.until_no_files_in_work()
        assert_counted(worker_at(port), poisons)

    for id_, poison in zip(ids, poisons, strict=True):
        ((status, tries, attempt, code, detail, letter, attempts),) = cluster.rows(OUTCOME, id_)
        assert (status, tries, attempt, code) == ("failed", TRIES, TRIES, poison.code)
        assert (letter, attempts) == (poison.code, TRIES)
        assert poison.says in detail
    neighbours = cluster.rows("SELECT status, tries, attempt FROM renditions WHERE image_id = ANY(%s::uuid[])", load.accepted)
    assert len(load.accepted) == NEIGHBOURS
    assert set(neighbours) == {("processed", 1, 1)}, "their decoders were not hit"
