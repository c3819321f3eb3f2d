"""The circuit breaker: what is down is left alone, and comes back by itself."""

import asyncio

import pytest

from internal.breaker import Breaker
from internal.errors import InvalidImage, NotStored, StoreUnavailable
from internal.settings import CircuitBreaker
from tests.services.waiting import eventually


class Dependency:
    """Counts its calls; `error` is what they raise."""

    def __init__(self, settings: CircuitBreaker) -> None:
        self.breaker = Breaker("store", StoreUnavailable, settings)
        self.calls = 0
        self.error: BaseException | None = None

    async def call(self) -> None:
        async with self.breaker.guard():
            self.calls += 1
            if self.error:
                raise self.error

    async def fail(self, times: int) -> None:
        for _ in range(times):
            with pytest.raises(StoreUnavailable):
                await self.call()


async def test_after_some_failures_in_a_row_nobody_asks() -> None:
    dependency = Dependency(CircuitBreaker(failures=3, seconds=60))
    dependency.error = StoreUnavailable()

    await dependency.fail(10)

    assert dependency.calls == 3
    assert dependency.breaker.is_open


async def test_a_success_between_them_starts_the_count_again() -> None:
    dependency = Dependency(CircuitBreaker(failures=3, seconds=60))
    for _ in range(5):
        dependency.error = StoreUnavailable()
        await dependency.fail(2)
        dependency.error = None
        await dependency.call()

    assert dependency.calls == 15


async def test_a_clients_fault_is_no_outage() -> None:
    dependency = Dependency(CircuitBreaker(failures=3, seconds=60))
    dependency.error = InvalidImage()
    for _ in range(5):
        with pytest.raises(InvalidImage):
            await dependency.call()

    assert dependency.calls == 5


async def test_what_ends_without_an_answer_tells_nothing() -> None:
    """A client that hangs up and a call that is cancelled neither close a circuit nor start its count again."""
    dependency = Dependency(CircuitBreaker(failures=3, seconds=0.05))
    for untold in (InvalidImage(), asyncio.CancelledError()):
        dependency.error = StoreUnavailable()
        await dependency.fail(2)
        dependency.error = untold
        with pytest.raises(type(untold)):
            await dependency.call()
        dependency.error = StoreUnavailable()
        await dependency.fail(1)
        assert dependency.breaker.is_open

        await eventually(lambda: not dependency.breaker.is_open)
        dependency.error = untold
        with pytest.raises(type(untold)):
            await dependency.call()
        dependency.error = StoreUnavailable()
        await dependency.fail(1)
        assert dependency.breaker.is_open, "one outage is enough while nothing else is known"

        await eventually(lambda: not dependency.breaker.is_open)
        dependency.error = NotStored()
        with pytest.raises(NotStored):
            await dependency.call()


async def test_after_the_pause_one_call_tries_and_the_others_are_told_at_once() -> None:
    dependency = Dependency(CircuitBreaker(failures=1, seconds=0.05))
    dependency.error = StoreUnavailable()
    await dependency.fail(1)
    await eventually(lambda: not dependency.breaker.is_open)

    outcomes = await asyncio.gather(*(dependency.call() for _ in range(10)), return_exceptions=True)

    assert [type(outcome) for outcome in outcomes] == [StoreUnavailable] * 10
    assert dependency.calls == 2


async def test_it_closes_by_itself_when_the_dependency_is_back() -> None:
    dependency = Dependency(CircuitBreaker(failures=1, seconds=0.05))
    dependency.error = StoreUnavailable()
    await dependency.fail(2)
    assert dependency.calls == 1

    dependency.error = None

    async def answers() -> bool:
        try:
            await dependency.call()
        except StoreUnavailable:
            return False
        return True

    await eventually(answers)
    assert not dependency.breaker.is_open
