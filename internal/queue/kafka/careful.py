"""Fetching one partition at a time, past what aiokafka can't read.

aiokafka's getmany() over all partitions is quick, but when it raises (seen with 0.14.0), what it has already taken out of the
others never comes again from that consumer, and it does not say where the fault is. Asked for one partition it loses nothing: the
position stays at the first record that it has not given. From there the batch is fetched as the broker stores it and read record
by record.
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
NOTHING = TopicPartition("", -1)
"""To poll for, when nothing is wanted: it keeps the consumer in its group, and raises what is wrong with the group."""

HandOut: TypeAlias = Callable[[TopicPartition, Item], None]


async def fetch_carefully(consumer: AIOKafkaConsumer, most: int, fetch_bytes: int, track: HandOut) -> int:
    """Hand out up to `most` records that are there now, and return how many. Raises whatever aiokafka does when a fetch fails.

    INVARIANT: the position goes behind a record only when it is handed out, and nothing that can be read is passed over
    (tests/contract/test_queue_unreadable.py).
    """
    await consumer.getmany(NOTHING)
    handed_out = 0
    for partition in random.sample(assigned := list(consumer.assignment()), len(assigned)):
        if handed_out == most:
            break
        try:
            fetched = await consumer.getmany(partition, max_records=most - handed_out)
            items = fetched.get(partition, [])
        except Exception as error:  # a codec's library raises what it likes
            log.warning("queue.batch_refused", topic=partition.topic, partition=partition.partition, error=repr(error))
            items = await _read_refused(consumer, partition, most - handed_out, fetch_bytes, error)
        for item in items:
            track(partition, item)
        handed_out += len(items)
    return handed_out


async def _read_refused(
    consumer: AIOKafkaConsumer, partition: TopicPartition, most: int, fetch_bytes: int, error: Exception
) -> list[Item]:
    """What stands at the partition's position; `error` is raised again when nothing does."""
    stands = await consumer.position(partition)
    position = stands - 1 if isinstance(error, RecordTooLargeError) else stands  # aiokafka moves on before it raises that one
    batch = read_batch(await _fetch_stored(consumer, partition, position, fetch_bytes), partition, position)
    if batch.next_offset == position:
        raise error
    items = batch.items[:most]
    if await consumer.position(partition) != stands:  # it was taken away meanwhile, and came back
        return []
    consumer.seek(partition, batch.next_offset if len(items) == len(batch.items) else last_offset(items[-1]) + 1)
    return items


async def _fetch_stored(consumer: AIOKafkaConsumer, partition: TopicPartition, position: int, fetch_bytes: int) -> bytes:
    """Batches as the broker has them; the first one is whole, however large. Raises KafkaError."""
    client = consumer._client  # private, because no public call of aiokafka 0.14.0 gives a batch's bytes
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
