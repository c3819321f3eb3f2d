"""The process's one connection for LISTEN, shared by all its subscribers.

LISTEN occupies a connection, so there is one per process and not one per waiter. A notification may be lost while the connection
is down: after each reconnect every subscriber is called once. A subscriber reads the tables and never trusts a call alone.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

import psycopg
import structlog
from psycopg import AsyncConnection
from psycopg.sql import SQL, Identifier

from internal.postgres.connection import BoundedConnection

log = structlog.get_logger(__name__)

RECONNECT_SECONDS = 1.0
ALIVE_SECONDS = 10.0

Subscriber = Callable[[str], None]
"""Called with the notification's payload, or "" after a reconnect. Must return at once."""


class Listener:
    def __init__(self, conninfo: str, channels: tuple[str, ...]) -> None:
        self._conninfo = conninfo
        self._channels = channels
        self._subscribers: dict[tuple[str, str | None], set[Subscriber]] = defaultdict(set)

    @contextmanager
    def subscribed(self, channel: str, subscriber: Subscriber, *, payload: str | None = None) -> Iterator[None]:
        """Call `subscriber` for every notification on `channel` while the block runs; with `payload`, only for equal ones."""
        if channel not in self._channels:
            raise ValueError(f"not listened to: {channel}")
        self._subscribers[channel, payload].add(subscriber)
        try:
            yield
        finally:
            self._subscribers[channel, payload].discard(subscriber)
            if not self._subscribers[channel, payload]:
                del self._subscribers[channel, payload]

    async def run(self) -> None:
        """Listen until cancelled. Reconnects after an error."""
        while True:
            try:
                async with await BoundedConnection.connect(self._conninfo, autocommit=True) as connection:
                    await self._listen(connection)
            except (psycopg.Error, OSError) as error:
                log.warning("listener.disconnected", error=type(error).__name__)
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _listen(self, connection: AsyncConnection) -> None:
        for channel in self._channels:
            await connection.execute(SQL("LISTEN {}").format(Identifier(channel)))
        self._call_all()
        while True:
            async for notification in connection.notifies(timeout=ALIVE_SECONDS):
                self._call(notification.channel, notification.payload)
            await connection.execute("SELECT 1")  # so that a dead peer is noticed now and not hours later

    def _call(self, channel: str, payload: str) -> None:
        for key in ((channel, None), (channel, payload)):
            for subscriber in tuple(self._subscribers.get(key, ())):
                subscriber(payload)

    def _call_all(self) -> None:
        for subscribers in tuple(self._subscribers.values()):
            for subscriber in tuple(subscribers):
                subscriber("")


@asynccontextmanager
async def open_listener(conninfo: str, channels: tuple[str, ...]) -> AsyncIterator[Listener]:
    """Listen in the background while the block runs."""
    listener = Listener(conninfo, channels)
    task = asyncio.create_task(listener.run(), name="listener")
    try:
        yield listener
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
