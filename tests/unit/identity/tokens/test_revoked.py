"""What a process knows of revocations: never older than a second, and never more than one statement at a time."""

import asyncio

import pytest

from internal.domain.errors import DatabaseUnavailable
from internal.identity.tokens.revoked import TRUSTED_SECONDS, Revocations
from tests.services.waiting import eventually
from tests.unit.identity.tokens.verifiers import Clock


class Slow:
    """A table whose answers a test gives, one statement after the other."""

    def __init__(self) -> None:
        self.answers: list[asyncio.Future[int | None]] = []

    async def latest_change(self) -> int | None:
        self.answers.append(asyncio.get_running_loop().create_future())
        return await self.answers[-1]

    async def is_revoked(self, *, jti: str | None, owner: str, issued_at: float | None) -> bool:
        return True

    async def asked(self, count: int) -> asyncio.Future[int | None]:
        await eventually(lambda: len(self.answers) >= count, 5)
        return self.answers[-1]


@pytest.fixture
def clock() -> Clock:
    return Clock(100.0)


@pytest.fixture
def table() -> Slow:
    return Slow()


@pytest.fixture
def revocations(table: Slow, clock: Clock) -> Revocations:
    return Revocations(table, clock)


async def test_those_who_wait_share_a_statement(revocations: Revocations, table: Slow, clock: Clock) -> None:
    waiting = asyncio.gather(*(revocations.latest_change() for _ in range(50)))
    (await table.asked(1)).set_result(7)

    assert await waiting == [7] * 50
    clock.now += TRUSTED_SECONDS - 0.01
    assert await revocations.latest_change() == 7
    assert len(table.answers) == 1


async def test_an_answer_counts_from_when_it_was_asked_for(revocations: Revocations, table: Slow, clock: Clock) -> None:
    """A statement that takes long says what was true when it began."""
    early = asyncio.create_task(revocations.latest_change())
    first = await table.asked(1)
    clock.now += TRUSTED_SECONDS + 1
    late = asyncio.create_task(revocations.latest_change())
    await asyncio.sleep(0)
    first.set_result(1)

    assert await early == 1
    (await table.asked(2)).set_result(2)
    assert await late == 2


async def test_a_signal_during_a_statement_asks_again(revocations: Revocations, table: Slow, clock: Clock) -> None:
    early = asyncio.create_task(revocations.latest_change())
    first = await table.asked(1)
    clock.now += 0.01
    revocations.forget()
    first.set_result(None)
    clock.now += 0.01

    (await table.asked(2)).set_result(1)
    assert await early == 1


async def test_an_error_is_everybodys_and_is_not_kept(revocations: Revocations, table: Slow) -> None:
    waiting = asyncio.gather(*(revocations.latest_change() for _ in range(3)), return_exceptions=True)
    (await table.asked(1)).set_exception(DatabaseUnavailable())
    assert [type(error) for error in await waiting] == [DatabaseUnavailable] * 3

    again = asyncio.create_task(revocations.latest_change())
    (await table.asked(2)).set_result(3)
    assert await again == 3


async def test_who_hangs_up_does_not_end_the_statement_of_others(revocations: Revocations, table: Slow) -> None:
    leaves, stays = (asyncio.create_task(revocations.latest_change()) for _ in range(2))
    answer = await table.asked(1)
    leaves.cancel()
    await asyncio.gather(leaves, return_exceptions=True)
    answer.set_result(5)

    assert await stays == 5


async def test_without_revocations_no_token_is_looked_up(revocations: Revocations, table: Slow) -> None:
    asking = asyncio.create_task(revocations.latest_change())
    (await table.asked(1)).set_result(None)

    assert await asking == 0
    assert not await revocations.is_revoked("a", "alice", None)


async def test_closing_ends_the_statement_under_way(revocations: Revocations, table: Slow) -> None:
    waiting = asyncio.create_task(revocations.latest_change())
    answer = await table.asked(1)

    await revocations.close()

    assert answer.cancelled()
    await asyncio.gather(waiting, return_exceptions=True)
