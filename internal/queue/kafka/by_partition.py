"""Fetching one partition at a time, past records that aiokafka can't read.

aiokafka's getmany() over all partitions is fast. But when it raises (seen with 0.14.0), that consumer never returns the records
that it had already taken from the other partitions, and the error does not name the partition. For one partition it loses
nothing: the position stays at the first record that it has not returned. From there the raw batch is fetched from the broker and
read record by record.
"""

import random
from collections.abc import Callable
from typing import TypeAlias

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import NoError, RecordTooLargeError, for_code
from aiokafka.protocol.fetch import FetchRequest

from internal.queue.kafka.batches import Item, last_offset, read_batch

log = structlog.get_logger(__name__)

WAIT_MS = 500
NO_PARTITION = TopicPartition("", -1)
"""Polling this partition fetches nothing. It keeps the consumer in its group, and raises the group's errors."""

Track: TypeAlias = Callable[[TopicPartition, Item], None]


async def fetch_by_partition(consumer: AIOKafkaConsumer, most: int, fetch_bytes: int, track: Track) -> int:
    """Call `track` for up to `most` available records, and return their number. Raises any error of aiokafka's fetch.

    INVARIANT: the position passes a record only when the record is tracked, and no readable record is skipped
    (tests/contract/test_queue_unreadable.py).
    """
    await consumer.getmany(NO_PARTITION)
    tracked = 0
    for partition in random.sample(assigned := list(consumer.assignment()), len(assigned)):
        if tracked == most:
            break
        try:
            fetched = await consumer.getmany(partition, max_records=most - tracked)
            items = fetched.get(partition, [])
        except Exception as error:  # codec libraries raise errors of any type
            log.warning("queue.batch_refused", topic=partition.topic, partition=partition.partition, error=repr(error))
            items = await _read_refused(consumer, partition, most - tracked, fetch_bytes, error)
        for item in items:
            track(partition, item)
        tracked += len(items)
    return tracked


async def _read_refused(
    consumer: AIOKafkaConsumer, partition: TopicPartition, most: int, fetch_bytes: int, error: Exception
) -> list[Item]:
    """Read the batch at the partition's position. Raises `error` again if there is none."""
    current = await consumer.position(partition)
    position = current - 1 if isinstance(error, RecordTooLargeError) else current  # aiokafka advances before it raises this one
    batch = read_batch(await _fetch_stored(consumer, partition, position, fetch_bytes), partition, position)
    if batch.next_offset == position:
        raise error
    items = batch.items[:most]
    if await consumer.position(partition) != current:  # the partition was revoked meanwhile, and assigned again
        return []
    consumer.seek(partition, batch.next_offset if len(items) == len(batch.items) else last_offset(items[-1]) + 1)
    return items


async def _fetch_stored(consumer: AIOKafkaConsumer, partition: TopicPartition, position: int, fetch_bytes: int) -> bytes:
    """Fetch raw batches from the broker; the first one is complete, whatever its size. Raises KafkaError."""
    client = consumer._client  # private, because no public call of aiokafka 0.14.0 returns a batch's bytes
    request = FetchRequest(
        WAIT_MS, 1, fetch_bytes, 0, [(partition.topic, [(partition.partition, position, fetch_bytes)])], rack_id=""
    )
    response = await client.send(client.cluster.leader_for_partition(partition), request)
    for _, partitions in response.topics:
        for _, code, _, *_, stored in partitions:
            if (error := for_code(code)) is not NoError:
                raise error(f"fetching {partition} at {position}")
            return bytes(stored or b"")
    return b""
