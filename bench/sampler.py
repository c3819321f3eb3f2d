"""CPU time and memory of processes, looked at ten times a second from /proc while something is measured.

A group is a process with or without its descendants. CPU time is also counted of descendants that are gone, once their parent has
waited for them. The look itself costs about one hundredth of a core.
"""

import threading
import time
from bisect import bisect_left
from contextlib import suppress
from typing import Self

import psutil  # type: ignore[import-untyped]
from msgspec import Struct

INTERVAL_SECONDS = 0.1
FAMILY_SECONDS = 1.0
"""How often new descendants are looked for in a family that has not grown for SETTLED_SECONDS; until then, with every sample.

What a descendant used before it is found counts from then on. A worker's decoders use 0.3 s each while they start, and finish the
first picture of a round right after that: found a second late, they made a round of 300 pictures 2 ms dearer a picture.
"""

SETTLED_SECONDS = 3.0


class Group(Struct, frozen=True):
    """A name and whose times and memory go under it: `own` the process itself, `family` its descendants."""

    name: str
    pid: int
    own: bool = True
    family: bool = False


class Sample(Struct, frozen=True):
    """At `time`, in seconds of the system's clock: CPU seconds so far and resident bytes now, by group."""

    time: float
    cpu: dict[str, float]
    rss: dict[str, int]


class Sampler:
    """Samples while its block runs. A group whose process is gone counts for nothing."""

    def __init__(self, groups: list[Group], *, interval: float = INTERVAL_SECONDS) -> None:
        self._groups = groups
        self._interval = interval
        self._roots: dict[int, psutil.Process] = {}
        self._families: dict[int, list[psutil.Process]] = {}
        for group in groups:
            with suppress(psutil.Error):
                self._roots[group.pid] = psutil.Process(group.pid)
        self._looked = self._grown = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)
        self.samples: list[Sample] = []

    def __enter__(self) -> Self:
        self._take()
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()
        self._take()

    def cpu_between(self, since: float, until: float) -> dict[str, float]:
        """CPU seconds of each group, in between interpolated."""
        return {group.name: self._cpu_at(group.name, until) - self._cpu_at(group.name, since) for group in self._groups}

    def cpu(self) -> dict[str, float]:
        """CPU seconds of each group from the first sample to the last."""
        return self.cpu_between(self.samples[0].time, self.samples[-1].time)

    def peak(self, name: str) -> int:
        """Most resident bytes of the group."""
        return max(sample.rss.get(name, 0) for sample in self.samples)

    def last(self, name: str) -> int:
        """Resident bytes of the group in the last sample."""
        return self.samples[-1].rss.get(name, 0)

    def _run(self) -> None:
        while not self._stop.wait(self._interval):
            self._take()

    def _take(self) -> None:
        now = time.monotonic()
        if now - self._looked > FAMILY_SECONDS or now - self._grown < SETTLED_SECONDS:
            self._look_for_families(now)
        cpu: dict[str, float] = {}
        rss: dict[str, int] = {}
        for group in self._groups:
            cpu[group.name], rss[group.name] = self._of(group)
        self.samples.append(Sample(time.time(), cpu, rss))

    def _look_for_families(self, now: float) -> None:
        self._looked = now
        for group in self._groups:
            if group.family and group.pid in self._roots:
                with suppress(psutil.Error):
                    found = self._roots[group.pid].children(recursive=True)
                    if not found or not set(found) <= set(self._families.get(group.pid, ())):
                        self._grown = now
                    self._families[group.pid] = found

    def _of(self, group: Group) -> tuple[float, int]:
        seconds, resident = 0.0, 0
        if (root := self._roots.get(group.pid)) is None:
            return seconds, resident
        with suppress(psutil.Error), root.oneshot():
            times = root.cpu_times()
            if group.own:
                seconds, resident = times.user + times.system, root.memory_info().rss
            if group.family:
                seconds += times.children_user + times.children_system
        for process in self._families.get(group.pid, ()) if group.family else ():
            with suppress(psutil.Error), process.oneshot():
                used = process.cpu_times()
                seconds += used.user + used.system
                resident += process.memory_info().rss
        return seconds, resident

    def _cpu_at(self, name: str, moment: float) -> float:
        times = [sample.time for sample in self.samples]
        after = min(bisect_left(times, moment), len(times) - 1)
        before = max(0, after - 1)
        span = times[after] - times[before]
        share = min(1.0, max(0.0, (moment - times[before]) / span)) if span else 1.0
        low, high = self.samples[before].cpu[name], self.samples[after].cpu[name]
        return low + (high - low) * share
