"""Connections to PostgreSQL, and the one place where psycopg's errors become ours.

A `Session` runs named statements: on a pooled connection of its own for each (autocommit), or all on the connection of one
transaction. The tables of this package are written against `Session` and don't know which they have.
"""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any, LiteralString, Protocol

import psycopg
import psycopg_pool
from psycopg import AsyncConnection
from psycopg.conninfo import make_conninfo
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool

from internal.errors import DatabaseUnavailable
from internal.settings import Database

Pool = AsyncConnectionPool[AsyncConnection[DictRow]]

_OUTAGES = (psycopg.OperationalError, psycopg.InterfaceError, psycopg_pool.PoolTimeout, psycopg_pool.PoolClosed)


Parameters = Mapping[str, Any]


class Session(Protocol):
    """Runs statements. Raises DatabaseUnavailable when the database can't be reached in time."""

    async def rows(self, statement: LiteralString, parameters: Parameters | None = None) -> list[DictRow]:
        """Run a statement that gives rows (it has a SELECT or a RETURNING), and return them."""

    async def run(self, statement: LiteralString, parameters: Parameters | None = None) -> None:
        """Run a statement whose rows nobody wants. Inside a transaction an error may come at a later statement, or its end."""


class PooledSession:
    """Each statement on a connection of its own, committed when it returns."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def rows(self, statement: LiteralString, parameters: Parameters | None = None) -> list[DictRow]:
        with translated():
            async with self._pool.connection() as connection:
                return await (await connection.execute(statement, parameters)).fetchall()

    async def run(self, statement: LiteralString, parameters: Parameters | None = None) -> None:
        with translated():
            async with self._pool.connection() as connection:
                await connection.execute(statement, parameters)


class TransactionSession:
    """Every statement on the one connection of an open transaction."""

    def __init__(self, connection: AsyncConnection[DictRow]) -> None:
        self._connection = connection

    async def rows(self, statement: LiteralString, parameters: Parameters | None = None) -> list[DictRow]:
        with translated():
            return await (await self._connection.execute(statement, parameters)).fetchall()

    async def run(self, statement: LiteralString, parameters: Parameters | None = None) -> None:
        with translated():
            await self._connection.execute(statement, parameters)


@asynccontextmanager
async def transaction(pool: Pool) -> AsyncIterator[TransactionSession]:
    """One transaction: committed when the block ends, rolled back when it raises.

    In libpq's pipeline mode: only a statement whose rows are wanted waits for the server; BEGIN and the others travel with it.
    """
    with translated():
        async with pool.connection() as connection, connection.pipeline(), connection.transaction():
            yield TransactionSession(connection)


@contextmanager
def translated() -> Iterator[None]:
    """Turn an outage into DatabaseUnavailable, chained. A mistake in a statement stays psycopg's error: it is a bug of ours."""
    try:
        yield
    except _OUTAGES as error:
        raise DatabaseUnavailable from error


def connection_string(settings: Database, **more: Any) -> str:
    """The libpq connection string. Statements and idle transactions end by themselves after DB_TIMEOUT_SECONDS."""
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
        options=f"-c statement_timeout={milliseconds} -c idle_in_transaction_session_timeout={4 * milliseconds}",
        **more,
    )


@asynccontextmanager
async def open_pool(settings: Database) -> AsyncIterator[Pool]:
    """Open the process's pool. It does not wait for the database: a process starts, and says that it is not ready."""
    pool: Pool = AsyncConnectionPool(
        connection_string(settings),
        kwargs={"autocommit": True, "row_factory": dict_row, "prepare_threshold": 1},
        min_size=min(2, settings.pool_size),
        max_size=settings.pool_size,
        timeout=settings.timeout_seconds,
        reconnect_timeout=settings.timeout_seconds,
        check=None,
        open=False,
    )
    await pool.open(wait=False)
    try:
        yield pool
    finally:
        await pool.close()
