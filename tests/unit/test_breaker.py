"""The circuit breaker: what is down is left alone, and comes back by itself."""

import asyncio
import gc

import pytest
from purgatory import Event
from purgatory.domain.model import OpenedState

from internal.breaker import Breaker
from internal.errors import DatabaseReadOnly, DatabaseUnavailable, InvalidImage, NotStored, StoreUnavailable
from internal.settings import CircuitBreaker
from tests.services.waiting import eventually


class Dependency:
    """Counts its calls; `error` is what they raise."""

    def __init__(self, settings: CircuitBreaker) -> None:
        self.breaker = Breaker("store", StoreUnavailable, settings)
        self.calls = 0
        self.error: BaseException | None = None
        self.answers = asyncio.Event()
        self.answers.set()

    async def call(self) -> None:
        async with self.breaker.guard():
            self.calls += 1
            await self.answers.wait()
            if self.error:
                raise self.error

    async def tried_again(self) -> BaseException | None:
        """How the first call after the pause ended."""
        calls = self.calls
        while True:
            try:
                await self.call()
            except BaseException as error:
                if self.calls > calls:
                    return error
                await asyncio.sleep(0)
            else:
                return None

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

        dependency.error = untold
        assert type(await dependency.tried_again()) is type(untold)
        dependency.error = StoreUnavailable()
        calls = dependency.calls
        await dependency.fail(2)
        assert dependency.calls == calls + 1, "one outage is enough while nothing else is known"

        dependency.error = NotStored()
        assert type(await dependency.tried_again()) is NotStored
        assert not dependency.breaker.is_open


async def test_a_database_that_takes_no_changes_has_answered() -> None:
    """So that it is still read from."""
    dependency = Dependency(CircuitBreaker(failures=1, seconds=60))
    dependency.breaker = Breaker("database", DatabaseUnavailable, CircuitBreaker(failures=1, seconds=60))
    dependency.error = DatabaseReadOnly()
    for _ in range(5):
        with pytest.raises(DatabaseReadOnly):
            await dependency.call()

    assert dependency.calls == 5


async def test_after_the_pause_one_call_tries_and_the_others_are_told_at_once() -> None:
    dependency = Dependency(CircuitBreaker(failures=1, seconds=0.05))
    dependency.error = StoreUnavailable()
    await dependency.fail(1)
    dependency.answers.clear()

    async with asyncio.TaskGroup() as group:
        trying = group.create_task(dependency.tried_again())
        await eventually(lambda: dependency.calls == 2)
        assert dependency.breaker.is_open
        await dependency.fail(10)
        dependency.error = None
        dependency.answers.set()

    assert trying.result() is None
    assert dependency.calls == 2
    await dependency.call()


async def test_a_call_that_tries_for_long_keeps_the_others_away_for_a_pause() -> None:
    """As the upload of a slow client may, for minutes."""
    dependency = Dependency(CircuitBreaker(failures=1, seconds=0.05))
    dependency.error = StoreUnavailable()
    await dependency.fail(1)
    dependency.error = None
    dependency.answers.clear()

    async with asyncio.TaskGroup() as group:
        group.create_task(dependency.tried_again())
        await eventually(lambda: dependency.calls == 2)
        group.create_task(dependency.tried_again())
        await eventually(lambda: dependency.calls == 3)
        dependency.answers.set()

    assert not dependency.breaker.is_open


async def test_it_closes_by_itself_when_the_dependency_is_back() -> None:
    dependency = Dependency(CircuitBreaker(failures=1, seconds=0.05))
    dependency.error = StoreUnavailable()
    await dependency.fail(2)
    assert dependency.calls == 1

    dependency.error = None
    await eventually(lambda: not dependency.breaker.is_open)

    assert await dependency.tried_again() is None
    assert not dependency.breaker.is_open


async def test_an_outage_leaves_nothing_in_memory() -> None:
    """However many are told of it: neither the circuit's events, nor the frames of all who asked, in the error they share."""
    dependency = Dependency(CircuitBreaker(failures=3, seconds=60))
    dependency.error = StoreUnavailable()
    await dependency.fail(10)

    with pytest.raises(StoreUnavailable) as told:
        await dependency.call()

    assert isinstance(told.value.__cause__, OpenedState)
    assert told.value.__cause__.__traceback__ is None
    assert not any(isinstance(kept, Event) for kept in gc.get_objects())
