"""One process's hold on a topic. A task polls and keeps up to `slots` messages ahead; another commits what is done.

When aiokafka's consumer can't go on it is closed and replaced by one that begins at the committed offsets: what is in hand is no
longer ours then, and delivered again. After a fetch that failed the new one is careful for a while (kafka_careful.py): what can't
be read is a delivery too, marked as unreadable, and the partition goes on behind it.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from internal.domain.message import Channel, Message
from internal.observability.metrics import CONSUMER_RESTARTS, UNREADABLE_RECORDS
from internal.ports.queue import Delivery
from internal.queue.kafka.batches import Item, Unreadable
from internal.queue.kafka.careful import NOTHING, fetch_carefully
from internal.queue.kafka.committed import GroupOffsets, Ticket
from internal.queue.kafka.connection import connection
from internal.queue.kafka.records import message_of
from internal.queue.kafka.restarts import Restarts
from internal.queue.kafka.settings import KafkaSettings
from internal.queue.prefetch import PrefetchBuffer
from internal.runtime.background import running

log = structlog.get_logger(__name__)

FETCH_BYTES = 65_536
"""Of one partition at once: some hundred tasks, so that a long one does not stand before the others. Larger messages come too."""

CAREFUL_SECONDS = 60.0
"""So long after a fetch that failed partitions are fetched one by one, each time anew."""
CAREFUL_PAUSE_SECONDS = 0.05
UNREADABLE_BYTES = 65_536
"""So much of an unreadable record is kept for people to look at."""


class KafkaConsumer:
    """The port's Consumer of one topic; receives while `run` runs."""

    def __init__(self, settings: KafkaSettings, channel: Channel, topic: str, *, slots: int) -> None:
        self._settings = settings
        self._channel = channel
        self._topic = topic
        self._ahead = PrefetchBuffer(slots)
        self._restarts = Restarts()
        self._careful_until = 0.0

    async def receive(self) -> Delivery:
        return await self._ahead.take()

    async def acknowledge(self, delivery: Delivery) -> None:
        tag = cast("Ticket", delivery.tag)
        tag.group.finish(tag)

    async def release(self, delivery: Delivery) -> None:
        """Next in line here; and not committed, so that a successor gets it when this consumer closes first."""
        tag = cast("Ticket", delivery.tag)
        if tag.group.is_undone(tag):
            self._ahead.put_back(delivery)

    def trouble(self) -> str | None:
        """A sentence when it restarts over and over; None when all is well."""
        often = self._restarts.over_and_over()
        return f"The consumer of {self._topic} was {often}" if often else None

    async def run(self) -> None:
        """Consume until cancelled, through every outage."""
        while True:
            try:
                await self._consume()
            except Exception as error:  # whatever aiokafka raises: a worker that waits is better than one that does nothing
                self._restarts.note(error)
                CONSUMER_RESTARTS.labels(self._channel).inc()
                log.warning("queue.consumer_restarts", topic=self._topic, error=repr(error))
            await asyncio.sleep(self._restarts.pause_seconds)

    async def _consume(self) -> None:
        """The life of one aiokafka consumer. It leaves its group at the end, so that its partitions go to others at once."""
        consumer = self._new_consumer()
        group = GroupOffsets(consumer, on_lost=lambda: self._ahead.keep(_is_undone))
        try:
            consumer.subscribe([self._topic], listener=group)
            await consumer.start()
            async with running(kafka_commits=group.run()):
                await self._poll(consumer, group)
        finally:
            self._ahead.keep(lambda _: False)
            await group.commit()
            await _stop(consumer)

    def _new_consumer(self) -> AIOKafkaConsumer:
        return AIOKafkaConsumer(
            group_id=group_of(self._settings, self._channel),
            enable_auto_commit=False,
            auto_offset_reset=self._settings.auto_offset_reset,
            session_timeout_ms=int(self._settings.session_seconds * 1000),
            heartbeat_interval_ms=int(self._settings.session_seconds * 1000 / 3),
            max_poll_interval_ms=int(self._settings.poll_seconds * 1000),
            max_partition_fetch_bytes=FETCH_BYTES,
            **connection(self._settings, request_seconds=self._settings.request_seconds),
        )

    async def _poll(self, consumer: AIOKafkaConsumer, group: GroupOffsets) -> None:
        """Fetch what there is room for.

        INVARIANT: it polls several times in each poll interval, however long nothing is received, so that a long decode evicts
        nobody (tests/contract/test_queue.py::test_what_is_held_for_long_is_given_to_nobody_else). With no room it polls for a
        partition that does not exist: `pause()` would throw away what aiokafka has fetched already, and fetch it again.
        """
        often = self._settings.poll_seconds / 4
        while True:
            if not self._ahead.room:
                await consumer.getmany(NOTHING)
            elif time.monotonic() < self._careful_until:
                await self._fetch_carefully(consumer, group)
            else:
                await self._fetch(consumer, group, often)
            _raise_if_dead(consumer)
            await self._ahead.wait_for_room(often)

    async def _fetch(self, consumer: AIOKafkaConsumer, group: GroupOffsets, within: float) -> None:
        """From all partitions at once. An error ends this consumer: it has lost records of the other partitions."""
        try:
            fetched = await consumer.getmany(timeout_ms=int(within * 1000), max_records=self._ahead.room)
        except Exception:
            self._careful_until = time.monotonic() + CAREFUL_SECONDS
            raise
        for partition, records in fetched.items():
            for record in records:
                self._line_up(partition, record, group)

    async def _fetch_carefully(self, consumer: AIOKafkaConsumer, group: GroupOffsets) -> None:
        def track(partition: TopicPartition, item: Item) -> None:
            if isinstance(item, Unreadable):
                self._careful_until = time.monotonic() + CAREFUL_SECONDS
                self._line_up_unreadable(partition, item, group)
            else:
                self._line_up(partition, item, group)

        if not await fetch_carefully(consumer, self._ahead.room, FETCH_BYTES, track):
            await asyncio.sleep(CAREFUL_PAUSE_SECONDS)

    def _line_up(self, partition: TopicPartition, record: ConsumerRecord, group: GroupOffsets) -> None:
        if (tag := group.track(partition, record.offset)) is not None:
            source = f"{record.topic}/{record.partition}/{record.offset}"
            self._ahead.put(Delivery(message_of(record), self._channel, source, tag))

    def _line_up_unreadable(self, partition: TopicPartition, found: Unreadable, group: GroupOffsets) -> None:
        if (tag := group.track(partition, found.first, found.last)) is not None:
            UNREADABLE_RECORDS.labels(self._channel).inc()
            offsets = str(found.first) if found.first == found.last else f"{found.first}-{found.last}"
            message = Message(type="", key="", body=found.raw[:UNREADABLE_BYTES])
            source = f"{partition.topic}/{partition.partition}/{offsets}"
            self._ahead.put(Delivery(message, self._channel, source, tag, unreadable=found.reason))


