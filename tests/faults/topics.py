"""State of Kafka after a run: the published records, and the tasks that are not acknowledged. It joins no group."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import confluent_kafka
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]  # it is public, and not declared so

KAFKA_SECONDS = 30.0


@dataclass(frozen=True)
class Record:
    """A Kafka record; of a header that stands twice, the last."""

    topic: str
    headers: dict[str, str]
    value: bytes


@dataclass(frozen=True)
class Topics:
    """`lanes`: the topic of each lane, and the group that consumes it."""

    brokers: str
    events: str
    dead_letters: str
    lanes: Mapping[str, str]

    def read(self, topic: str) -> list[Record]:
        """Everything that the topic has now."""
        settings = {
            "bootstrap.servers": self.brokers,
            "group.id": f"checker-{uuid4().hex}",  # asked for, and never joined
            "enable.auto.commit": False,
            "fetch.wait.max.ms": 20,
        }
        with closing(confluent_kafka.Consumer(settings)) as consumer:
            return list(_records(consumer, topic))

    def undone(self) -> dict[str, int]:
        """How many messages of each lane's topic are there and not acknowledged, for the partitions that have some."""
        admin = AdminClient({"bootstrap.servers": self.brokers})
        found: dict[str, int] = {}
        for topic, group in self.lanes.items():
            partitions = _partitions(admin, topic)
            asked = confluent_kafka.ConsumerGroupTopicPartitions(group, partitions)
            committed = admin.list_consumer_group_offsets([asked])[group].result(KAFKA_SECONDS).topic_partitions
            begins, ends = (_offsets(admin, partitions, which) for which in ("earliest", "latest"))
            for place in committed:  # a negative offset: never committed
                if (left := ends[place.partition] - max(place.offset, begins[place.partition])) > 0:
                    found[f"{topic}/{place.partition}"] = left
        return found


def _partitions(client: Any, topic: str) -> list[Any]:
    numbers = client.list_topics(topic, timeout=KAFKA_SECONDS).topics[topic].partitions
    return [confluent_kafka.TopicPartition(topic, number) for number in numbers]


def _offsets(admin: Any, partitions: Iterable[Any], which: str) -> dict[int, int]:
    """`which`: "earliest" or "latest"."""
    answers = admin.list_offsets(dict.fromkeys(partitions, getattr(OffsetSpec, which)()))
    return {place.partition: answer.result(KAFKA_SECONDS).offset for place, answer in answers.items()}


def _records(consumer: Any, topic: str) -> Iterator[Record]:
    missing: dict[int, int] = {}
    starts = []
    for place in _partitions(consumer, topic):
        low, high = consumer.get_watermark_offsets(place, timeout=KAFKA_SECONDS)
        if low < high:
            starts.append(confluent_kafka.TopicPartition(topic, place.partition, low))
            missing[place.partition] = high
    consumer.assign(starts)
    while missing:
        message = consumer.poll(KAFKA_SECONDS)
        if message is None or message.error():
            raise RuntimeError(f"{topic} can't be read: {message and message.error()}")
        if message.offset() + 1 >= missing.get(message.partition(), 0):
            missing.pop(message.partition(), None)
        headers = {name: (value or b"").decode() for name, value in message.headers() or ()}
        yield Record(topic, headers, message.value() or b"")
