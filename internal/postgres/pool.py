"""The connection pool and its sessions. The one place where psycopg's errors are translated.

A `Session` runs named statements: each on a pooled connection (autocommit), or all on the connection of one transaction. The
tables in internal/repository take a `Session` and work with either.

What an error means. For a request each is a 503; for the circuit breaker (docs/running/outages.md has the table of SQLSTATEs):

- DatabaseUnavailable: no connection, a broken one, or no answer. A failure: some in a row open the circuit.
- DatabaseReadOnly, DatabaseBusy, StaleStatement: the server answered and refused. The circuit stays closed, or closes.
- ConnectionsInUse: the server was not asked. The breaker ignores it.
- Any other error is a mistake in a statement: it stays psycopg's error, and is a 500.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, nullcontext
from typing import Any, LiteralString, Protocol

import msgspec
import psycopg
import psycopg_pool
from psycopg import AsyncConnection, AsyncCursor, AsyncPipeline
from psycopg.conninfo import make_conninfo
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool

from internal.domain.errors import ConnectionsInUse, DatabaseBusy, DatabaseReadOnly, DatabaseUnavailable, StaleStatement
from internal.domain.owner import quota_exceeded
from internal.postgres.connection import BoundedConnection
from internal.postgres.first_release import APPLICATION, LOOK_INTO
from internal.postgres.settings import DatabaseSettings
from internal.runtime.circuit_breaker import CircuitBreaker


class Pool(AsyncConnectionPool[BoundedConnection[DictRow]]):
    """The process's connections to PostgreSQL. A `breaker` stops calls to a database that is down for a while (G6)."""

    breaker: CircuitBreaker | None = None
    _in_use = 0
    _full_until = 0.0
    """Monotonic time at which all connections were last in use."""

    @asynccontextmanager
    async def guarded(self) -> AsyncIterator[AsyncConnection[DictRow]]:
        """A connection. Raises DatabaseUnavailable for every outage, also during the block.

        A connection that ran a stale statement is closed and replaced: its other prepared statements are likely to be stale too.
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
        """As psycopg's, without losing a cancellation: Python 3.11's asyncio.wait_for drops one that comes with the connection.

        INVARIANT: a cancelled task ends (tests/integration/test_pool.py::test_a_cancellation_is_never_dropped).
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
    psycopg.errors.InvalidSqlStatementName,  # dropped by DEALLOCATE, or by a pooler that has changed the server's session
    psycopg.errors.DuplicatePreparedStatement,  # the opposite: the pooler's session has another client's statement of this name
)

_PLAN_CHECK = "RevalidateCachedQuery"
"""The function in PostgreSQL that reports a changed result of a prepared statement. Its SQLSTATE, 0A000, is also that of real
mistakes, and its message is in the server's language.
"""

QUOTA_EXCEEDED = "IQ001"
"""The SQLSTATE of the function require_quota (migrations/0028_usage.sql). Its detail has the arguments of quota_exceeded."""

Parameters = Mapping[str, Any]


class Session(Protocol):
    """Runs statements. Raises DatabaseUnavailable if the database can't be reached in time, DatabaseReadOnly if it refuses
    changes, DatabaseBusy if it ended the statement itself; inside a transaction StaleStatement if a table has changed.
    """

    async def rows(self, statement: LiteralString, parameters: Parameters | None = None) -> list[DictRow]:
        """Run a statement with a SELECT or a RETURNING, and return its rows."""

    async def run(self, statement: LiteralString, parameters: Parameters | None = None) -> None:
        """Run a statement and ignore its rows. In a transaction, its error may be raised by a later statement or at the end."""


class PooledSession:
    """Runs each statement on a pooled connection and commits it.

    INVARIANT: a stale statement is retried on another connection, unprepared: a change of a table is not noticed by callers
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
    """Runs every statement on the connection of one open transaction.

    INVARIANT: a process that stands still in a transaction loses it, and its locks, after the idle timeout. PostgreSQL counts no
    idle time inside a pipeline, so `rows` syncs the pipeline (tests/faults/test_stands_still.py).

    A stale statement ends the transaction: it can't be retried here, and everything before it is rolled back. It raises
    StaleStatement, an Unavailable: the client is asked to retry, and an attempt of a rendition is not counted (G3).
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

    In libpq's pipeline mode: only `rows` waits for the server; BEGIN and the statements of `run` are sent along with it.
    """
    async with pool.guarded() as connection, connection.pipeline() as pipeline, connection.transaction():
        yield TransactionSession(connection, pipeline)


@contextmanager
def translated() -> Iterator[None]:
    """Translate psycopg's errors, chained (see the module). A mistake in a statement stays psycopg's error: it is a bug."""
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
    except psycopg.DatabaseError as error:
        if error.sqlstate != QUOTA_EXCEEDED:
            raise
        raise quota_exceeded(**msgspec.json.decode(error.diag.message_detail or "{}")) from error


def connection_string(settings: DatabaseSettings, **more: Any) -> str:
    """The libpq connection string. The server ends a statement after DB_TIMEOUT_SECONDS, and an idle transaction after four times
    that. A server that does not answer for twice that is given up: two statements may wait for their answers together.
    """
    milliseconds = int(settings.timeout_seconds * 1000)
    return make_conninfo(
        host=settings.host,
        port=settings.port,
        user=settings.user,
        password=settings.password.reveal() or None,
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
    """Set up a new connection: its search_path, and the time limit of a transaction.

    PostgreSQL 17 and newer end a transaction also inside a pipeline. Older ones do so only between two pipelines, which is why
    TransactionSession syncs the pipeline when it waits for rows.
    """

    async def configure(connection: AsyncConnection[DictRow]) -> None:
        if connection.info.server_version >= 170000:
            await connection.execute(f"{LOOK_INTO}, set_config('transaction_timeout', %s, false)", [f"{int(seconds * 1000)}ms"])
        else:
            await connection.execute(LOOK_INTO)

    return configure


@asynccontextmanager
async def open_connection_pool(settings: DatabaseSettings, breaker: CircuitBreaker | None = None) -> AsyncIterator[Pool]:
    """Open the process's pool. It does not wait for the database: the process starts without it, and is not ready."""
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
