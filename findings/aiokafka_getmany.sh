#!/usr/bin/env bash
# getmany() of aiokafka that raises for one partition has already taken records out of others: they are never given
#
# Expected: records that are not given are given by the next call; or a batch that can't be read raises before anything is taken out.
# Seen: aiokafka 0.14.0 (Python 3.11; the mock broker of confluent-kafka 2.16.1), on 2026-11-30, three partitions with a record each and one
#   with a batch of wrong checksum: getmany() raises CorruptRecordException, and the positions of those partitions that stood before it
#   have moved behind records that no call gives any more. In which order partitions stand is chance, so the script tries until it is so.
# Why it matters: who catches the error and polls on, and then commits positions, loses these records. After any error of getmany() one
#   begins again at the committed offsets; getmany(partition), one at a time, loses nothing.
# Exit code: 0 while that is so, 1 when the behaviour has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check aiokafka==0.14.0 confluent-kafka==2.16.1
"$folder/venv/bin/python" - <<'PYTHON'
import asyncio
import struct
import sys
from importlib.metadata import version

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import CorruptRecordException
from aiokafka.protocol.produce import ProduceRequest
from confluent_kafka import Producer

TRIES = 50
print("aiokafka", version("aiokafka"), "confluent-kafka", version("confluent-kafka"))
# Version 2 of https://kafka.apache.org/documentation/#recordbatch: one empty record, and a checksum that is wrong.
BODY = struct.pack(">ibIhiqqqhii", 0, 2, 1, 0, 0, 0, 0, -1, -1, -1, 1) + bytes([12, 0, 0, 0, 1, 1, 0])
WRONG = struct.pack(">qi", 0, len(BODY)) + BODY


async def main() -> bool:
    cluster = Producer({"bootstrap.servers": "the mock", "test.mock.num.brokers": 1, "log_level": 3})
    broker = next(iter(cluster.list_topics(timeout=20).brokers.values()))
    brokers = f"{broker.host}:{broker.port}"
    async with AIOKafkaProducer(bootstrap_servers=brokers) as producer:
        await producer.partitions_for("topic")
        for number in range(1, 4):
            await producer.send_and_wait("topic", b"record", partition=number)
        answer = await producer.client.send(broker.id, ProduceRequest(None, -1, 10_000, [("topic", [(0, WRONG)])]))
        assert answer.topics[0][1][0][1] == 0, answer
    for attempt in range(TRIES):
        lost = await lost_in_a_call(brokers)
        print(f"try {attempt + 1}: taken out and never given: partitions {lost}")
        if lost:
            return True
    return False


async def lost_in_a_call(brokers: str) -> list[int]:
    """The partitions whose position moved in the call that raised, and whose record no later call gives."""
    sound = [TopicPartition("topic", number) for number in range(1, 4)]
    async with AIOKafkaConsumer(bootstrap_servers=brokers, auto_offset_reset="earliest") as consumer:
        consumer.assign([TopicPartition("topic", 0), *sound])
        given: set[int] = set()
        raised = False
        while not raised:
            try:
                given |= {partition.partition for partition in await consumer.getmany(timeout_ms=10_000)}
            except CorruptRecordException:
                raised = True
        moved = [one.partition for one in sound if await consumer.position(one) == 1]
        for _ in range(5):
            given |= {partition.partition for partition in await consumer.getmany(*sound, timeout_ms=1000)}
        return sorted(set(moved) - given)


sys.exit(not asyncio.run(main()))
PYTHON
