"""The queue in PostgreSQL: rows under leases. For the standalone deployment, where there is no Kafka.

A task claims up to `slots` messages ahead, woken by NOTIFY, at the latest after a second. Another renews the leases of everything
in hand three times in each `visibility_seconds`. Only the lanes are carried: events and dead letters stay in their tables.
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
    """The port's Consumer of one channel; receives while `fill` and `renew` run."""

    def __init__(self, messages: QueueMessages, channel: Channel, *, slots: int, visibility_seconds: float) -> None:
        self._messages = messages
        self._channel = channel
        self._slots = slots
        self._visibility = visibility_seconds
        self._consumer_id = uuid4()
        self._ahead = PrefetchBuffer(slots)
        self._in_hand: set[int] = set()
        self._wake = asyncio.Event()

    def wake(self, _payload: str) -> None:
        """Look for messages now. The Listener's subscriber."""
        self._wake.set()

    async def receive(self) -> Delivery:
        return await self._ahead.take()

    async def acknowledge(self, delivery: Delivery) -> None:
        id_ = cast("int", delivery.tag)
        self._in_hand.discard(id_)
        try:
            await self._messages.acknowledge(id_, consumer_id=self._consumer_id)
        except Exception as error:  # the port's promise; the lease runs out, and the message is delivered again
            log.warning("queue.delivered_again", source=delivery.source, error=repr(error))

    async def release(self, delivery: Delivery) -> None:
        id_ = cast("int", delivery.tag)
        self._in_hand.discard(id_)  # not renewed any more: free after the lease at the latest
        try:
            await self._messages.release(id_, consumer_id=self._consumer_id)
        except Exception as error:  # the port's promise
            log.warning("queue.released_late", source=delivery.source, error=repr(error))

    async def release_all(self) -> None:
        """Give back everything, received or not. Never raises."""
        try:
            await self._messages.release_all(self._channel, consumer_id=self._consumer_id)
        except Exception as error:
            log.warning("queue.released_late", messages=len(self._in_hand), error=repr(error))

    async def fill(self) -> None:
        """Claim what there is room for until cancelled, through every outage."""
        while True:
            await self._ahead.wait_for_room(POLL_SECONDS)
            self._wake.clear()
            if (room := self._ahead.room) and await self._claim(room) < room:
                await self._wait_for_more()

    async def _claim(self, room: int) -> int:
        try:
            rows = await self._messages.claim(
                self._channel, consumer_id=self._consumer_id, limit=room, lease_seconds=self._visibility
            )
        except Exception as error:  # the database away, or not migrated yet: a worker that waits beats one that does nothing
            log.warning("queue.claims_later", channel=self._channel, error=repr(error))
            return 0
        for row in rows:
            message = Message(type=row["type"], key=row["key"], body=row["body"], headers=row["headers"])
            self._in_hand.add(row["id"])
            self._ahead.put(Delivery(message, self._channel, f"queue_messages/{row['id']}", row["id"]))
        return len(rows)

    async def _wait_for_more(self) -> None:
        try:
            async with asyncio.timeout(POLL_SECONDS):
                await self._wake.wait()
        except TimeoutError:
            return  # a notification may be lost, and a lease that runs out sends none

    async def renew(self) -> None:
        """Renew the leases of what is in hand until cancelled.

        INVARIANT: nobody else is given a message that is in hand, however long
        (tests/contract/test_queue.py::test_what_is_held_for_long_is_given_to_nobody_else).
        """
        while True:
            await asyncio.sleep(self._visibility / 3)
            held = frozenset(self._in_hand)
            if not held:
                continue
            try:
                kept = await self._messages.renew(held, consumer_id=self._consumer_id, lease_seconds=self._visibility)
            except Exception as error:
                log.warning("queue.renews_later", messages=len(held), error=repr(error))
                continue
            self._give_up(held - kept)

    def _give_up(self, lost: frozenset[int]) -> None:
        """Another has these by now (or they were finished while we asked): don't hand them out here."""
        self._in_hand -= lost
        self._ahead.keep(lambda delivery: delivery.tag not in lost)


class PostgresQueue:
    """The port's Queue."""

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
            raise ValueError(f"not exported, it stays in its table: {channel}")


@asynccontextmanager
async def open_postgres_queue(pool: Pool, listener: Listener, settings: QueueSettings) -> AsyncIterator[PostgresQueue]:
    """Open the queue without waiting for the database. `listener` must listen to `queue_messages.NOTIFICATIONS`."""
    yield PostgresQueue(QueueMessages(PooledSession(pool)), listener, settings)
