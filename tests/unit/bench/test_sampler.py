"""The sampler: a new descendant's CPU time counts from the sample after its start."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from bench import sampler
from bench.sampler import SETTLED_SECONDS, Group, Sampler


class Family:
    """A process whose descendants the test decides; counts how often it is asked for them."""

    def __init__(self) -> None:
        self.asked = 0
        self.members: list[str] = []

    def children(self, *, recursive: bool) -> list[str]:
        assert recursive
        self.asked += 1
        return list(self.members)


def test_a_family_is_looked_at_with_every_sample_until_it_has_settled(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    family = Family()
    monkeypatch.setattr(sampler, "time", SimpleNamespace(monotonic=lambda: now, time=lambda: now))
    monkeypatch.setattr("bench.sampler.psutil.Process", lambda _: family)
    watching = Sampler([Group("decoders", 1, own=False, family=True)])
    monkeypatch.setattr(watching, "_of", lambda _: (0.0, 0))
    take = cast("Any", watching)._take

    def looks(samples: int) -> int:
        nonlocal now
        before = family.asked
        for _ in range(samples):
            now += 0.1
            take()
        return family.asked - before

    assert looks(50) == 50  # nobody there yet
    family.members = ["a"]
    assert looks(20) == 20
    family.members = ["a", "b"]
    assert looks(10) == 10
    assert looks(int(SETTLED_SECONDS / 0.1)) < SETTLED_SECONDS / 0.1
    assert looks(50) <= 5  # settled: once a second
