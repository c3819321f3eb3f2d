"""Lag and positions of a consumer group."""

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from internal.domain.errors import QueueUnavailable
from internal.ports.queue import Positions
from internal.queue.kafka.connection import connection
from internal.queue.kafka.settings import KafkaSettings


def lag_of(positions: Positions) -> int:
    """Return the number of unacknowledged messages over all partitions."""
    return sum(end - positions.done[partition] for partition, end in positions.ends.items())


async def positions_of(settings: KafkaSettings, topic: str, group: str, *, request_seconds: float) -> Positions:
    """Return the group's positions in the topic. Connects on each call, which happens every few seconds at most.

    Raises QueueUnavailable.
    """
    options = connection(settings, request_seconds=request_seconds)
    admin, consumer = AIOKafkaAdminClient(**options), AIOKafkaConsumer(topic, **options)
    try:
        await consumer.start()
        await admin.start()
        ends = await consumer.end_offsets(consumer.assignment())
        begins = await consumer.beginning_offsets(consumer.assignment())
        committed = await admin.list_consumer_group_offsets(group, partitions=[*ends])  # without a list, some brokers return none
    except (KafkaError, OSError) as error:
        raise QueueUnavailable from error
    finally:
        await admin.close()
        await consumer.stop()
    if not ends.keys() <= committed.keys():  # aiokafka 0.14.0 ignores the error of a whole response: the coordinator still loads
        raise QueueUnavailable
    done = {
        # If the topic does not have the committed offset (it was recreated), the group starts at the topic's first one.
        partition: offset if begins[partition] <= (offset := committed[partition].offset) <= end else begins[partition]
        for partition, end in ends.items()
    }
    return Positions(_by_number(ends), _by_number(done))


def _by_number(offsets: dict[TopicPartition, int]) -> dict[str, int]:
    return {str(partition.partition): offset for partition, offset in offsets.items()}
