"""Clusters of real API and worker processes, with their own database, store and queue, to be killed and stopped."""

import itertools
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import psutil  # type: ignore[import-untyped]
import psycopg

from bench.trees import THIS, Tree
from tests.e2e.deployment import IMAGES, client, pictures_in_work
from tests.e2e.deployments import until_ready
from tests.e2e.processes import Running, environment, imagectl, running
from tests.faults.checker import Verdict, check
from tests.faults.evidence import Places
from tests.faults.load import Load
from tests.services.reachable import free_port
from tests.services.waiting import wait_until

LEASE_SECONDS = 2.0
QUICK: dict[str, object] = {
    "WORKER_MAX_ATTEMPTS": 10,
    "WORKER_LEASE_SECONDS": LEASE_SECONDS,
    "WORKER_RENEW_SECONDS": 0.5,
    "WORKER_HOUSEKEEPING_SECONDS": 0.5,
    "WORKER_BACKOFF_SECONDS": 0.1,
    "WORKER_OVERDUE_SECONDS": 5,
    "WORKER_FAST_SLOTS": 4,
    "STORAGE_INTENT_SECONDS": 4,
    "STORAGE_SWEEP_SECONDS": 0.5,
    "QUEUE_VISIBILITY_SECONDS": 2,
    "OUTBOX_LEASE_SECONDS": 2,
    "KAFKA_PUBLISH_SECONDS": 1.5,
    "SANDBOX_CHILDREN": 2,
    "LOG_FORMAT": "json",
}
"""All that waits, in a fraction of its usual time."""
LONG_LEASE: dict[str, Any] = {"WORKER_LEASE_SECONDS": 60}
"""For who counts tries, and has no lease run out: a machine that stands still for two seconds costs none."""
SLOW_STORE: dict[str, Any] = {"STORAGE_INTENT_SECONDS": 20}
"""For who has every upload accepted, however long a store takes to write one."""

UNDER_WAY = "SELECT count(*) FROM renditions WHERE status = 'processing'"
WAITING = {
    "renditions": "SELECT count(*) FROM renditions WHERE status NOT IN ('processed', 'failed')",
    "outbox": "SELECT count(*) FROM outbox",
    "queue": "SELECT count(*) FROM queue_messages",
    "unreferenced": "SELECT count(*) FROM unreferenced_objects",
}


