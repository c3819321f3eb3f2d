"""The pool of connections, where more want one than there are."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from msgspec.structs import replace
from psycopg.rows import DictRow

from internal.observability.gauges import GaugeSource, database_pool_gauges
from internal.postgres.pool import Pool, PooledSession, open_connection_pool
from internal.postgres.settings import DatabaseSettings
from tests.services.waiting import eventually

SIZE = 2


@asynccontextmanager
async def one_waits(pool: Pool) -> AsyncIterator[asyncio.Task[list[DictRow]]]:
    """All connections are held, and one more is waited for; on leaving they are given back."""
    async with AsyncExitStack() as held:
        for _ in range(SIZE):
            await held.enter_async_context(pool.guarded())
        waiting = asyncio.create_task(PooledSession(pool).rows("SELECT 1 AS one"))
        await eventually(lambda: pool.get_stats()["requests_waiting"] == 1)
        yield waiting


@pytest.mark.parametrize("ticks", range(3))  # of the event loop, after which it has its connection
async def test_a_cancellation_is_never_dropped(database_settings: DatabaseSettings, ticks: int) -> None:
    """Not even one that comes together with the connection that was waited for: who drops it goes on for ever, at a shutdown."""
    async with open_connection_pool(replace(database_settings, pool_size=SIZE)) as pool:
        async with one_waits(pool) as waiting:
            pass
        for _ in range(ticks):
            await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait({waiting}, timeout=10)

        assert waiting.cancelled()
        assert await PooledSession(pool).rows("SELECT 2 AS two") == [{"two": 2}], "its connection is back in the pool"


async def measured(source: GaugeSource) -> dict[str, float]:
    """By state; the requests that wait under no name."""
    families = [family for gauge in await source() for family in gauge.collect()]
    return {sample.labels.get("state", ""): sample.value for family in families for sample in family.samples}


async def test_the_pools_use_is_measured(database_settings: DatabaseSettings) -> None:
    async with open_connection_pool(replace(database_settings, pool_size=SIZE)) as pool:
        source = database_pool_gauges(pool.get_stats)
        async with one_waits(pool) as waiting:
            assert await measured(source) == {"busy": SIZE, "idle": 0, "": 1}
        await waiting

        assert await measured(source) == {"busy": 0, "idle": SIZE, "": 0}
