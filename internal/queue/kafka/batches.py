"""Reader of raw Kafka record batches, record by record, for batches that aiokafka refuses as a whole.

The format is version 2 of https://kafka.apache.org/documentation/#recordbatch, the only one that brokers write since Kafka 4:

    batch   base offset i64, length i32, leader epoch i32, version i8, CRC-32C u32, attributes i16, last offset delta i32,
            first and last timestamp i64, producer id i64, producer epoch i16, base sequence i32, count i32;
            then the records, compressed together
    record  length, attributes, timestamp delta, offset delta, key, value, count of headers, their names and values;
            numbers are zigzag varints, and texts and bytes begin with their length, -1 for none

Pure: no I/O. Memory holds one batch and its decompressed content. Every count and length in it is checked.
"""

import struct
from collections.abc import Callable, Iterator
from typing import TypeAlias

from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.codec import gzip_decode, lz4_decode, snappy_decode, zstd_decode
from aiokafka.record.util import calc_crc32c
from msgspec import Struct
from msgspec.structs import replace

HEADER = struct.Struct(">qiibIhiqqqhii")
CRC_FROM = struct.calcsize(">qiibI")
LENGTH_FROM = struct.calcsize(">qi")
VERSION = 2
CODEC_BITS, CONTROL_BIT = 0x07, 0x20
MAX_VARINT_BYTES = 10

CODECS: dict[int, tuple[str, Callable[[bytes], bytes]]] = {
    0: ("none", bytes),
    1: ("gzip", gzip_decode),
    2: ("snappy", snappy_decode),
    3: ("lz4", lz4_decode),
    4: ("zstd", zstd_decode),
}


class Unreadable(Struct, frozen=True):
    """Records that can't be read: offsets `first` to `last` inclusive, the reason as a sentence, and the stored bytes."""

    first: int
    last: int
    reason: str
    raw: bytes


Item: TypeAlias = ConsumerRecord | Unreadable


class Batch(Struct, frozen=True):
    """Content of a batch from a position on, in order. `next_offset` follows it; without content it is the position."""

    items: list[Item]
    next_offset: int


class _Malformed(Exception):
    """The bytes violate the format. The text says where."""


def read_batch(stored: bytes, partition: TopicPartition, position: int) -> Batch:
    """Read the first batch of `stored`, from `position` on. Never raises.

    If even the batch's header is invalid, one offset is given up and the next position is the one after it: the broker knows
    where the next batch begins, so no readable record is skipped.
    """
    try:
        return _read(stored, partition, position)
    except _Malformed as malformed:
        return Batch([Unreadable(position, position, str(malformed), _first_batch(stored))], position + 1)


def _first_batch(stored: bytes) -> bytes:
    """Return the bytes of the first batch, as far as its length is plausible. The bytes after it differ between fetches."""
    length = HEADER.unpack_from(stored)[1] if len(stored) >= HEADER.size else 0
    return stored[: max(HEADER.size, LENGTH_FROM + length)]


def _read(stored: bytes, partition: TopicPartition, position: int) -> Batch:
    if not stored:
        return Batch([], position)
    if len(stored) < HEADER.size:
        raise _Malformed(f"the record batch has {len(stored)} bytes, too few for its header")
    base, length, _, version, crc, attributes, last_delta, *_, count = HEADER.unpack_from(stored)
    end = LENGTH_FROM + length
    if version != VERSION:
        raise _Malformed(f"the record batch has format {version}")
    if not HEADER.size <= end <= len(stored):
        raise _Malformed(f"the record batch says that it has {end} bytes, and {len(stored)} came")
    if calc_crc32c(stored[CRC_FROM:end]) != crc:
        raise _Malformed("the record batch's checksum is wrong")
    first, last = max(position, base), base + last_delta
    if last_delta < 0:
        raise _Malformed(f"the record batch says that it ends at {last}, before it begins")
    if last < position:
        return Batch([], position)
    if attributes & CONTROL_BIT:
        return Batch([], last + 1)
    try:
        records = _decompressed(stored[HEADER.size : end], attributes & CODEC_BITS)
    except _Malformed as malformed:
        return Batch([Unreadable(first, last, str(malformed), stored[:end])], last + 1)
    items = [
        _from_position(position, item)
        for item in _records(records, partition, base, last, count)
        if last_offset(item) >= position
    ]
    return Batch(items, last + 1)


