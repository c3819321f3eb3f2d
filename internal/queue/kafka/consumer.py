"""Consumer of one topic. One task polls and prefetches up to `slots` messages; another commits finished ones.

If aiokafka's consumer fails, it is closed and replaced by one that starts at the committed offsets; held messages are then
delivered again. After a failed fetch, the new consumer fetches one partition at a time for a while (by_partition.py): a record
that can't be read becomes a delivery that is marked as unreadable, and the partition continues after it.
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
from internal.queue.kafka.by_partition import NO_PARTITION, fetch_by_partition
from internal.queue.kafka.connection import connection
from internal.queue.kafka.group_offsets import DeliveryTag, GroupOffsets
from internal.queue.kafka.records import message_of
from internal.queue.kafka.restarts import Restarts
from internal.queue.kafka.settings import KafkaSettings
from internal.queue.prefetch import PrefetchBuffer
from internal.runtime.background import running

log = structlog.get_logger(__name__)

FETCH_BYTES = 65_536
"""Bytes of one partition in one fetch: some hundred tasks, so that a long backlog does not delay the other partitions.

Larger messages are still delivered.
"""

BY_PARTITION_SECONDS = 60.0
"""How long partitions are fetched one at a time after a failed fetch."""
BY_PARTITION_PAUSE_SECONDS = 0.05
UNREADABLE_BYTES = 65_536
"""Bytes of an unreadable record that are kept for people to inspect."""


class KafkaConsumer:
    """Consumer of one topic, as the port defines it. It receives while `run` runs."""

    def __init__(self, settings: KafkaSettings, channel: Channel, topic: str, *, slots: int) -> None:
        self._settings = settings
        self._channel = channel
        self._topic = topic
        self._buffer = PrefetchBuffer(slots)
        self._restarts = Restarts()
        self._by_partition_until = 0.0

    async def receive(self) -> Delivery:
        return await self._buffer.take()

    async def acknowledge(self, delivery: Delivery) -> None:
        tag = cast("DeliveryTag", delivery.tag)
        tag.group.finish(tag)

    async def release(self, delivery: Delivery) -> None:
        """Return the message to the front of the buffer. It stays uncommitted, so a successor gets it if this consumer closes."""
        tag = cast("DeliveryTag", delivery.tag)
        if tag.group.is_pending(tag):
            self._buffer.put_back(delivery)

    def fault(self) -> str | None:
        """Return a sentence if the consumer restarts repeatedly, else None."""
        restarts = self._restarts.frequent()
        return f"The consumer of {self._topic} was {restarts}" if restarts else None

    async def run(self) -> None:
        """Consume until cancelled, through every outage."""
        while True:
            try:
                await self._consume()
            except Exception as error:  # aiokafka's errors are of any type, and a worker must keep consuming
                self._restarts.record(error)
                CONSUMER_RESTARTS.labels(self._channel).inc()
                log.warning("queue.consumer_restarts", topic=self._topic, error=repr(error))
            await asyncio.sleep(self._restarts.pause_seconds)

    async def _consume(self) -> None:
        """Run one aiokafka consumer. It leaves its group at the end, so that its partitions move to others immediately."""
        consumer = self._new_consumer()
        group = GroupOffsets(consumer, on_lost=lambda: self._buffer.discard(_is_not_pending))
        try:
            consumer.subscribe([self._topic], listener=group)
            await consumer.start()
            async with running(kafka_commits=group.run()):
                await self._poll(consumer, group)
        finally:
            self._buffer.discard(lambda _: True)
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
        """Fetch messages for the free slots, until an error.

        INVARIANT: it polls several times in each poll interval, also while no message is received, so that a long decode does not
        evict the consumer (tests/contract/test_queue.py::test_what_is_held_for_long_is_given_to_nobody_else). Without free slots
        it polls a partition that does not exist: `pause()` would discard fetched records, and fetch them again.
        """
        interval = self._settings.poll_seconds / 4
        while True:
            if not self._buffer.free_slots:
                await consumer.getmany(NO_PARTITION)
            elif time.monotonic() < self._by_partition_until:
                await self._fetch_by_partition(consumer, group)
            else:
                await self._fetch(consumer, group, interval)
            _raise_if_dead(consumer)
            await self._buffer.wait_for_free_slots(interval)

    async def _fetch(self, consumer: AIOKafkaConsumer, group: GroupOffsets, within: float) -> None:
        """Fetch from all partitions in one call. An error ends this consumer, because it has lost records of other partitions."""
        try:
            fetched = await consumer.getmany(timeout_ms=int(within * 1000), max_records=self._buffer.free_slots)
        except Exception:
            self._by_partition_until = time.monotonic() + BY_PARTITION_SECONDS
            raise
        for partition, records in fetched.items():
            for record in records:
                self._enqueue(partition, record, group)

    async def _fetch_by_partition(self, consumer: AIOKafkaConsumer, group: GroupOffsets) -> None:
        def track(partition: TopicPartition, item: Item) -> None:
            if isinstance(item, Unreadable):
                self._by_partition_until = time.monotonic() + BY_PARTITION_SECONDS
                self._enqueue_unreadable(partition, item, group)
            else:
                self._enqueue(partition, item, group)

        if not await fetch_by_partition(consumer, self._buffer.free_slots, FETCH_BYTES, track):
            await asyncio.sleep(BY_PARTITION_PAUSE_SECONDS)

    def _enqueue(self, partition: TopicPartition, record: ConsumerRecord, group: GroupOffsets) -> None:
        if (tag := group.track(partition, record.offset)) is not None:
            source = f"{record.topic}/{record.partition}/{record.offset}"
            self._buffer.put(Delivery(message_of(record), self._channel, source, tag))

    def _enqueue_unreadable(self, partition: TopicPartition, found: Unreadable, group: GroupOffsets) -> None:
        if (tag := group.track(partition, found.first, found.last)) is not None:
            UNREADABLE_RECORDS.labels(self._channel).inc()
            offsets = str(found.first) if found.first == found.last else f"{found.first}-{found.last}"
            message = Message(type="", key="", body=found.raw[:UNREADABLE_BYTES])
            source = f"{partition.topic}/{partition.partition}/{offsets}"
            self._buffer.put(Delivery(message, self._channel, source, tag, unreadable=found.reason))


async def _stop(consumer: AIOKafkaConsumer) -> None:
    """Leave the group and close the connections. Never raises, because an error here would replace a cancellation.

    If the consumer's fetching task has died, aiokafka's stop() raises its error and leaves the connections open.
    """
    try:
        await consumer.stop()
    except Exception as error:
        log.warning("queue.consumer_not_stopped", error=repr(error))
        await consumer._client.close()  # private, because only stop() closes it


def _raise_if_dead(consumer: AIOKafkaConsumer) -> None:
    """Raise if the fetching task has ended. aiokafka 0.14.0 only logs that, and then returns no records forever."""
    if (fetching := consumer._fetcher.error_future).done():  # private, because nothing public reports this task
        raise RuntimeError("aiokafka's fetching task has ended") from fetching.exception()


def group_of(settings: KafkaSettings, channel: Channel) -> str:
    """Return the consumer group of a channel; internal/queue/kafka/queue.py says why each has its own."""
    return f"{settings.group_id}-{channel}"


def _is_not_pending(delivery: Delivery) -> bool:
    tag = cast("DeliveryTag", delivery.tag)
    return not tag.group.is_pending(tag)


@asynccontextmanager
async def open_kafka_consumer(
    settings: KafkaSettings, channel: Channel, topic: str, *, slots: int
) -> AsyncIterator[KafkaConsumer]:
    """Consume in the background while the block runs; at its end, commit finished messages and leave the group."""
    consumer = KafkaConsumer(settings, channel, topic, slots=slots)
    async with running(kafka_consumer=consumer.run()):
        yield consumer
