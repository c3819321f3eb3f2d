"""PostgreSQL over a network that falls silent: connections stay open, and nothing comes. TCP's own limits never see it."""

import asyncio
import gc
from collections.abc import AsyncIterator
from typing import Any

import psutil  # type: ignore[import-untyped]
import psycopg
import pytest
from msgspec.structs import replace
from psycopg import AsyncConnection
from psycopg.conninfo import make_conninfo

from internal.domain.errors import ConnectionsInUse, DatabaseUnavailable
from internal.postgres import listener as listening
from internal.postgres.connection import BoundedConnection
from internal.postgres.listener import open_listener
from internal.postgres.pool import Pool, PooledSession, connection_string, open_connection_pool, transaction
from internal.postgres.settings import DatabaseSettings
from tests.services.proxy import Proxy, open_proxy
from tests.services.waiting import eventually

PATIENCE = 0.5
POOL = 3
TOO_LONG = 30.0  # seconds: far above what every call here may take, and there to end the test


@pytest.fixture
async def proxy(database_settings: DatabaseSettings) -> AsyncIterator[Proxy]:
    async with open_proxy(database_settings.host, database_settings.port) as proxy:
        yield proxy


@pytest.fixture
def beyond(database_settings: DatabaseSettings, proxy: Proxy) -> DatabaseSettings:
    """The way through the proxy, for the impatient."""
    return replace(database_settings, host="127.0.0.1", port=proxy.port, pool_size=POOL, timeout_seconds=PATIENCE)


@pytest.fixture
async def far(beyond: DatabaseSettings) -> AsyncIterator[Pool]:
    async with open_connection_pool(beyond) as pool:
        yield pool


async def work(pool: Pool) -> None:
    async with transaction(pool) as session:
        await session.run("SELECT 1")
        await session.rows("SELECT 1")


async def all_at_once(pool: Pool) -> bool:
    """Whether as many statements as the pool has places run beside one another."""
    try:
        await asyncio.gather(*(PooledSession(pool).rows("SELECT pg_sleep(0.1)") for _ in range(POOL)))
    except DatabaseUnavailable:
        return False
    return True


async def test_a_silent_server_is_unavailable_in_time_and_used_again_when_back(far: Pool, proxy: Proxy) -> None:
    """More calls than there are connections: those that wait for a connection are told too."""
    await eventually(lambda: all_at_once(far))
    proxy.silent = True
    async with asyncio.timeout(TOO_LONG):
        for call in (PooledSession(far).rows, PooledSession(far).run):
            with pytest.raises(DatabaseUnavailable):
                await call("SELECT 1")
        told = await asyncio.gather(*(work(far) for _ in range(2 * POOL)), return_exceptions=True)
    assert {type(error) for error in told} <= {DatabaseUnavailable, ConnectionsInUse}

    proxy.silent = False

    await eventually(lambda: all_at_once(far))
    assert far.get_stats()["pool_size"] <= POOL


async def test_silence_ends_a_transaction_at_each_step(far: Pool, proxy: Proxy) -> None:
    async def fall_silent_before(step: int) -> None:
        async with transaction(far) as session:
            for number in range(3):
                proxy.silent = proxy.silent or number == step
                await session.rows("SELECT 1")
            proxy.silent = True

    for step in range(4):
        await eventually(lambda: all_at_once(far))
        async with asyncio.timeout(TOO_LONG):
            with pytest.raises(DatabaseUnavailable):
                await fall_silent_before(step)
        proxy.silent = False


async def test_an_unanswered_connection_is_closed(beyond: DatabaseSettings, proxy: Proxy) -> None:
    """Its answer may still come, and would be the next statement's."""
    conninfo = make_conninfo(connection_string(beyond), connect_timeout=int(TOO_LONG))
    async with await BoundedConnection.connect(conninfo, autocommit=True) as connection:
        proxy.silent = True
        with pytest.raises(psycopg.OperationalError):
            await connection.execute("SELECT 1")
        assert connection.closed


async def test_a_half_open_connection_is_closed(beyond: DatabaseSettings, proxy: Proxy) -> None:
    """At once: a pool that tries again and again must not collect open sockets until Python collects garbage."""
    proxy.silent = True
    gc.disable()
    try:
        with pytest.raises(psycopg.OperationalError):
            await BoundedConnection.connect(connection_string(beyond))
        sockets = psutil.Process().net_connections("inet")
    finally:
        gc.enable()
    assert not [socket for socket in sockets if socket.raddr and socket.raddr.port == proxy.port]


async def test_a_cancelled_task_does_not_wait_for_a_silent_server(beyond: DatabaseSettings, proxy: Proxy) -> None:
    """However long it would have waited itself: neither for its answer, nor for that to its wish to cancel."""
    async with open_connection_pool(replace(beyond, timeout_seconds=TOO_LONG)) as pool:
        await PooledSession(pool).run("SELECT 1")
        proxy.silent = True
        asked = proxy.requests
        asking = asyncio.create_task(PooledSession(pool).run("SELECT 1"))
        await eventually(lambda: proxy.requests > asked)
        asking.cancel()

        done, _ = await asyncio.wait({asking}, timeout=TOO_LONG / 2)

        proxy.silent = False
        assert done
        assert asking.cancelled()


async def test_a_transaction_may_take_longer_than_one_answer(
    database_settings: DatabaseSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit is each answer's: what a transaction does between its statements is limited by the server."""
    waited: list[tuple[int, float | None]] = []
    wait = AsyncConnection.wait

    async def noted(connection: Any, gen: Any, interval: float, timeout: float | None) -> Any:  # noqa: ASYNC109 - psycopg's
        waited.append((connection.info.backend_pid, timeout))
        return await wait(connection, gen, interval, timeout)

    monkeypatch.setattr(AsyncConnection, "wait", noted)
    async with (
        open_connection_pool(replace(database_settings, timeout_seconds=TOO_LONG)) as patient,
        transaction(patient) as session,
    ):
        for _ in range(4):
            ((pid,),) = [row.values() for row in await session.rows("SELECT pg_backend_pid()")]

    given = [timeout for to, timeout in waited if to == pid]
    assert len(given) >= 4
    assert set(given) == {2 * TOO_LONG}


async def test_the_listener_notices_a_silent_server(
    beyond: DatabaseSettings, pool: Pool, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a busy machine it may reconnect a few times more."""
    monkeypatch.setattr(listening, "ALIVE_SECONDS", 0.1)
    heard: list[str] = []
    async with open_listener(connection_string(beyond), ("outbox",)) as listener:
        with listener.subscribed("outbox", heard.append):
            await eventually(lambda: heard != [])
            before = proxy.connections
            proxy.silent = True
            await eventually(lambda: proxy.connections > before)
            told = len(heard)

            proxy.silent = False

            await eventually(lambda: len(heard) > told)
            assert set(heard) == {""}

            async def has_news() -> bool:
                await PooledSession(pool).run("NOTIFY outbox, 'news'")
                return "news" in heard

            await eventually(has_news)
