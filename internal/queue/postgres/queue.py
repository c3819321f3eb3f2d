"""Queue adapter for PostgreSQL: rows under leases. The standalone deployment uses it, because it has no Kafka.

One task claims up to `slots` messages; NOTIFY wakes it, and it polls each second. Another task renews the leases of the held
messages three times in each `visibility_seconds`. It carries the lanes only: events and dead letters stay in their tables.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import cast
from uuid import uuid4

import structlog

from internal.domain.errors import DatabaseUnavailable, QueueUnavailable
from internal.domain.message import Channel, Message
from internal.ports.queue import Delivery, Positions
from internal.postgres.listener import Listener
from internal.postgres.pool import Pool, PooledSession
from internal.queue.prefetch import PrefetchBuffer
from internal.queue.settings import QueueSettings
from internal.repository.queue_messages import NOTIFICATIONS, QueueMessages
from internal.runtime.background import running

log = structlog.get_logger(__name__)

POLL_SECONDS = 1.0


class PostgresConsumer:
    """Consumer of one channel, as the port defines it. It receives while `fill` and `renew` run."""

    def __init__(self, messages: QueueMessages, channel: Channel, *, slots: int, visibility_seconds: float) -> None:
        self._messages = messages
        self._channel = channel
        self._slots = slots
        self._visibility = visibility_seconds
        self._consumer_id = uuid4()
        self._buffer = PrefetchBuffer(slots)
        self._in_hand: set[int] = set()
        self._wake = asyncio.Event()

    def wake(self, _payload: str) -> None:
        """Subscriber of the Listener: claim messages now."""
        self._wake.set()

    async def receive(self) -> Delivery:
        return await self._buffer.take()

    async def acknowledge(self, delivery: Delivery) -> None:
        id_ = cast("int", delivery.tag)
        self._in_hand.discard(id_)
        try:
            await self._messages.acknowledge(id_, consumer_id=self._consumer_id)
        except Exception as error:  # the port promises not to raise; the lease expires, and the message is delivered again
            log.warning("queue.delivered_again", source=delivery.source, error=repr(error))

    async def release(self, delivery: Delivery) -> None:
        id_ = cast("int", delivery.tag)
        self._in_hand.discard(id_)  # its lease is no longer renewed, so it expires at the latest then
        try:
            await self._messages.release(id_, consumer_id=self._consumer_id)
        except Exception as error:  # the port promises not to raise
            log.warning("queue.released_late", source=delivery.source, error=repr(error))

    async def release_all(self) -> None:
        """Release every held message, received or not. Never raises."""
        try:
            await self._messages.release_all(self._channel, consumer_id=self._consumer_id)
        except Exception as error:
            log.warning("queue.released_late", messages=len(self._in_hand), error=repr(error))

    async def fill(self) -> None:
        """Claim messages for the free slots until cancelled, through every outage."""
        while True:
            await self._buffer.wait_for_free_slots(POLL_SECONDS)
            self._wake.clear()
            if (free_slots := self._buffer.free_slots) and await self._claim(free_slots) < free_slots:
                await self._wait_for_more()

    async def _claim(self, free_slots: int) -> int:
        try:
            rows = await self._messages.claim(
                self._channel, consumer_id=self._consumer_id, limit=free_slots, lease_seconds=self._visibility
            )
        except Exception as error:  # the database is down or not migrated yet; a worker must keep consuming
            log.warning("queue.claims_later", channel=self._channel, error=repr(error))
            return 0
        for row in rows:
            message = Message(type=row["type"], key=row["key"], body=row["body"], headers=row["headers"])
            self._in_hand.add(row["id"])
            self._buffer.put(Delivery(message, self._channel, f"queue_messages/{row['id']}", row["id"]))
        return len(rows)

    async def _wait_for_more(self) -> None:
        try:
            async with asyncio.timeout(POLL_SECONDS):
                await self._wake.wait()
        except TimeoutError:
            return  # a notification may be lost, and an expired lease sends none

    async def renew(self) -> None:
        """Renew the leases of the held messages until cancelled.

        INVARIANT: no other consumer gets a held message, however long it is held
        (tests/contract/test_queue.py::test_what_is_held_for_long_is_given_to_nobody_else).
        """
        while True:
            await asyncio.sleep(self._visibility / 3)
            held = frozenset(self._in_hand)
            if not held:
                continue
            try:
                renewed = await self._messages.renew(held, consumer_id=self._consumer_id, lease_seconds=self._visibility)
            except Exception as error:
                log.warning("queue.renews_later", messages=len(held), error=repr(error))
                continue
            self._forget(held - renewed)

    def _forget(self, lost: frozenset[int]) -> None:
        """Remove messages whose lease is lost: another consumer has them, or they were finished meanwhile."""
        self._in_hand -= lost
        self._buffer.discard(lambda delivery: delivery.tag in lost)


class PostgresQueue:
    """Queue in PostgreSQL, as the port defines it."""

    exports = frozenset({Channel.FAST, Channel.SLOW})

    def __init__(self, messages: QueueMessages, listener: Listener, settings: QueueSettings) -> None:
        self._messages = messages
        self._listener = listener
        self._settings = settings

    async def publish(self, channel: Channel, message: Message) -> None:
        self._refuse_unless_exported(channel)
        try:
            await self._messages.publish(channel, message)
        except DatabaseUnavailable as error:
            raise QueueUnavailable from error

    def consume(self, channel: Channel, *, slots: int) -> AbstractAsyncContextManager[PostgresConsumer]:
        self._refuse_unless_exported(channel)
        return self._consume(channel, slots)

    @asynccontextmanager
    async def _consume(self, channel: Channel, slots: int) -> AsyncIterator[PostgresConsumer]:
        consumer = PostgresConsumer(self._messages, channel, slots=slots, visibility_seconds=self._settings.visibility_seconds)
        with self._listener.subscribed(NOTIFICATIONS, consumer.wake, payload=str(channel)):
            try:
                async with running(queue_fill=consumer.fill(), queue_renew=consumer.renew()):
                    yield consumer
            finally:
                await consumer.release_all()

    async def check(self) -> None:
        try:
            await self._messages.check()
        except DatabaseUnavailable as error:
            raise QueueUnavailable from error

    async def lag(self, channel: Channel) -> int:
        self._refuse_unless_exported(channel)
        try:
            return await self._messages.count(channel)
        except DatabaseUnavailable as error:
            raise QueueUnavailable from error

    async def positions(self, channel: Channel) -> Positions:
        self._refuse_unless_exported(channel)
        try:
            done, end = await self._messages.positions(channel)
        except DatabaseUnavailable as error:
            raise QueueUnavailable from error
        return Positions({"": end}, {"": done})

    def _refuse_unless_exported(self, channel: Channel) -> None:
        if channel not in self.exports:
            raise ValueError(f"channel is not exported, its messages stay in their table: {channel}")


@asynccontextmanager
async def open_postgres_queue(pool: Pool, listener: Listener, settings: QueueSettings) -> AsyncIterator[PostgresQueue]:
    """Open the queue without waiting for the database. `listener` must listen to `queue_messages.NOTIFICATIONS`."""
    yield PostgresQueue(QueueMessages(PooledSession(pool)), listener, settings)
