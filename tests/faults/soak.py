"""`make soak`: a seeded random mix of load, faults, outages and deletes, in both deployments, that ends with the checker.

    python -m tests.faults.soak [MINUTES [SEED]]

The same seed makes the same choices: what happens next, to whom, and after which pause; and which fault the first, the second,
the third process in a place begins with. How far that gets in the time, when a process dies and is replaced, and what all of it
meets is for the clock to say. Exits with 1 when a promise was broken.
"""

import random
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from internal.faultpoints import POINTS
from tests.e2e.processes import Running
from tests.faults.checker import Verdict, check
from tests.faults.cluster import Cluster
from tests.faults.deployments import DEPLOYMENTS, open_cluster
from tests.faults.load import Load
from tests.faults.outages import IMPATIENT, Between, before_database, before_kafka, before_store
from tests.services import run
from tests.services.kinds import KafkaService, PostgresService, S3Service

APIS, WORKERS = 2, 2
PER_SECOND = 4.0
QUIET_SECONDS = 300.0
OFTEN = 1.5
"""Seconds between two choices, at most."""
SETTINGS: dict[str, Any] = {**IMPATIENT, "MINIO_TIMEOUT_SECONDS": 1, "KAFKA_PUBLISH_SECONDS": 1, "FAULT_POINTS": "allowed"}


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

    def __init__(self, cluster: Cluster, servers: Mapping[str, Between], seed: int) -> None:
        self._cluster = cluster
        self._dice = random.Random(f"{seed}/actions")
        self._load = Load(lambda: cluster.addresses, stubborn=True)
        self._proxies = [server.proxy for server in servers.values()]
        self._outages = [*((proxy, "away") for proxy in self._proxies), (servers["database"].proxy, "silent")]
        settings = SETTINGS | {name: value for server in servers.values() for name, value in server.settings.items()}

        def slot(program: str, number: int) -> Slot:
            return Slot(cluster, program, settings, random.Random(f"{seed}/{program}/{number}"))

        self._apis = [slot("api", number) for number in range(APIS)]
        self._workers = [slot("worker", number) for number in range(WORKERS)]
        self._actions: list[Callable[[], None]] = [
            lambda: self._dice.choice(self._workers).signal(signal.SIGKILL),
            lambda: self._dice.choice(self._apis).signal(signal.SIGKILL),
            lambda: self._dice.choice(self._workers).signal(signal.SIGTERM),
            lambda: self._dice.choice(self._workers).signal(signal.SIGSTOP),
            lambda: setattr(*self._dice.choice(self._outages), True),
            self._continue,
            self._continue,
            lambda: self._with_a_picture(self._load.delete),
            lambda: self._with_a_picture(self._load.delete),
            lambda: self._with_a_picture(self._load.ask_for_more),
        ]

    def go(self, seconds: float) -> Verdict:
        """Make trouble for so long, then let all of it end well: every picture is good, and has tries enough for all of this."""
        slots = [*self._apis, *self._workers]
        end = time.monotonic() + seconds
        with ExitStack() as stack:
            for slot in slots:
                stack.callback(slot.close)
                slot.fill(with_fault=False)
            with self._load.uploading(sys.maxsize, per_second=PER_SECOND):
                while time.monotonic() < end:
                    self._dice.choice(self._actions)()
                    time.sleep(self._dice.uniform(0, OFTEN))
                    for slot in slots:
                        slot.fill(with_fault=True)
                self._load.stop()
            self._continue()
            for slot in slots:  # whoever carries a fault still makes place for one who does not
                slot.close()
                slot.fill(with_fault=False)
            self._cluster.until_quiet(QUIET_SECONDS)
            return check(self._cluster.places, self._load.told())

    def _continue(self) -> None:
        """Whoever stands still goes on, and whatever is away comes back."""
        for slot in self._workers:
            slot.signal(signal.SIGCONT)
        for proxy in self._proxies:
            proxy.away = proxy.silent = False

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


def soak(minutes: float, seed: int) -> int:
    """The number of violations."""
    print(f"soak: {minutes:g} minutes in each of {', '.join(DEPLOYMENTS)}; seed {seed}")
    violations = 0
    for name in DEPLOYMENTS:
        with open_cluster(name) as cluster, servers_of(cluster) as servers:
            print(f"\n{name}")
            violations += len(Soak(cluster, servers, seed).go(60 * minutes).violations)
    return violations


if __name__ == "__main__":
    given = [float(argument) for argument in sys.argv[1:]]
    run.begin()
    try:
        found = soak(given[0] if given else 5, int(given[1]) if len(given) > 1 else random.randrange(2**31))
    finally:
        run.end()
    sys.exit(bool(found))
