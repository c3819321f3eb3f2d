"""The queue on Kafka: a channel is a topic, a message a record, an acknowledgement a committed offset.

A channel whose topic is configured empty is not exported. Each channel has a consumer group of its own, `<group_id>-<channel>`:
in one group for all, a consumer that comes or goes would make those of the other lane stop and rejoin too.
"""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from internal.queue.background import running
from internal.queue.kafka_consumer import KafkaConsumer, group_of, open_kafka_consumer
from internal.queue.kafka_lag import lag_of
from internal.queue.kafka_publisher import Publisher
from internal.queue.kafka_topics import create_topics, topics
from internal.queue.port import Channel, Message
from internal.settings import Kafka

__all__ = ["POLL_INTERVAL_SECONDS", "KafkaQueue", "create_topics", "open_kafka_queue"]

POLL_INTERVAL_SECONDS = 30.0


class KafkaQueue:
    """The port's Queue. `poll_interval_seconds`: a consumer whose process has stalled for so long leaves its group."""

    def __init__(self, settings: Kafka, publisher: Publisher, poll_interval_seconds: float) -> None:
        self._settings = settings
        self._topics = topics(settings)
        self._publisher = publisher
        self._poll_interval_seconds = poll_interval_seconds

    @property
    def exports(self) -> frozenset[Channel]:
        return frozenset(self._topics)

    async def publish(self, channel: Channel, message: Message) -> None:
        await self._publisher.publish(self._topic(channel), message)

    def consume(self, channel: Channel, *, slots: int) -> AbstractAsyncContextManager[KafkaConsumer]:
        topic = self._topic(channel)
        return open_kafka_consumer(self._settings, channel, topic, slots=slots, poll_interval_seconds=self._poll_interval_seconds)

    async def check(self) -> None:
        await self._publisher.check()

    async def lag(self, channel: Channel) -> int:
        return await lag_of(self._settings, self._topic(channel), group_of(self._settings, channel))

    def _topic(self, channel: Channel) -> str:
        if channel not in self._topics:
            raise ValueError(f"not exported, its topic is empty: {channel}")
        return self._topics[channel]


@asynccontextmanager
async def open_kafka_queue(settings: Kafka, *, poll_interval_seconds: float = POLL_INTERVAL_SECONDS) -> AsyncIterator[KafkaQueue]:
    """Open the queue without waiting for Kafka; it connects, and reconnects, by itself."""
    publisher = Publisher(settings)
    async with running(kafka_producer=publisher.run()):
        yield KafkaQueue(settings, publisher, poll_interval_seconds)