async def _stop(consumer: AIOKafkaConsumer) -> None:
    """Leave the group and close the connections; never raises: an error here would take a cancellation's place.

    Of a consumer whose fetching task has died, aiokafka's own stop() raises that error and leaves the connections open.
    """
    try:
        await consumer.stop()
    except Exception as error:
        log.warning("queue.consumer_not_stopped", error=repr(error))
        await consumer._client.close()  # private, because only stop() closes it


def _raise_if_dead(consumer: AIOKafkaConsumer) -> None:
    """aiokafka 0.14.0 logs that its fetching task has ended, and goes on giving nothing for ever: no call of its raises that."""
    if (fetching := consumer._fetcher.error_future).done():  # private, because nothing public tells of this task
        raise RuntimeError("aiokafka's fetching task has ended") from fetching.exception()


def group_of(settings: KafkaSettings, channel: Channel) -> str:
    """The consumer group of one channel: see internal/queue/kafka/queue.py."""
    return f"{settings.group_id}-{channel}"


def _is_undone(delivery: Delivery) -> bool:
    tag = cast("Ticket", delivery.tag)
    return tag.group.is_undone(tag)


@asynccontextmanager
async def open_kafka_consumer(
    settings: KafkaSettings, channel: Channel, topic: str, *, slots: int
) -> AsyncIterator[KafkaConsumer]:
    """Consume in the background while the block runs; at its end commit what is done and leave the group."""
    consumer = KafkaConsumer(settings, channel, topic, slots=slots)
    async with running(kafka_consumer=consumer.run()):
        yield consumer
