"""The circuit breaker: what is down is left alone, and comes back by itself."""

import pytest

from internal.breaker import Breaker
from internal.errors import InvalidImage, StoreUnavailable
from internal.settings import CircuitBreaker
from tests.services.waiting import eventually


class Dependency:
    """Counts its calls; `error` is what they raise."""

    def __init__(self, settings: CircuitBreaker) -> None:
        self.breaker = Breaker("store", StoreUnavailable, settings)
        self.calls = 0
        self.error: Exception | None = None

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
