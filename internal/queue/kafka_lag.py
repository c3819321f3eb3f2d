"""How far a consumer group is behind: messages in its topic that nobody has acknowledged yet."""

from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from internal.errors import QueueUnavailable
from internal.queue.kafka_connection import connection
from internal.settings import Kafka


async def lag_of(settings: Kafka, topic: str, group: str, *, request_seconds: float) -> int:
    """Over all partitions. Connects for each call: it is asked every few seconds at most. Raises QueueUnavailable."""
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
    done = {partition: meta.offset for partition, meta in committed.items() if meta.offset >= 0}
    return sum(max(0, end - max(done.get(partition, 0), begins[partition])) for partition, end in ends.items())