class Cluster:
    """`addresses` are those of the APIs that run. Each process has a log of its own. What is started runs the code of `tree`."""

    def __init__(self, name: str, folder: Path, settings: dict[str, object], places: Places, tree: Tree = THIS) -> None:
        self.name = name
        self.tree = tree
        self.places = places
        self.addresses: list[str] = []
        self._numbers = itertools.count(1)
        self._folder = folder
        self._settings: dict[str, Any] = {**QUICK, "SANDBOX_SCRATCH": folder / "scratch", **settings}
        self._started = ExitStack()
        self._steady: tuple[Running, str] | None = None
        self._bad: set[str] = set()

    def close(self) -> None:
        """End what is not ended with a test."""
        self._started.close()

    def migrate(self, **settings: object) -> None:
        environ = environment(**{**self._settings, **settings})
        with running("migrate", self._log("migrate"), environ, tree=self.tree) as process:
            assert process.wait() == 0, process.said()[-3000:]

    def refused_migration(self, **settings: object) -> str:
        """What a migrate says that must end with 1."""
        with running("migrate", self._log("migrate"), environment(**{**self._settings, **settings})) as process:
            assert process.wait() == 1, process.said()[-3000:]
            return process.said()

    def imagectl(self, *words: object) -> str:
        """What an operator's command prints; it works on the database and the store of this cluster."""
        return imagectl(self._folder, *words, **self._settings).stdout.decode()

    @property
    def store_folder(self) -> Path:
        """Where a cluster that keeps its pictures in a folder has them."""
        return Path(self._settings["STORAGE_PATH"])

    @property
    def place(self) -> tuple[str, int]:
        """Host and port of the API that came last into `addresses`, for requests by hand."""
        parts = urlsplit(self.addresses[-1])
        return parts.hostname or "", parts.port or 80

    @contextmanager
    def api(self, *, ready: bool = True, command: Sequence[str] = (), **settings: object) -> Iterator[Running]:
        """One more API; while it is in `addresses` the load goes to it too. With `ready=False` it may die as soon as it likes.

        `command` becomes the API after it has done something.
        """
        with self._process("api", "SERVER_PORT", settings, command, ready=ready) as (process, http):
            address = str(http.base_url)
            self.addresses.append(address)
            try:
                yield process
            finally:
                self.addresses.remove(address)

    @contextmanager
    def steady_api(self) -> Iterator[Running]:
        """One that nothing happens to: the same one for all tests, started when first needed. While the block runs it is in
        `addresses`; its relay never rests.
        """
        if self._steady is None:
            process, http = self._started.enter_context(self._process("api", "SERVER_PORT", SLOW_STORE, (), ready=True))
            self._steady = process, str(http.base_url)
        process, address = self._steady
        self.addresses.append(address)
        try:
            yield process
        finally:
            self.addresses.remove(address)

    @contextmanager
    def worker(self, *, ready: bool = True, command: Sequence[str] = (), **settings: object) -> Iterator[Running]:
        """One more worker; the same of `ready` and of `command`."""
        with self._process("worker", "WORKER_PORT", settings, command, ready=ready) as (process, _):
            yield process

    @contextmanager
    def _process(
        self, program: str, port: str, settings: dict[str, object], command: Sequence[str], *, ready: bool
    ) -> Iterator[tuple[Running, httpx2.Client]]:
        given: dict[str, Any] = {**self._settings, port: free_port(), **settings}
        with ExitStack() as stack:
            http = stack.enter_context(client(int(given[port])))
            process = stack.enter_context(running(program, self._log(program), environment(**given), command, self.tree))
            stack.callback(process.signal, signal.SIGCONT)  # whoever stands still can't end
            if ready:
                until_ready(http, process)
            yield process, http

    def _log(self, program: str) -> Path:
        return self._folder / f"{next(self._numbers):03}-{program}.log"

    def said(self, characters: int) -> str:
        """The end of what each of the last processes said."""
        logs = sorted(self._folder.glob("*.log"))[-6:]
        return "\n".join(f"--- {log.name}\n{log.read_text(errors='replace')[-characters:]}" for log in logs)

    def rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.places.conninfo, autocommit=True) as connection:
            return connection.execute(statement.encode(), values).fetchall()

    def run(self, statement: str, *values: object) -> None:
        """Change something behind the service's back."""
        with psycopg.connect(self.places.conninfo, autocommit=True) as connection:
            connection.execute(statement.encode(), values)

    def number(self, statement: str, *values: object) -> int:
        """The one number that a statement gives."""
        return int(self.rows(statement, *values)[0][0])

    def status(self, id_: str) -> str:
        """An image's, read from the table; empty when there is none."""
        found = self.rows("SELECT status FROM images WHERE id = %s", id_)
        return str(found[0][0]) if found else ""

    def url(self, id_: str, what: str = "") -> str:
        return f"{self.addresses[0]}{IMAGES}/{id_}{what}"

    def until_final(self, within: float = 60.0) -> None:
        """Wait until every rendition is processed or failed."""
        self._until(lambda: self._waiting("renditions"), within)

    def until_quiet(self, within: float = 60.0) -> None:
        """Wait until nothing is under way: all is final, told, acknowledged and swept."""
        self._until(self._under_way, within)

    def _until(self, look: Callable[[], dict[str, int]], within: float) -> None:
        """Until nothing of it is left."""
        left: dict[str, int] = {}

        def none_is_left() -> bool:
            nonlocal left
            left = look()
            return not any(left.values())

        try:
            wait_until(none_is_left, within)
        except TimeoutError:
            raise AssertionError(f"after {within} s still waiting: {left}") from None

    def _waiting(self, *names: str) -> dict[str, int]:
        numbers = self.rows(f"SELECT {', '.join(f'({WAITING[name]})' for name in names)}")[0]
        return dict(zip(names, numbers, strict=True))

    def _under_way(self) -> dict[str, int]:
        """The tables once more after the topics: who acknowledges a message may have written just before."""
        tables = self._waiting(*WAITING)
        if self.places.topics is None or any(tables.values()):
            return tables
        return self.places.topics.undone() | self._waiting(*WAITING)

    def checked(self, load: Load, bad: Iterable[str] = (), within: float = 60.0) -> Verdict:
        """Wait until nothing is under way, then hold everything against what the load's clients were told.

        Every picture has been processed, but for the `bad` ones, which may have failed: these ids, and those named before.
        """
        self._bad.update(bad)
        self.until_quiet(within)
        verdict = check(self.places, load.told(self._bad))
        assert not verdict.violations, str(verdict)
        return verdict

    def until_no_files_in_work(self) -> None:
        """Wait until workers keep nothing of tasks, nor those that are dead."""
        wait_until(lambda: not pictures_in_work(self._folder / "scratch"), within=30)


def until_killed(process: Running, within: float = 90.0) -> None:
    """Wait for the death that a fault point brings, from the start of the process on."""
    assert process.wait(within) == -signal.SIGKILL, process.said()[-3000:]


def stands_still(process: Running) -> bool:
    """Whether a fault point, or a signal, has made it stand still; fails when it has ended."""
    with suppress(psutil.NoSuchProcess):
        return bool(psutil.Process(process.pid).status() == psutil.STATUS_STOPPED)
    raise AssertionError(process.said()[-3000:])


def until_stopped(process: Running, within: float = 90.0) -> None:
    wait_until(lambda: stands_still(process), within)
