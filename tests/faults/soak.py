"""`make soak`: a seeded random mix of load, faults and deletes, in both deployments, that ends with the checker.

    python -m tests.faults.soak [MINUTES [SEED]]

The same seed makes the same choices; what they meet is for the clock to say. Exits with 1 when a promise was broken.
"""

import random
import signal
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack

from internal.faultpoints import POINTS
from tests.e2e.processes import Running
from tests.faults.checker import Verdict, check
from tests.faults.cluster import Cluster
from tests.faults.deployments import DEPLOYMENTS, open_cluster
from tests.faults.load import Load
from tests.services import run

APIS, WORKERS = 2, 2
PER_SECOND = 4.0
QUIET_SECONDS = 300.0
OFTEN = 1.5
"""Seconds between two choices, at most."""


class Slot:
    """A place for one process: whoever dies in it is replaced. With `dice` the next one may carry a fault."""

    def __init__(self, cluster: Cluster, program: str) -> None:
        self._open = cluster.api if program == "api" else cluster.worker
        self._stack = ExitStack()
        self.process: Running | None = None

    def fill(self, dice: random.Random | None = None) -> None:
        if self.process is not None and not self.process.ended:
            return
        self.close()
        fault = f"{dice.choice(sorted(POINTS))}:{dice.randint(1, 20)}" if dice and dice.random() < 0.5 else ""
        self.process = self._stack.enter_context(self._open(ready=False, FAULT_POINTS="allowed", FAULT_POINT=fault))

    def signal(self, number: signal.Signals) -> None:
        if self.process is not None:
            self.process.signal(number)

    def close(self) -> None:
        self._stack.close()
        self.process = None


class Soak:
    """One cluster under load."""

    def __init__(self, cluster: Cluster, dice: random.Random) -> None:
        self._cluster = cluster
        self._dice = dice
        self._load = Load(lambda: cluster.addresses, stubborn=True)
        self._apis = [Slot(cluster, "api") for _ in range(APIS)]
        self._workers = [Slot(cluster, "worker") for _ in range(WORKERS)]
        self._actions: list[Callable[[], None]] = [
            lambda: self._one_of(self._workers).signal(signal.SIGKILL),
            lambda: self._one_of(self._apis).signal(signal.SIGKILL),
            lambda: self._one_of(self._workers).signal(signal.SIGTERM),
            lambda: self._one_of(self._workers).signal(signal.SIGSTOP),
            self._continue,
            self._continue,
            self._delete,
            self._delete,
            self._ask_for_more,
        ]

    def go(self, seconds: float) -> Verdict:
        """Make trouble for so long, then let all of it end well: every picture is good, and has tries enough for all of this."""
        slots = [*self._apis, *self._workers]
        end = time.monotonic() + seconds
        with ExitStack() as stack:
            for slot in slots:
                stack.callback(slot.close)
                slot.fill()
            with self._load.uploading(sys.maxsize, per_second=PER_SECOND):
                while time.monotonic() < end:
                    self._dice.choice(self._actions)()
                    time.sleep(self._dice.uniform(0, OFTEN))
                    for slot in slots:
                        slot.fill(self._dice)
                self._load.stop()
            self._continue()
            for slot in slots:  # whoever carries a fault still makes place for one who does not
                slot.close()
                slot.fill()
            self._cluster.until_quiet(QUIET_SECONDS)
            return check(self._cluster.places, self._load.told(bad=()))

    def _one_of(self, slots: list[Slot]) -> Slot:
        return self._dice.choice(slots)

    def _continue(self) -> None:
        for slot in self._workers:
            slot.signal(signal.SIGCONT)

    def _delete(self) -> None:
        if self._load.accepted and self._cluster.addresses:
            self._load.delete(self._dice.choice(self._load.accepted))

    def _ask_for_more(self) -> None:
        if self._load.accepted and self._cluster.addresses:
            self._load.ask_for_more(self._dice.choice(self._load.accepted))


def soak(minutes: float, seed: int) -> int:
    """The number of violations."""
    print(f"soak: {minutes:g} minutes in each of {', '.join(DEPLOYMENTS)}; seed {seed}")
    violations = 0
    for name in DEPLOYMENTS:
        with open_cluster(name) as cluster:
            print(f"\n{name}")
            violations += len(Soak(cluster, random.Random(seed)).go(60 * minutes).violations)
    return violations


if __name__ == "__main__":
    given = [float(argument) for argument in sys.argv[1:]]
    run.begin()
    try:
        found = soak(given[0] if given else 5, int(given[1]) if len(given) > 1 else random.randrange(2**31))
    finally:
        run.end()
    sys.exit(bool(found))
