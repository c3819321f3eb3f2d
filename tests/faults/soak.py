"""`make soak`: a seeded random mix of load, faults, outages and deletes, in both deployments, followed by the checker.

Besides kills and outages there are loitering clients, dumps, migrations, and a store that is hidden or read-only.

    python -m tests.faults.soak [MINUTES [SEED]]

The same seed makes the same choices: the next event, its target, the pause before it, and the first fault of each process. The
timing is not reproducible. Exits with 1 if a promise was broken.
"""

import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any, TypeAlias

from msgspec import Struct

from internal.runtime.failpoints import POINTS
from tests.e2e.processes import Running
from tests.faults.checker import Verdict, check
from tests.faults.cluster import Cluster
from tests.faults.deployments import DEPLOYMENTS, open_cluster
from tests.faults.load import Load
from tests.faults.loiterers import KINDS, Loiterers
from tests.faults.outages import IMPATIENT, Between, before_database, before_kafka, before_store
from tests.faults.schema_changes import change_columns, dump_in_progress
from tests.faults.small_disk import disk_of
from tests.services import run
from tests.services.kinds import KafkaService, PostgresService, S3Service
from tests.services.proxy import Proxy

APIS, WORKERS = 2, 2
PER_SECOND = 4.0
QUIET_SECONDS = 300.0
OFTEN = 1.5
"""Seconds between two choices, at most."""
SETTINGS: dict[str, Any] = {
    **IMPATIENT,
    "MINIO_TIMEOUT_SECONDS": 1,
    "KAFKA_PUBLISH_SECONDS": 1,
    "FAULT_POINTS": "allowed",
    "AUTH_MODE": "key",  # the look-up of keys is under fault, too
}

UNWRITABLE = b"<Error><Code>SlowDownWrite</Code><Message>Resource requested is unwritable</Message></Error>"
READ_ONLY = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/xml\r\nconnection: close\r\n"
    b"content-length: %d\r\n\r\n%b" % (len(UNWRITABLE), UNWRITABLE)
)
"""What MinIO says to a write while its drives can only be read."""

Trouble: TypeAlias = AbstractContextManager[None]


class Store(Struct, frozen=True):
    """The ways in which an object store may fail, each while its block runs; and what processes are started with to meet them."""

    troubles: Sequence[Callable[[], Trouble]]
    settings: Mapping[str, Any] = {}


class Slot:
    """A place for one process: whoever dies in it is replaced. `dice` are its own: only its processes' faults come of them."""

    def __init__(self, cluster: Cluster, program: str, settings: Mapping[str, Any], dice: random.Random) -> None:
        self._open = cluster.api if program == "api" else cluster.worker
        self._settings = settings
        self._dice = dice
        self._stack = ExitStack()
        self.process: Running | None = None

    def fill(self, *, with_fault: bool) -> None:
        """The process may carry one."""
        if self.process is not None and not self.process.ended:
            return
        self.close()
        fault = ""
        if with_fault and self._dice.random() < 0.5:
            fault = f"{self._dice.choice(sorted(POINTS))}:{self._dice.randint(1, 20)}"
        self.process = self._stack.enter_context(self._open(ready=False, FAULT_POINT=fault, **self._settings))

    def signal(self, number: signal.Signals) -> None:
        if self.process is not None:
            self.process.signal(number)

    def close(self) -> None:
        self._stack.close()
        self.process = None


