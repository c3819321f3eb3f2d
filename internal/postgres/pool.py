"""Connections to PostgreSQL, and the one place where psycopg's errors become ours.

A `Session` runs named statements: on a pooled connection of its own for each (autocommit), or all on the connection of one
transaction. The tables of this package are written against `Session` and don't know which they have.

What an error means for the request, which gets a 503 in every case, and for the circuit breaker (docs/running/outages.md has
the table with SQLSTATEs):

- DatabaseUnavailable: no connection, or it broke, or nothing was answered. A failure: some in a row open the circuit.
- DatabaseReadOnly, DatabaseBusy, StaleStatement: the server answered and refused. The circuit stays closed, or closes.
- ConnectionsInUse: the server was not asked. It counts as nothing.
- Everything else is a mistake in a statement, stays psycopg's error, and is a 500.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, nullcontext
from typing import Any, LiteralString, Protocol

import psycopg
import psycopg_pool
from psycopg import AsyncConnection, AsyncCursor, AsyncPipeline
from psycopg.conninfo import make_conninfo
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool

from internal.domain.errors import ConnectionsInUse, DatabaseBusy, DatabaseReadOnly, DatabaseUnavailable, StaleStatement
from internal.postgres.connection import BoundedConnection
from internal.postgres.first_release import APPLICATION, LOOK_INTO
from internal.postgres.settings import DatabaseSettings
from internal.runtime.circuit_breaker import CircuitBreaker


class Pool(AsyncConnectionPool[BoundedConnection[DictRow]]):
    """The process's connections; with a `breaker`, a database that is down is left alone for a while (G6)."""

    breaker: CircuitBreaker | None = None
    _in_use = 0
    _full_until = 0.0
    """Of the monotonic clock: when all connections were last in use."""

    @asynccontextmanager
    async def guarded(self) -> AsyncIterator[AsyncConnection[DictRow]]:
        """A connection. Raises DatabaseUnavailable for every outage, also of what is done with it.

        One that ran a stale statement is closed, and the pool opens a fresh one in its place: the others that it has prepared are
        likely to be stale too.
        """
        async with self.breaker.guard() if self.breaker else nullcontext():
            with translated():
                async with self.connection() as connection:
                    try:
                        with translated():
                            yield connection
                    except StaleStatement:
                        await connection.close()
                        raise

    async def getconn(self, timeout: float | None = None) -> BoundedConnection[DictRow]:  # noqa: ASYNC109 - psycopg's
        """Who waits for one is in Python 3.11's asyncio.wait_for, which drops a cancellation that comes together with it.

        INVARIANT: who is cancelled ends (tests/integration/test_pool.py::test_a_cancellation_is_never_dropped).
        """
        task = asyncio.current_task()
        before = task.cancelling() if task else 0
        began = time.monotonic()
        try:
            connection = await super().getconn(timeout)
        except psycopg_pool.PoolTimeout as error:
            if self._in_use >= self.max_size or self._full_until > began:
                raise ConnectionsInUse from error
            raise
        self._in_use += 1
        if task and task.cancelling() > before:
            await self.putconn(connection)
            raise asyncio.CancelledError
        return connection

    async def putconn(self, connection: BoundedConnection[DictRow]) -> None:
        if self._in_use >= self.max_size:
            self._full_until = time.monotonic()
        self._in_use -= 1
        await super().putconn(connection)


_OUTAGES = (psycopg.OperationalError, psycopg.InterfaceError, psycopg_pool.PoolTimeout, psycopg_pool.PoolClosed)

_ENDED_BY_THE_SERVER = (
    psycopg.errors.QueryCanceled,  # statement_timeout
    psycopg.errors.LockNotAvailable,  # lock_timeout
    psycopg.errors.DeadlockDetected,
    psycopg.errors.SerializationFailure,
    psycopg.errors.IdleInTransactionSessionTimeout,
    psycopg.errors.TransactionTimeout,
)

_PREPARED_IS_GONE = (
    psycopg.errors.InvalidSqlStatementName,  # dropped: by DEALLOCATE, or by a pooler that changed the server's session
    psycopg.errors.DuplicatePreparedStatement,  # the other way round: a pooler's session has another's of this name
)

_PLAN_CHECK = "RevalidateCachedQuery"
"""The function in PostgreSQL that finds that a prepared statement's result has changed. Its SQLSTATE, 0A000, is also that of real
mistakes, and its message is translated into the server's language.
"""

Parameters = Mapping[str, Any]


class Session(Protocol):
    """Runs statements. Raises DatabaseUnavailable when the database can't be reached in time, DatabaseReadOnly when it takes no
    changes, DatabaseBusy when it ended the statement itself; inside a transaction StaleStatement when a table has changed.
    """

    async def rows(self, statement: LiteralString, parameters: Parameters | None = None) -> list[DictRow]:
        """Run a statement that gives rows (it has a SELECT or a RETURNING), and return them."""

    async def run(self, statement: LiteralString, parameters: Parameters | None = None) -> None:
        """Run a statement whose rows nobody wants. Inside a transaction an error may come at a later statement, or its end."""


