"""Queue adapter for Kafka: a channel is a topic, a message is a record, an acknowledgement is a committed offset.

A channel whose topic is configured as empty is not exported. Each channel has its own consumer group, `<group_id>-<channel>`: in
a common group, each consumer that joins or leaves would also interrupt the consumers of the other lane.
"""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from internal.domain.errors import QueueUnavailable
from internal.domain.message import Channel, Message
from internal.ports.queue import Positions
from internal.queue.kafka.consumer import KafkaConsumer, group_of, open_kafka_consumer
from internal.queue.kafka.lag import lag_of, positions_of
from internal.queue.kafka.publisher import Publisher
from internal.queue.kafka.settings import KafkaSettings
from internal.queue.kafka.topics import create_topics, topics
from internal.runtime.background import running

__all__ = ["KafkaQueue", "create_topics", "open_kafka_queue"]


class KafkaQueue:
    """Queue on Kafka, as the port defines it. Requests for lag and positions time out after `look_seconds`."""

    def __init__(self, settings: KafkaSettings, publisher: Publisher, look_seconds: float) -> None:
        self._settings = settings
        self._topics = topics(settings)
        self._publisher = publisher
        self._look_seconds = look_seconds
        self._consumers: set[KafkaConsumer] = set()

    @property
    def exports(self) -> frozenset[Channel]:
        return frozenset(self._topics)

    async def publish(self, channel: Channel, message: Message) -> None:
        await self._publisher.publish(self._topic(channel), message)

    def consume(self, channel: Channel, *, slots: int) -> AbstractAsyncContextManager[KafkaConsumer]:
        return self._consume(channel, self._topic(channel), slots)

    @asynccontextmanager
    async def _consume(self, channel: Channel, topic: str, slots: int) -> AsyncIterator[KafkaConsumer]:
        async with open_kafka_consumer(self._settings, channel, topic, slots=slots) as consumer:
            self._consumers.add(consumer)
            try:
                yield consumer
            finally:
                self._consumers.discard(consumer)

    async def check(self) -> None:
        await self._publisher.check()
        for consumer in self._consumers:
            if fault := consumer.fault():
                raise QueueUnavailable(fault)

    async def lag(self, channel: Channel) -> int:
        return lag_of(await self.positions(channel))

    async def positions(self, channel: Channel) -> Positions:
        group = group_of(self._settings, channel)
        return await positions_of(self._settings, self._topic(channel), group, request_seconds=self._look_seconds)

    def _topic(self, channel: Channel) -> str:
        if channel not in self._topics:
            raise ValueError(f"channel is not exported, its topic is empty: {channel}")
        return self._topics[channel]


@asynccontextmanager
async def open_kafka_queue(settings: KafkaSettings, *, look_seconds: float) -> AsyncIterator[KafkaQueue]:
    """Open the queue without waiting for Kafka. It connects and reconnects in the background."""
    publisher = Publisher(settings)
    async with running(kafka_producer=publisher.run()):
        yield KafkaQueue(settings, publisher, look_seconds)
