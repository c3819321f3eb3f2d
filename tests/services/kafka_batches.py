"""Record batches written byte by byte, as no producer writes them, and how to put them into a partition.

The format: https://kafka.apache.org/documentation/#recordbatch
"""

import struct
from collections.abc import Callable, Sequence

from aiokafka import AIOKafkaProducer
from aiokafka.errors import NoError, for_code
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.record.util import calc_crc32c

from tests.services.waiting import eventually

Header = tuple[bytes, bytes | None]


def varint(number: int) -> bytes:
    """Zigzag."""
    left, parts = (number << 1) ^ (number >> 63), bytearray()
    while left > 0x7F:
        parts.append(left & 0x7F | 0x80)
        left >>= 7
    return bytes([*parts, left])


def part(content: bytes | None) -> bytes:
    return varint(-1) if content is None else varint(len(content)) + content


def record(
    delta: int, value: bytes | None, *, headers: Sequence[Header] = ((b"type", b"image.process"),), more: bytes = b""
) -> bytes:
    """The record of this offset in its batch; `more`: bytes that do not belong there."""
    texts = b"".join(part(name) + part(content) for name, content in headers)
    return part(b"\0" + varint(0) + varint(delta) + part(b"key") + part(value) + varint(len(headers)) + texts + more)


def batch(
    records: Sequence[bytes],
    *,
    base: int = 0,
    codec: int = 0,
    compress: Callable[[bytes], bytes] = bytes,
    count: int | None = None,
    last_delta: int | None = None,
    version: int = 2,
    control: bool = False,
    crc_off_by: int = 0,
) -> bytes:
    """A batch of them; a broker writes its own base offset. What is not given is as it should be."""
    last = len(records) - 1 if last_delta is None else last_delta
    behind_crc = struct.pack(
        ">hiqqqhii", codec | (0x20 if control else 0), last, 0, 0, -1, -1, -1, len(records) if count is None else count
    ) + compress(b"".join(records))
    crc = (calc_crc32c(behind_crc) + crc_off_by) % 2**32
    rest = struct.pack(">ibI", 0, version, crc) + behind_crc
    return struct.pack(">qi", base, len(rest)) + rest


def with_length(stored: bytes, length: int) -> bytes:
    """A batch that says another length than it has."""
    return stored[:8] + struct.pack(">i", length) + stored[12:]


async def store(brokers: str, topic: str, partition: int, content: bytes) -> None:
    """Have the broker keep this batch as it is. Raises what the broker says against it."""
    async with AIOKafkaProducer(bootstrap_servers=brokers) as producer:
        await producer.partitions_for(topic)

        async def stored() -> bool:
            leader = next(iter(producer.client.cluster.brokers())).nodeId
            response = await producer.client.send(leader, ProduceRequest(None, -1, 10_000, [(topic, [(partition, content)])]))
            ((_, ((_, code, *_),)),) = response.topics
            error = for_code(code)
            if error is not NoError and not error.retriable:
                raise error
            return error is NoError

        await eventually(stored)  # a topic that was made just now has no leader yet
