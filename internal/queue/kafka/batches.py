"""One record batch as the broker stores it, read record by record: for what aiokafka refuses as a whole.

The format is version 2 of https://kafka.apache.org/documentation/#recordbatch, the only one that brokers write since Kafka 4:

    batch   base offset i64, length i32, leader epoch i32, version i8, CRC-32C u32, attributes i16, last offset delta i32,
            first and last timestamp i64, producer id i64, producer epoch i16, base sequence i32, count i32;
            then the records, compressed together
    record  length, attributes, timestamp delta, offset delta, key, value, count of headers, their names and values;
            numbers are zigzag varints, and texts and bytes begin with their length, -1 for none

Pure: no I/O. Of a batch it holds the bytes and what they decompress to, and believes no count or length in them unchecked.
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
    """Records that nobody can read: their offsets, `last` included, a sentence that says why, and their bytes as stored."""

    first: int
    last: int
    reason: str
    raw: bytes


Item: TypeAlias = ConsumerRecord | Unreadable


class Batch(Struct, frozen=True):
    """What a batch holds from a position on, in order. `next_offset` is behind it, or the position when nothing is there."""

    items: list[Item]
    next_offset: int


class _Broken(Exception):
    """The bytes are not what the format says; the text says where."""


def read_batch(stored: bytes, partition: TopicPartition, position: int) -> Batch:
    """The first batch of `stored`, from `position` on; never raises.

    Where not even the batch's head can be trusted, one offset is given up and the next position is the one behind it: the broker
    knows where the next batch begins, and whatever can be read there is not passed over.
    """
    try:
        return _read(stored, partition, position)
    except _Broken as broken:
        return Batch([Unreadable(position, position, str(broken), _first_batch(stored))], position + 1)


def _first_batch(stored: bytes) -> bytes:
    """The bytes of the first batch, as far as its length can be true: what is behind it differs from fetch to fetch."""
    length = HEADER.unpack_from(stored)[1] if len(stored) >= HEADER.size else 0
    return stored[: max(HEADER.size, LENGTH_FROM + length)]


def _read(stored: bytes, partition: TopicPartition, position: int) -> Batch:
    if not stored:
        return Batch([], position)
    if len(stored) < HEADER.size:
        raise _Broken(f"the record batch has {len(stored)} bytes, too few for its head")
    base, length, _, version, crc, attributes, last_delta, *_, count = HEADER.unpack_from(stored)
    end = LENGTH_FROM + length
    if version != VERSION:
        raise _Broken(f"the record batch has format {version}")
    if not HEADER.size <= end <= len(stored):
        raise _Broken(f"the record batch says that it has {end} bytes, and {len(stored)} came")
    if calc_crc32c(stored[CRC_FROM:end]) != crc:
        raise _Broken("the record batch's checksum is wrong")
    first, last = max(position, base), base + last_delta
    if last_delta < 0:
        raise _Broken(f"the record batch says that it ends at {last}, before it begins")
    if last < position:
        return Batch([], position)
    if attributes & CONTROL_BIT:
        return Batch([], last + 1)
    try:
        records = _decompressed(stored[HEADER.size : end], attributes & CODEC_BITS)
    except _Broken as broken:
        return Batch([Unreadable(first, last, str(broken), stored[:end])], last + 1)
    items = [_from(position, item) for item in _records(records, partition, base, last, count) if last_offset(item) >= position]
    return Batch(items, last + 1)


def _decompressed(content: bytes, codec: int) -> bytes:
    if codec not in CODECS:
        raise _Broken(f"the record batch is compressed with codec {codec}, which nobody knows")
    name, decode = CODECS[codec]
    try:
        return decode(content)
    except Exception as error:  # each codec's library has errors of its own
        raise _Broken(f"the record batch can't be decompressed with {name}: {error!r}") from error


def _records(content: bytes, partition: TopicPartition, base: int, last: int, count: int) -> Iterator[Item]:
    """Each record by its own length, so that one that is broken does not take the others with it.

    Where the next one begins is not known, or the count is wrong, all offsets that are left are one Unreadable.
    """
    reader, offset, reason = _Reader(content), base, "bytes are left behind the last record of the batch"
    start = 0
    for _ in range(count):
        start = reader.place
        if offset > last:
            break
        try:
            record = reader.part()
        except _Broken as broken:
            reason = str(broken)
            break
        try:
            found = _record(record, partition, base)
            if not offset <= found.offset <= last:
                raise _Broken(f"a record of offset {found.offset} stands where {offset} to {last} are to come")
        except _Broken as broken:
            yield Unreadable(offset, offset, str(broken), record)
            offset += 1
        else:
            yield found
            offset = found.offset + 1
        start = reader.place
    if start < len(content) and offset <= last:
        yield Unreadable(offset, last, reason, content[start:])


def _record(content: bytes, partition: TopicPartition, base: int) -> ConsumerRecord:
    reader = _Reader(content)
    _attributes, _timestamp_delta, offset_delta = reader.number(), reader.number(), reader.number()
    key, value = reader.optional_part(), reader.optional_part()
    headers = [(_name(reader.optional_part()), reader.optional_part()) for _ in range(reader.count())]
    if reader.place != len(content):
        raise _Broken(f"{len(content) - reader.place} bytes are left behind a record")
    return ConsumerRecord(
        topic=partition.topic, partition=partition.partition, offset=base + offset_delta, timestamp=-1,
        timestamp_type=0, key=key, value=value, checksum=None, serialized_key_size=-1 if key is None else len(key),
        serialized_value_size=-1 if value is None else len(value), headers=headers,
    )  # fmt: skip


def _name(content: bytes | None) -> str:
    """Brokers take any bytes as a header's name, and Java shows what is not UTF-8 as U+FFFD, as we do."""
    if content is None:
        raise _Broken("a header has no name")
    return content.decode("utf-8", errors="replace")


def last_offset(item: Item) -> int:
    """The offset of a record, or the last one of those that can't be read."""
    return item.last if isinstance(item, Unreadable) else int(item.offset)


def _from(position: int, item: Item) -> Item:
    """Without what was handed out already."""
    return replace(item, first=max(position, item.first)) if isinstance(item, Unreadable) else item


class _Reader:
    """Walks over bytes; every step is checked against their end."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.place = 0

    def number(self) -> int:
        """A zigzag varint."""
        value = 0
        for shift in range(0, 7 * MAX_VARINT_BYTES, 7):
            if self.place >= len(self._content):
                raise _Broken("a record ends in the middle of a number")
            byte = self._content[self.place]
            self.place += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return (value >> 1) ^ -(value & 1)
        raise _Broken(f"a number has more than {MAX_VARINT_BYTES} bytes")

    def part(self) -> bytes:
        """Bytes that must be there."""
        if (part := self.optional_part()) is None:
            raise _Broken("a record has a negative length")
        return part

    def optional_part(self) -> bytes | None:
        """Bytes, or None for a negative length."""
        length = self.number()
        if length < 0:
            return None
        if self.place + length > len(self._content):
            raise _Broken(f"a record says that {length} bytes follow, and {len(self._content) - self.place} do")
        self.place += length
        return self._content[self.place - length : self.place]

    def count(self) -> int:
        """How many headers follow: each takes two bytes at least."""
        count = self.number()
        if not 0 <= count <= (len(self._content) - self.place) // 2:
            raise _Broken(f"a record says that {count} headers follow")
        return count