def _decompressed(content: bytes, codec: int) -> bytes:
    if codec not in CODECS:
        raise _Malformed(f"the record batch is compressed with codec {codec}, which is unknown")
    name, decode = CODECS[codec]
    try:
        return decode(content)
    except Exception as error:  # codec libraries raise errors of any type
        raise _Malformed(f"the record batch can't be decompressed with {name}: {error!r}") from error


def _records(content: bytes, partition: TopicPartition, base: int, last: int, count: int) -> Iterator[Item]:
    """Yield each record by its own length, so that a malformed record does not affect the others.

    If the start of the next record is unknown, or the count is wrong, all remaining offsets are one Unreadable.
    """
    reader, offset, reason = _Reader(content), base, "bytes are left behind the last record of the batch"
    start = 0
    for _ in range(count):
        start = reader.position
        if offset > last:
            break
        try:
            record = reader.part()
        except _Malformed as malformed:
            reason = str(malformed)
            break
        try:
            found = _record(record, partition, base)
            if not offset <= found.offset <= last:
                raise _Malformed(f"a record has offset {found.offset}, expected {offset} to {last}")
        except _Malformed as malformed:
            yield Unreadable(offset, offset, str(malformed), record)
            offset += 1
        else:
            yield found
            offset = found.offset + 1
        start = reader.position
    if start < len(content) and offset <= last:
        yield Unreadable(offset, last, reason, content[start:])


def _record(content: bytes, partition: TopicPartition, base: int) -> ConsumerRecord:
    reader = _Reader(content)
    _attributes, _timestamp_delta, offset_delta = reader.number(), reader.number(), reader.number()
    key, value = reader.optional_part(), reader.optional_part()
    headers = [(_name(reader.optional_part()), reader.optional_part()) for _ in range(reader.count())]
    if reader.position != len(content):
        raise _Malformed(f"{len(content) - reader.position} bytes are left behind a record")
    return ConsumerRecord(
        topic=partition.topic, partition=partition.partition, offset=base + offset_delta, timestamp=-1,
        timestamp_type=0, key=key, value=value, checksum=None, serialized_key_size=-1 if key is None else len(key),
        serialized_value_size=-1 if value is None else len(value), headers=headers,
    )  # fmt: skip


def _name(content: bytes | None) -> str:
    """Decode a header's name. Brokers accept any bytes; invalid UTF-8 becomes U+FFFD, as in Kafka's Java client."""
    if content is None:
        raise _Malformed("a header has no name")
    return content.decode("utf-8", errors="replace")


def last_offset(item: Item) -> int:
    """Return the offset of a record, or the last offset of an Unreadable."""
    return item.last if isinstance(item, Unreadable) else int(item.offset)


def _from_position(position: int, item: Item) -> Item:
    """Cut off the offsets below `position`, which are tracked already."""
    return replace(item, first=max(position, item.first)) if isinstance(item, Unreadable) else item


class _Reader:
    """Cursor over bytes. Every step is checked against their end."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.position = 0

    def number(self) -> int:
        """Read a zigzag varint."""
        value = 0
        for shift in range(0, 7 * MAX_VARINT_BYTES, 7):
            if self.position >= len(self._content):
                raise _Malformed("a record ends in the middle of a number")
            byte = self._content[self.position]
            self.position += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return (value >> 1) ^ -(value & 1)
        raise _Malformed(f"a number has more than {MAX_VARINT_BYTES} bytes")

    def part(self) -> bytes:
        """Read bytes that must be present."""
        if (part := self.optional_part()) is None:
            raise _Malformed("a record has a negative length")
        return part

    def optional_part(self) -> bytes | None:
        """Read bytes; None for a negative length."""
        length = self.number()
        if length < 0:
            return None
        if self.position + length > len(self._content):
            raise _Malformed(f"a record says that {length} bytes follow, and {len(self._content) - self.position} do")
        self.position += length
        return self._content[self.position - length : self.position]

    def count(self) -> int:
        """Read the number of headers that follow. Each takes at least two bytes."""
        count = self.number()
        if not 0 <= count <= (len(self._content) - self.position) // 2:
            raise _Malformed(f"a record says that {count} headers follow")
        return count
