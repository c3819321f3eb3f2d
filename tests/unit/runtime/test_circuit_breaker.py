"""Circuit breaker: it stops calls to a dependency that is down, and closes by itself."""

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext

import pytest

from internal.domain.errors import (
    ConnectionsInUse,
    DatabaseBusy,
    DatabaseReadOnly,
    DatabaseUnavailable,
    InvalidImage,
    ObjectNotFound,
    StaleStatement,
    StoreUnavailable,
    Unavailable,
)
from internal.runtime.circuit_breaker import CircuitBreaker
from internal.runtime.settings import BreakerSettings
from tests.services.waiting import eventually

PAUSE = 60.0


class Clock:
    """Clock of the breaker. It advances only on request."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("internal.runtime.circuit_breaker.time", clock)
    return clock


class Dependency:
    """A dependency that counts its calls. They raise `error`, if it is set."""

    def __init__(self, failures: int, outage: type[Unavailable] = StoreUnavailable) -> None:
        self.outage = outage
        self.breaker = CircuitBreaker("store", outage, BreakerSettings(failures=failures, seconds=PAUSE))
        self.calls = 0
        self.error: BaseException | None = None
        self.answers = asyncio.Event()
        self.answers.set()

    async def call(self) -> None:
        async with self.breaker.guard():
            self.calls += 1
            error, answers = self.error, self.answers
            await answers.wait()
            if error:
                raise error

    async def fail(self, times: int) -> None:
        self.error = self.outage()
        for _ in range(times):
            with pytest.raises(self.outage):
                await self.call()

    async def refuses(self) -> bool:
        """True if a call fails with the outage without being made."""
        calls, self.error = self.calls, None
        try:
            await self.call()
        except StoreUnavailable:
            return self.calls == calls
        return False


async def test_after_some_failures_in_a_row_nobody_asks(clock: Clock) -> None:
    dependency = Dependency(failures=3)

    await dependency.fail(10)

    assert dependency.calls == 3
    assert dependency.breaker.is_open
    clock.now += PAUSE - 1
    assert await dependency.refuses()


async def test_it_closes_by_itself_when_the_dependency_is_back(clock: Clock) -> None:
    dependency = Dependency(failures=3)
    await dependency.fail(3)

    clock.now += PAUSE
    assert not dependency.breaker.is_open
    assert not await dependency.refuses()

    await dependency.fail(2)
    assert not dependency.breaker.is_open, "it counts from the beginning"


async def test_a_success_between_them_starts_the_count_again() -> None:
    dependency = Dependency(failures=3)
    for _ in range(5):
        await dependency.fail(2)
        dependency.error = None
        await dependency.call()

    assert dependency.calls == 15


async def test_a_clients_fault_is_no_outage() -> None:
    dependency = Dependency(failures=3)
    dependency.error = InvalidImage()
    for _ in range(5):
        with pytest.raises(InvalidImage):
            await dependency.call()

    assert dependency.calls == 5


@pytest.mark.parametrize(
    ("outage", "untold"),
    [
        (StoreUnavailable, InvalidImage()),
        (StoreUnavailable, asyncio.CancelledError()),
        (DatabaseUnavailable, ConnectionsInUse()),
    ],
)
async def test_what_ends_without_an_answer_tells_nothing(clock: Clock, outage: type[Unavailable], untold: BaseException) -> None:
    """A client that disconnects, a cancelled call, a call without a connection: no effect on circuit or count."""

    async def end_untold() -> None:
        dependency.error = untold
        with pytest.raises(type(untold)):
            await dependency.call()

    dependency = Dependency(3, outage)
    await dependency.fail(2)
    await end_untold()
    await dependency.fail(1)
    assert dependency.breaker.is_open

    clock.now += PAUSE
    await end_untold()
    calls = dependency.calls
    await dependency.fail(2)
    assert dependency.calls == calls + 1, "the next one probes, and one outage is enough while nothing else is known"


ANSWERS = [
    (StoreUnavailable, ObjectNotFound()),
    (DatabaseUnavailable, DatabaseReadOnly()),
    (DatabaseUnavailable, DatabaseBusy()),
    (DatabaseUnavailable, StaleStatement()),
]


@pytest.mark.parametrize(("outage", "answer"), ANSWERS)
async def test_some_errors_are_answers(outage: type[Unavailable], answer: Exception) -> None:
    """A store without the object, or a database that is read-only or ends a slow statement, has answered."""
    dependency = Dependency(1, outage)
    dependency.error = answer
    for _ in range(5):
        with pytest.raises(type(answer)):
            await dependency.call()

    assert dependency.calls == 5


@asynccontextmanager
async def one_probes(dependency: Dependency, clock: Clock) -> AsyncIterator[asyncio.TaskGroup]:
    """After the pause a call probes the dependency, which answers this call and those of the group at the end."""
    await dependency.fail(1)
    clock.now += PAUSE
    dependency.error = None
    dependency.answers.clear()
    async with asyncio.TaskGroup() as group:
        group.create_task(dependency.call())
        await eventually(lambda: dependency.calls == 2)
        yield group
        dependency.answers.set()


async def test_after_the_pause_one_call_probes_and_the_others_are_told_at_once(clock: Clock) -> None:
    dependency = Dependency(failures=1)
    async with one_probes(dependency, clock):
        assert dependency.breaker.is_open
        assert [await dependency.refuses() for _ in range(10)] == [True] * 10

    assert not await dependency.refuses()


async def test_a_probe_that_takes_long_keeps_the_others_away_for_a_pause(clock: Clock) -> None:
    """The upload of a slow client may take minutes."""
    dependency = Dependency(failures=1)
    async with one_probes(dependency, clock) as group:
        clock.now += PAUSE
        group.create_task(dependency.call())
        await eventually(lambda: dependency.calls == 3)

    assert not dependency.breaker.is_open


@asynccontextmanager
async def under_way(dependency: Dependency, error: Exception | None) -> AsyncIterator[None]:
    """A call that starts before the block, and ends with `error` after it."""
    began, answers, dependency.error = dependency.calls, dependency.answers, error
    answers.clear()
    call = asyncio.create_task(dependency.call())
    await eventually(lambda: dependency.calls == began + 1)
    dependency.answers = asyncio.Event()
    dependency.answers.set()
    yield
    answers.set()
    with pytest.raises(type(error)) if error else nullcontext():
        await call


async def test_a_call_that_fails_when_the_circuit_is_open_does_not_keep_it_open(clock: Clock) -> None:
    dependency = Dependency(failures=1)
    async with under_way(dependency, StoreUnavailable()):
        await dependency.fail(1)
        clock.now += PAUSE - 1

    clock.now += 1
    assert not dependency.breaker.is_open


async def test_a_call_that_succeeds_when_the_circuit_is_open_closes_it(clock: Clock) -> None:
    dependency = Dependency(failures=1)
    async with under_way(dependency, None):
        await dependency.fail(1)
        assert dependency.breaker.is_open

    assert not await dependency.refuses()


async def test_an_answer_counts_for_more_than_an_outage_of_before(clock: Clock) -> None:
    """A call that started before the outage ends while another call probes."""
    dependency = Dependency(failures=1)
    async with asyncio.TaskGroup() as group:
        async with under_way(dependency, StoreUnavailable()):
            await dependency.fail(1)
            clock.now += PAUSE
            dependency.error, dependency.answers = None, asyncio.Event()
            group.create_task(dependency.call())
            await eventually(lambda: dependency.calls == 3)
        assert await dependency.refuses()
        dependency.answers.set()

    assert not await dependency.refuses()


async def test_nothing_is_kept_of_an_outage() -> None:
    """A circuit that stores errors or events grows with every outage, as in purgatory 3.0.1."""
    dependency = Dependency(failures=3)
    await dependency.fail(3)
    outage = weakref.ref(dependency.error)
    dependency.error = None
    gc.collect()

    assert outage() is None
