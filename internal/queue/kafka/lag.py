"""How far a consumer group is: what its topic has, and what of it is acknowledged."""

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from internal.domain.errors import QueueUnavailable
from internal.ports.queue import Positions
from internal.queue.kafka.connection import connection
from internal.queue.kafka.settings import KafkaSettings


def lag_of(positions: Positions) -> int:
    """Messages over all partitions that nobody has acknowledged yet."""
    return sum(end - positions.done[partition] for partition, end in positions.ends.items())


async def positions_of(settings: KafkaSettings, topic: str, group: str, *, request_seconds: float) -> Positions:
    """By partition. Connects for each call: it is asked every few seconds at most. Raises QueueUnavailable."""
    options = connection(settings, request_seconds=request_seconds)
    admin, consumer = AIOKafkaAdminClient(**options), AIOKafkaConsumer(topic, **options)
    try:
        await consumer.start()
        await admin.start()
        ends = await consumer.end_offsets(consumer.assignment())
        begins = await consumer.beginning_offsets(consumer.assignment())
        committed = await admin.list_consumer_group_offsets(group, partitions=[*ends])  # all at once is none to some brokers
    except (KafkaError, OSError) as error:
        raise QueueUnavailable from error
    finally:
        await admin.close()
        await consumer.stop()
    done = {
        # An offset that the topic does not have, as when it was made anew: the group begins where the topic does.
        partition: offset if begins[partition] <= (offset := committed[partition].offset) <= end else begins[partition]
        for partition, end in ends.items()
    }
    return Positions(_by_number(ends), _by_number(done))


def _by_number(offsets: dict[TopicPartition, int]) -> dict[str, int]:
    return {str(partition.partition): offset for partition, offset in offsets.items()}
