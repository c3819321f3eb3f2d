"""The GCRA: held against what it promises, counted out over every window, and against its other form, a time of arrival."""

import random

import pytest

from internal.domain.rates import Limit, Rate, RateState


class Bucket:
    """A bucket as it is kept: its level and when that was taken."""

    def __init__(self, rate: Rate) -> None:
        self.rate, self.level, self.at = rate, 0.0, 0.0

    def take(self, cost: float, now: float) -> bool:
        level = self.rate.level_after(self.level, now - self.at)
        if self.rate.excess(level, cost) > 0:
            return False
        self.level, self.at = level + cost, now
        return True


class VirtualSchedule:
    """ITU-T I.371, the GCRA in its other form: a theoretical arrival time, exact in fractions of a nanosecond."""

    def __init__(self, rate: Rate) -> None:
        self.unit, self.tolerance = rate.seconds * 10**9 / rate.allowed, rate.seconds * 10**9
        self.arrival = 0.0

    def take(self, cost: float, now: float) -> bool:
        arrival = max(self.arrival, now * 10**9)
        if arrival + cost * self.unit - now * 10**9 > self.tolerance + 1:
            return False
        self.arrival = arrival + cost * self.unit
        return True


@pytest.mark.parametrize("seed", range(20))
def test_it_decides_as_the_virtual_schedule_does(seed: int) -> None:
    dice = random.Random(seed)
    rate = Rate(dice.choice([1, 3, 7, 100, 10**6]), dice.choice([1, 10, 60, 3600]))
    bucket, schedule, now, refused = Bucket(rate), VirtualSchedule(rate), 0.0, 0
    for _ in range(2000):
        now += dice.choice([0, 0, 0, dice.random() * rate.seconds / rate.allowed, dice.random() * rate.seconds / 2])
        cost = dice.randint(1, max(1, rate.allowed // dice.choice([1, 2, 50])))
        taken = bucket.take(cost, now)
        assert taken == schedule.take(cost, now)
        refused += not taken
    assert refused > 100


@pytest.mark.parametrize("seed", range(10))
def test_no_window_has_more_than_a_full_bucket_and_what_came_back(seed: int) -> None:
    dice = random.Random(seed)
    rate = Rate(dice.randint(1, 40), dice.randint(1, 40))
    bucket, now = Bucket(rate), 0.0
    taken: list[float] = []
    for _ in range(1000):
        now += dice.expovariate(2 * rate.allowed / rate.seconds)
        if bucket.take(1, now):
            taken.append(now)
    for first, begin in enumerate(taken):
        for last in range(first, len(taken)):
            assert last - first + 1 <= rate.allowed * (1 + (taken[last] - begin) / rate.seconds) + 1e-6
    assert len(taken) >= rate.allowed * now / rate.seconds * 0.9, "a client that always asks gets what it may have"


@pytest.mark.parametrize("allowed", [1, 3, 6, 7, 49, 1000])
@pytest.mark.parametrize("seconds", [1, 7, 10, 60])
def test_exactly_so_many_fit_at_once_and_one_when_one_came_back(allowed: int, seconds: int) -> None:
    """With arrival times in microseconds, 6 in 10 seconds were 5 at once: a sixth of 10 s is rounded up."""
    bucket = Bucket(Rate(allowed, seconds))

    assert sum(bucket.take(1, 5.0) for _ in range(2 * allowed)) == allowed
    assert not bucket.take(1, 5.0 + seconds / allowed * 0.99)
    assert bucket.take(1, 5.0 + seconds / allowed * 1.01)
    assert sum(bucket.take(1, 5.0 + 3 * seconds) for _ in range(2 * allowed)) == allowed


def test_more_than_the_limit_fits_into_an_empty_bucket_and_is_waited_for() -> None:
    rate = Rate(100, 10)
    bucket = Bucket(rate)

    assert not (bucket.take(1, 0.0) and bucket.take(250, 0.0))
    assert bucket.take(250, 0.1)
    assert not bucket.take(1, 15.0)
    assert bucket.take(1, 15.3)


def test_a_clock_that_goes_back_gives_nothing_back() -> None:
    assert Rate(10, 10).level_after(5.0, -100.0) == 5.0


@pytest.mark.parametrize(
    ("level", "available", "window"),
    [(0.0, 100, 1), (1.0, 99, 18), (99.0, 1, 18), (99.5, 0, 9), (100.0, 0, 18), (250.0, 0, 2718)],
)
def test_a_state_says_what_fits_and_when_more_does(level: float, available: int, window: int) -> None:
    state = RateState(Limit.UPLOADS, Rate(100, 1800), level)

    assert (state.available, state.window) == (available, window)


@pytest.mark.parametrize(
    ("level", "cost", "used", "retry_seconds"), [(100.0, 1, 100, 18), (99.2, 1, 100, 4), (40.0, 70, 40, 180), (1.0, 900, 1, 18)]
)
def test_a_refusal_says_when_it_fits(level: float, cost: float, used: int, retry_seconds: int) -> None:
    rate = Rate(100, 1800)
    refusal = RateState(Limit.UPLOAD_BYTES, rate, level).refusal(cost)

    assert (refusal.limit, refusal.used, refusal.allowed, refusal.retry_seconds) == ("upload_bytes", used, 100, retry_seconds)
    assert refusal.detail == "The limit of 100 bytes of uploads in 1800 seconds has no room for this now."
    assert rate.excess(rate.level_after(level, retry_seconds), cost) <= 0
    assert rate.excess(rate.level_after(level, retry_seconds - 1), cost) > 0
