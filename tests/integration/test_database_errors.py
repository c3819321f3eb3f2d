"""What PostgreSQL's errors mean: to the request, which is told to come again in each case, and to the circuit breaker."""

import asyncio
from collections.abc import AsyncIterator
from typing import LiteralString

import psycopg
import pytest
from msgspec.structs import replace

from internal.domain.errors import ConnectionsInUse, DatabaseBusy, DatabaseReadOnly, DatabaseUnavailable, StaleStatement
from internal.postgres.pool import Pool, PooledSession, open_connection_pool, transaction
from internal.postgres.settings import DatabaseSettings
from internal.runtime.circuit_breaker import CircuitBreaker
from internal.runtime.settings import BreakerSettings

FAILURES = 3
SIZE = 3
SHORT = 1.0

ANSWERED: dict[str, type[DatabaseUnavailable]] = {
    "57014": DatabaseBusy,  # query_canceled: statement_timeout
    "55P03": DatabaseBusy,  # lock_not_available: lock_timeout
    "40P01": DatabaseBusy,  # deadlock_detected
    "40001": DatabaseBusy,  # serialization_failure
    "25P03": DatabaseBusy,  # idle_in_transaction_session_timeout
    "25P04": DatabaseBusy,  # transaction_timeout
    "25006": DatabaseReadOnly,
    "26000": StaleStatement,  # invalid_sql_statement_name
    "42P05": StaleStatement,  # duplicate_prepared_statement
}
OUTAGES = ("08006", "53100", "53200", "53300", "57P01", "57P02", "57P03", "58030")
MISTAKES = ("0A000", "22003", "23505", "42601", "42703", "42P01")


@pytest.fixture
def breaker() -> CircuitBreaker:
    return CircuitBreaker("database", DatabaseUnavailable, BreakerSettings(failures=FAILURES, seconds=60))


@pytest.fixture
async def impatient(database_settings: DatabaseSettings, breaker: CircuitBreaker) -> AsyncIterator[Pool]:
    async with open_connection_pool(replace(database_settings, pool_size=SIZE, timeout_seconds=SHORT), breaker) as pool:
        await pool.wait()
        yield pool


def raising(sqlstate: str) -> LiteralString:
    return f"DO $$ BEGIN RAISE EXCEPTION 'raised by a test' USING ERRCODE = '{sqlstate}'; END $$"


@pytest.mark.parametrize(("sqlstate", "error"), ANSWERED.items())
async def test_an_error_from_the_server_is_no_outage(
    impatient: Pool, breaker: CircuitBreaker, sqlstate: str, error: type[DatabaseUnavailable]
) -> None:
    for _ in range(FAILURES + 1):
        with pytest.raises(DatabaseUnavailable) as told:
            await PooledSession(impatient).run(raising(sqlstate))
        assert type(told.value) is error

    assert not breaker.is_open
    assert await PooledSession(impatient).rows("SELECT 1 AS one") == [{"one": 1}]


@pytest.mark.parametrize("sqlstate", OUTAGES)
async def test_an_outage_opens_the_circuit(impatient: Pool, breaker: CircuitBreaker, sqlstate: str) -> None:
    for _ in range(FAILURES):
        with pytest.raises(DatabaseUnavailable) as told:
            await PooledSession(impatient).run(raising(sqlstate))
        assert type(told.value) is DatabaseUnavailable

    assert breaker.is_open


@pytest.mark.parametrize("sqlstate", MISTAKES)
async def test_a_mistake_in_a_statement_stays_psycopgs_error(impatient: Pool, breaker: CircuitBreaker, sqlstate: str) -> None:
    for _ in range(FAILURES):
        with pytest.raises(psycopg.Error) as told:
            await PooledSession(impatient).run(raising(sqlstate))
        assert told.value.sqlstate == sqlstate

    assert not breaker.is_open


@pytest.mark.parametrize("together", [False, True])
async def test_slow_statements_leave_the_circuit_closed(impatient: Pool, breaker: CircuitBreaker, *, together: bool) -> None:
    """One after the other; and so many beside one another that some get no connection in time."""

    async def slow() -> None:
        await PooledSession(impatient).rows("SELECT pg_sleep(60)")

    async def slow_in_a_transaction() -> None:
        async with transaction(impatient) as session:
            await session.rows("SELECT pg_sleep(60)")

    calls = [slow, slow_in_a_transaction] * 2
    if together:
        told = await asyncio.gather(*(call() for call in calls), return_exceptions=True)
    else:
        told = [error for call in calls for error in await asyncio.gather(call(), return_exceptions=True)]

    assert {type(error) for error in told} <= {DatabaseBusy, ConnectionsInUse}
    assert sum(type(error) is DatabaseBusy for error in told) >= FAILURES or together
    assert not breaker.is_open
    assert await PooledSession(impatient).rows("SELECT 1 AS one") == [{"one": 1}]


async def test_a_full_pool_says_nothing_about_the_database(impatient: Pool, breaker: CircuitBreaker) -> None:
    for _ in range(SIZE):
        await impatient.getconn()

    for _ in range(FAILURES):
        with pytest.raises(ConnectionsInUse):
            await PooledSession(impatient).rows("SELECT 1")

    assert not breaker.is_open