class PooledSession:
    """Each statement on a connection of its own, committed when it returns.

    INVARIANT: a stale statement is run once more, on another connection and not prepared: nobody notices that a table was changed
    (tests/integration/test_stale_statements.py).
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def rows(self, statement: LiteralString, parameters: Parameters | None = None) -> list[DictRow]:
        return await (await self._executed(statement, parameters)).fetchall()

    async def run(self, statement: LiteralString, parameters: Parameters | None = None) -> None:
        await self._executed(statement, parameters)

    async def _executed(self, statement: LiteralString, parameters: Parameters | None) -> AsyncCursor[DictRow]:
        try:
            async with self._pool.guarded() as connection:
                return await connection.execute(statement, parameters)
        except StaleStatement:
            async with self._pool.guarded() as connection:
                return await connection.execute(statement, parameters, prepare=False)


class TransactionSession:
    """Every statement on the one connection of an open transaction.

    INVARIANT: a process that stands still in a transaction loses it, and its locks, after the idle time: PostgreSQL counts none
    in the middle of a pipeline, so whoever waits for rows syncs it (tests/faults/test_stands_still.py).

    A stale statement has ended the transaction: it can't be run once more here, and what was done before it is rolled back. It
    raises StaleStatement, an Unavailable: a client is told to try again, an attempt gives its try back (G3).
    """

    def __init__(self, connection: AsyncConnection[DictRow], pipeline: AsyncPipeline) -> None:
        self._connection = connection
        self._pipeline = pipeline

    async def rows(self, statement: LiteralString, parameters: Parameters | None = None) -> list[DictRow]:
        with translated():
            cursor = await self._connection.execute(statement, parameters)
            await self._pipeline.sync()
            return await cursor.fetchall()

    async def run(self, statement: LiteralString, parameters: Parameters | None = None) -> None:
        with translated():
            await self._connection.execute(statement, parameters)


@asynccontextmanager
async def transaction(pool: Pool) -> AsyncIterator[TransactionSession]:
    """One transaction: committed when the block ends, rolled back when it raises.

    In libpq's pipeline mode: only a statement whose rows are wanted waits for the server; BEGIN and the others travel with it.
    """
    async with pool.guarded() as connection, connection.pipeline() as pipeline, connection.transaction():
        yield TransactionSession(connection, pipeline)


@contextmanager
def translated() -> Iterator[None]:
    """Turn an outage into DatabaseUnavailable, chained. A mistake in a statement stays psycopg's error: it is a bug of ours."""
    try:
        yield
    except psycopg.errors.ReadOnlySqlTransaction as error:
        raise DatabaseReadOnly from error
    except _PREPARED_IS_GONE as error:
        raise StaleStatement from error
    except psycopg.errors.FeatureNotSupported as error:
        if error.diag.source_function != _PLAN_CHECK:
            raise
        raise StaleStatement from error
    except _ENDED_BY_THE_SERVER as error:
        raise DatabaseBusy from error
    except _OUTAGES as error:
        raise DatabaseUnavailable from error


def connection_string(settings: DatabaseSettings, **more: Any) -> str:
    """The libpq connection string. The server ends a statement after DB_TIMEOUT_SECONDS, and a transaction that idles after four
    times that; a server that is not heard of for twice that is given up: two statements may wait for their answers together.
    """
    milliseconds = int(settings.timeout_seconds * 1000)
    return make_conninfo(
        host=settings.host,
        port=settings.port,
        user=settings.user,
        password=settings.password or None,
        dbname=settings.name,
        sslmode=settings.ssl_mode,
        connect_timeout=max(2, round(settings.timeout_seconds)),
        keepalives_idle=10,
        keepalives_interval=5,
        keepalives_count=3,
        tcp_user_timeout=2 * milliseconds,
        application_name=APPLICATION,
        options=f"-c statement_timeout={milliseconds} -c idle_in_transaction_session_timeout={4 * milliseconds}",
        **more,
    )


def _prepare(seconds: float) -> Callable[[AsyncConnection[DictRow]], Awaitable[None]]:
    """For a new connection: where our tables are, and PostgreSQL ends a transaction after `seconds`.

    In the middle of a pipeline too, if it is 17 or newer. An older one knows only how to end it between two pipelines:
    TransactionSession sees to that where it waits for rows.
    """

    async def configure(connection: AsyncConnection[DictRow]) -> None:
        if connection.info.server_version >= 170000:
            await connection.execute(f"{LOOK_INTO}, set_config('transaction_timeout', %s, false)", [f"{int(seconds * 1000)}ms"])
        else:
            await connection.execute(LOOK_INTO)

    return configure


@asynccontextmanager
async def open_connection_pool(settings: DatabaseSettings, breaker: CircuitBreaker | None = None) -> AsyncIterator[Pool]:
    """Open the process's pool. It does not wait for the database: a process starts, and says that it is not ready."""
    pool = Pool(
        connection_string(settings),
        connection_class=BoundedConnection[DictRow],
        kwargs={"autocommit": True, "row_factory": dict_row, "prepare_threshold": 1},
        min_size=min(2, settings.pool_size),
        max_size=settings.pool_size,
        timeout=settings.timeout_seconds,
        reconnect_timeout=settings.timeout_seconds,
        configure=_prepare(4 * settings.timeout_seconds),
        check=None,
        open=False,
    )
    pool.breaker = breaker
    await pool.open(wait=False)
    try:
        yield pool
    finally:
        await pool.close()
