"""Detection of a consumer that restarts repeatedly."""

import pytest

from internal.queue.kafka.restarts import LONGEST_PAUSE_SECONDS, WINDOW_SECONDS, Restarts


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_three_restarts_within_a_minute_are_frequent_and_two_are_not(clock: Clock) -> None:
    restarts = Restarts(clock)
    for number in range(3):
        assert restarts.frequent() is None
        restarts.record(ValueError(f"error {number}"))
        clock.now += 20

    assert restarts.frequent() == "restarted 3 times in the last 60 seconds: ValueError('error 2')"


def test_after_a_quiet_minute_all_is_well(clock: Clock) -> None:
    restarts = Restarts(clock)
    for _ in range(50):
        restarts.record(ValueError())
        clock.now += 1
    clock.now += WINDOW_SECONDS

    assert restarts.frequent() is None


def test_the_pauses_grow_up_to_a_bound_and_begin_anew_after_a_quiet_minute(clock: Clock) -> None:
    restarts = Restarts(clock)
    pauses = [restarts.pause_seconds]
    for _ in range(6):
        restarts.record(ValueError())
        pauses.append(restarts.pause_seconds)

    assert pauses == [1, 1, 2, 4, 5, 5, 5]
    assert pauses[-1] == LONGEST_PAUSE_SECONDS
    clock.now += WINDOW_SECONDS + 1
    assert restarts.pause_seconds == 1
