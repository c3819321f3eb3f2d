#!/usr/bin/env bash
# aiokafka can't pass a record that has a header whose name is not UTF-8: every fetch of its partition raises UnicodeDecodeError
#
# Expected: brokers keep names of headers as bytes (Apache Kafka 4.3.1 takes the batch below, and Java's consumer shows such a name with
#   U+FFFD), so the record is given, with a name that is marked or as bytes; or an error that names topic, partition and offset, as Java's
#   RecordDeserializationException does, so that one can seek behind it.
# Seen: aiokafka 0.14.0 (Python 3.11; the mock broker of confluent-kafka 2.16.1), on 2026-11-30: a bare UnicodeDecodeError that says nothing
#   of where it was, each time. The record before it in the same batch is given by getone() and never by getmany(), the one behind it by
#   neither, and seek() behind the odd one does not help: the client reads the batch from its beginning.
# Why it matters: one record of anybody's stops the partition for a group that only catches KafkaError, or that starts again after errors.
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
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.record.util import calc_crc32c
from confluent_kafka import Producer

print("aiokafka", version("aiokafka"), "confluent-kafka", version("confluent-kafka"))


def varint(number: int) -> bytes:
    """Zigzag, of small numbers."""
    return bytes([number << 1])


def text(content: bytes) -> bytes:
    return varint(len(content)) + content


def record(delta: int, value: bytes, header: bytes) -> bytes:
    return text(b"\0" + varint(0) + varint(delta) + text(b"key") + text(value) + varint(1) + text(header) + text(b"x"))


def batch(*records: bytes) -> bytes:
    """Version 2 of https://kafka.apache.org/documentation/#recordbatch, not compressed."""
    body = struct.pack(">hiqqqhii", 0, len(records) - 1, 0, 0, -1, -1, -1, len(records)) + b"".join(records)
    rest = struct.pack(">ibI", 0, 2, calc_crc32c(body)) + body
    return struct.pack(">qi", 0, len(rest)) + rest


async def main() -> bool:
    cluster = Producer({"bootstrap.servers": "the mock", "test.mock.num.brokers": 1, "log_level": 3})
    broker = next(iter(cluster.list_topics(timeout=20).brokers.values()))
    brokers, partition = f"{broker.host}:{broker.port}", TopicPartition("topic", 0)
    stored = batch(record(0, b"before", b"name"), record(1, b"odd", b"n\xe4me"), record(2, b"behind", b"name"))
    async with AIOKafkaProducer(bootstrap_servers=brokers) as producer:
        await producer.partitions_for("topic")
        await producer.client.send(broker.id, ProduceRequest(None, -1, 10_000, [("topic", [(0, stored)])]))
    seen = []
    async with AIOKafkaConsumer(bootstrap_servers=brokers, auto_offset_reset="earliest") as consumer:
        consumer.assign([partition])
        for name in ("getmany", "getone", "getone", "seek", "getone"):
            try:
                if name == "seek":
                    consumer.seek(partition, 2)
                    continue
                given = await (consumer.getone() if name == "getone" else consumer.getmany(timeout_ms=10_000))
                seen.append((name, given.value if name == "getone" else given))
            except Exception as error:
                seen.append((name, f"{type(error).__name__}: {error}"))
            print(*seen[-1], "position", await consumer.position(partition))
    return [said if isinstance(said, bytes) else said.split(":")[0] for _, said in seen] == [
        "UnicodeDecodeError", b"before", "UnicodeDecodeError", "UnicodeDecodeError",
    ]  # fmt: skip


sys.exit(not asyncio.run(main()))
PYTHON