class Soak:
    """One cluster under load. What an action draws from the dice depends on nothing but the dice."""

    def __init__(self, cluster: Cluster, servers: Mapping[str, Between], store: Store, seed: int) -> None:
        self._cluster = cluster
        self._dice = random.Random(f"{seed}/actions")
        key = cluster.imagectl("keys", "create", "--owner", "soak", "--scopes", "images:read,images:write").strip()
        self._load = Load(lambda: cluster.addresses, stubborn=True, key=key)
        self._proxies = [server.proxy for server in servers.values()]
        self._outages = [*((proxy, "away") for proxy in self._proxies), (servers["database"].proxy, "silent")]
        self._store = store
        self._troubles = ExitStack()
        self._loiterers = Loiterers(key)
        proxied = {name: value for server in servers.values() for name, value in server.settings.items()}
        settings = {**SETTINGS, **store.settings, **proxied}

        def slot(program: str, number: int) -> Slot:
            return Slot(cluster, program, settings, random.Random(f"{seed}/{program}/{number}"))

        self._apis = [slot("api", number) for number in range(APIS)]
        self._workers = [slot("worker", number) for number in range(WORKERS)]
        self._actions: list[tuple[str, Callable[[], object]]] = [
            ("worker killed", lambda: self._dice.choice(self._workers).signal(signal.SIGKILL)),
            ("API killed", lambda: self._dice.choice(self._apis).signal(signal.SIGKILL)),
            ("worker asked to end", lambda: self._dice.choice(self._workers).signal(signal.SIGTERM)),
            ("worker stopped", lambda: self._dice.choice(self._workers).signal(signal.SIGSTOP)),
            ("server away or silent", lambda: setattr(*self._dice.choice(self._outages), True)),
            ("store hidden or read-only", lambda: self._begin(self._dice.choice(store.troubles)())),
            ("dump begun", lambda: self._begin(dump_in_progress(cluster.places.conninfo))),
            ("columns changed", lambda: change_columns(cluster.places.conninfo)),
            ("migrated", cluster.migrate),
            ("clients that loiter", lambda: self._loiter(self._dice.choice(sorted(KINDS)), self._dice.randint(1, 20))),
            *[("all goes on", self._continue)] * 3,
            *[("image deleted", lambda: self._with_a_picture(self._load.delete))] * 2,
            ("rendition asked for", lambda: self._with_a_picture(self._load.ask_for_more)),
        ]

    def go(self, seconds: float) -> Verdict:
        """Make trouble for so long, then let all of it end well: every picture is good, and has tries enough for all of this."""
        slots = [*self._apis, *self._workers]
        end, done = time.monotonic() + seconds, Counter[str]()
        with ExitStack() as stack:
            for slot in slots:
                stack.callback(slot.close)
                slot.fill(with_fault=False)
            stack.enter_context(self._troubles)
            stack.enter_context(self._loiterers.dripping())
            with self._load.uploading(sys.maxsize, per_second=PER_SECOND):
                while time.monotonic() < end:
                    name, act = self._dice.choice(self._actions)
                    act()
                    done[name] += 1
                    time.sleep(self._dice.uniform(0, OFTEN))
                    for slot in slots:
                        slot.fill(with_fault=True)
                self._load.stop()
            self._continue()
            for slot in slots:  # whoever carries a fault still makes place for one who does not
                slot.close()
                slot.fill(with_fault=False)
            self._cluster.until_quiet(QUIET_SECONDS)
            print(", ".join(f"{name} {times} times" for name, times in sorted(done.items())))
            return check(self._cluster.places, self._load.told())

    def _begin(self, trouble: Trouble) -> None:
        """It lasts until everything goes on."""
        self._troubles.enter_context(trouble)

    def _continue(self) -> None:
        """Whoever stands still goes on, whatever is away comes back, and every other trouble ends."""
        self._troubles.close()
        for slot in self._workers:
            slot.signal(signal.SIGCONT)
        for proxy in self._proxies:
            proxy.away = proxy.silent = False

    def _loiter(self, kind: str, count: int) -> None:
        if self._cluster.addresses:
            for _ in range(count):
                self._loiterers.join(kind, self._cluster.place)

    def _with_a_picture(self, act: Callable[[str], object]) -> None:
        """One of those that were accepted, as far among them as the dice say."""
        share, accepted = self._dice.random(), self._load.accepted
        if accepted and self._cluster.addresses:
            act(accepted[int(share * len(accepted))])


@contextmanager
def servers_of(cluster: Cluster) -> Iterator[dict[str, Between]]:
    """A proxy before each server that the cluster's processes have."""
    with ExitStack() as stack:
        found = {"database": stack.enter_context(before_database(run.acquire(PostgresService)))}
        if cluster.name == "stack":
            found["store"] = stack.enter_context(before_store(run.acquire(S3Service)))
            found["kafka"] = stack.enter_context(before_kafka(run.acquire(KafkaService)))
        yield found


@contextmanager
def store_of(cluster: Cluster, servers: Mapping[str, Between]) -> Iterator[Store]:
    """What may become of the object store: no longer mounted, gone, or only to be read."""
    if cluster.name == "stack":
        proxy = servers["store"].proxy
        yield Store([lambda: during(proxy, "away", True), lambda: during(proxy, "answer_writes", READ_ONLY)])
        return
    with disk_of(cluster.store_folder) as disk:
        yield Store([disk.hidden, disk.read_only], {"command": disk.command})


@contextmanager
def during(proxy: Proxy, name: str, value: object) -> Iterator[None]:
    """Set an attribute while the block runs."""
    before = getattr(proxy, name)
    setattr(proxy, name, value)
    try:
        yield
    finally:
        setattr(proxy, name, before)


def soak(minutes: float, seed: int) -> int:
    """The number of violations."""
    print(f"soak: {minutes:g} minutes in each of {', '.join(DEPLOYMENTS)}; seed {seed}")
    violations = 0
    for name in DEPLOYMENTS:
        with open_cluster(name) as cluster, servers_of(cluster) as servers, store_of(cluster, servers) as store:
            print(f"\n{name}")
            violations += len(Soak(cluster, servers, store, seed).go(60 * minutes).violations)
    return violations


if __name__ == "__main__":
    given = [float(argument) for argument in sys.argv[1:]]
    run.begin()
    try:
        found = soak(given[0] if given else 5, int(given[1]) if len(given) > 1 else random.randrange(2**31))
    finally:
        run.end()
    sys.exit(bool(found))
