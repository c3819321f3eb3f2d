"""An upgrade under load: migrate runs beside the old version, then each process is replaced. No request fails, nothing is lost.

The old version is another revision of this repository, in a worktree with a virtual environment of its own (`bench.trees`), which
takes some minutes to make: only `make faults` does.
"""

import itertools
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

import httpx2
import pytest
from msgspec import Struct

from bench.trees import THIS, NoSuchRevision, Tree, checked_out
from tests.e2e.deployment import IMAGES, SOON_CLOSED
from tests.e2e.processes import Running
from tests.faults.conftest import LONG
from tests.faults.deployments import DEPLOYMENTS, open_cluster
from tests.faults.load import AT_ONCE, Load
from tests.services.waiting import wait_until

OLD_VERSIONS = {
    "91ad2de": "its look-ups are `SELECT images.*`, prepared: a column more, and each of them would be a 500",
    "bc75c54": "it knows no table `uploads` and no pending image",
}
"""Commits, and what about them is special. To these comes the last commit before each later issue's first migration."""

PER_SECOND = 4.0
MORE_THAN_ENOUGH = 100_000
AT_EACH_STEP = 2 * AT_ONCE
"""Uploads that are answered before the next process is replaced: none of those that came before is left then."""

LONG_LEASE: dict[str, Any] = {"WORKER_LEASE_SECONDS": 10, "STORAGE_INTENT_SECONDS": 20}
"""Nothing dies here: a machine that stands still for some seconds must not look as if something had."""


@pytest.fixture
def old(request: pytest.FixtureRequest) -> Tree:
    if not LONG:
        pytest.skip("sets up another revision of this repository: `make faults` does")
    try:
        return checked_out(request.param)
    except NoSuchRevision as error:
        pytest.skip(f"no upgrade from {request.param}: {error}")


class Answer(Struct, frozen=True):
    """What a client that reads was told, when it was not what it should have been."""

    path: str
    status: int
    body: str


class Readers:
    """A client that goes from one API to the next and asks each for what the load has uploaded, in every way that reads."""

    def __init__(self, addresses: Sequence[str], load: Load) -> None:
        self._addresses = addresses
        self._load = load
        self._ended = threading.Event()
        self.answered = 0
        self.bad: list[Answer] = []

    @contextmanager
    def reading(self) -> Iterator[None]:
        thread = threading.Thread(target=self._read)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join()

    def _read(self) -> None:
        turn = itertools.count()
        with httpx2.Client(timeout=60, trust_env=False, limits=SOON_CLOSED) as http:
            while not self._ended.wait(0.02):
                number = next(turn)
                address = self._addresses[number % len(self._addresses)]
                known = self._load.accepted[-20:]
                self._get(http, f"{address}{IMAGES}")
                if known:
                    id_ = known[number % len(known)]
                    self._get(http, f"{address}{IMAGES}/{id_}/status")
                    self._get(http, f"{address}{IMAGES}/{id_}/original")

    def _get(self, http: httpx2.Client, url: str) -> None:
        try:
            response = http.get(url)
        except httpx2.TransportError as error:
            self.bad.append(Answer(url, 0, repr(error)))
            return
        self.answered += 1
        if response.status_code != 200:
            self.bad.append(Answer(url, response.status_code, response.text[:500]))


@contextmanager
def started(process: AbstractContextManager[Running]) -> Iterator[ExitStack]:
    """A process that is ended by closing the stack, or at the end of the block."""
    with ExitStack() as stack:
        stack.enter_context(process)
        yield stack


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", DEPLOYMENTS)
@pytest.mark.parametrize("old", OLD_VERSIONS, indirect=True)
def test_no_request_fails_and_nothing_is_lost(old: Tree, name: str) -> None:
    """Two APIs and two workers become two of each of this version: workers first, as docs/running/upgrade.md says."""
    with open_cluster(name, tree=old) as cluster, ExitStack() as at_the_end:
        rotation: list[str] = []
        """The APIs that get requests: as a load balancer does, one is taken out of it before it is asked to end."""

        def start_worker() -> ExitStack:
            return at_the_end.enter_context(started(cluster.worker(**LONG_LEASE)))

        def start_api() -> tuple[str, ExitStack]:
            api = at_the_end.enter_context(started(cluster.api(**LONG_LEASE)))
            rotation.append(cluster.addresses[-1])
            return rotation[-1], api

        apis, workers = [start_api() for _ in range(2)], [start_worker() for _ in range(2)]
        logo = Load(lambda: rotation)
        logo.upload(1)
        # Every picture carries the logo: a worker looks its row up, with one of the statements that were prepared before.
        load = Load(lambda: rotation, processing=f"resize:100x100|watermark:{logo.accepted[0]}")
        readers = Readers(rotation, load)

        def until_used() -> None:
            before, read = len(load.sent), readers.answered
            wait_until(lambda: len(load.sent) > before + AT_EACH_STEP and readers.answered > read + AT_EACH_STEP, within=120)

        with load.uploading(MORE_THAN_ENOUGH, per_second=PER_SECOND), readers.reading():
            until_used()
            cluster.tree = THIS
            cluster.migrate()
            until_used()
            for worker in workers:
                start_worker()
                worker.close()
                until_used()
            for address, api in apis:
                start_api()
                rotation.remove(address)
                until_used()
                api.close()
            until_used()
            load.stop()
        load.sent += logo.sent
        verdict = cluster.checked(load, within=300)
    assert readers.bad == []
    assert load.refused == []
    assert verdict.counted["images processed"] == len(load.accepted), str(verdict)
