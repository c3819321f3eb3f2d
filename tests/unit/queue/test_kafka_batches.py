"""Reading of batches that aiokafka refuses: every readable record, and the offsets of the others."""

import gzip
import random
from collections.abc import Callable

import pytest
from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.codec import gzip_encode, lz4_encode, snappy_encode, zstd_encode

from internal.domain.message import Message
from internal.queue.kafka.batches import Item, Unreadable, last_offset, read_batch
from internal.queue.kafka.records import message_of
from tests.services.kafka_batches import batch, part, record, varint

PARTITION = TopicPartition("images", 3)
THREE = [record(0, b"a"), record(1, b"b"), record(2, b"c")]
MANY_MUTANTS = 3000


def shown(items: list[Item]) -> list[object]:
    """Return offset and value of each record, and the first and last offset of each Unreadable."""
    return [(item.first, item.last) if isinstance(item, Unreadable) else (item.offset, item.value) for item in items]


def reasons(items: list[Item]) -> str:
    return "; ".join(item.reason for item in items if isinstance(item, Unreadable))


@pytest.mark.parametrize(
    ("codec", "compress"), [(0, bytes), (1, gzip_encode), (2, snappy_encode), (3, lz4_encode), (4, zstd_encode)]
)
def test_every_codec_is_read(codec: int, compress: Callable[[bytes], bytes]) -> None:
    found = read_batch(batch(THREE, base=40, codec=codec, compress=compress), PARTITION, 40)

    assert shown(found.items) == [(40, b"a"), (41, b"b"), (42, b"c")]
    assert found.next_offset == 43


def test_a_record_is_the_message_that_was_sent() -> None:
    headers = [(b"type", b"image.process"), (b"x", None), ("ä".encode(), "ö".encode())]
    (found,) = read_batch(batch([record(0, None, headers=headers)], base=7), PARTITION, 7).items

    assert isinstance(found, ConsumerRecord)
    assert (found.topic, found.partition, found.offset) == ("images", 3, 7)
    assert message_of(found) == Message("image.process", "key", b"", {"x": "", "ä": "ö"})


def test_a_header_whose_name_is_not_utf_8_spoils_nothing() -> None:
    """Brokers accept it and Java shows U+FFFD. aiokafka 0.14.0 raises UnicodeDecodeError for the whole batch, forever."""
    odd = record(1, b"b", headers=[(b"type", b"image.process"), (b"\xff", b"x")])
    found = read_batch(batch([THREE[0], odd, THREE[2]]), PARTITION, 0)

    assert shown(found.items) == [(0, b"a"), (1, b"b"), (2, b"c")]
    assert isinstance(found.items[1], ConsumerRecord)
    assert message_of(found.items[1]).headers == {"\N{REPLACEMENT CHARACTER}": "x"}


@pytest.mark.parametrize("position", [40, 41, 42])
def test_what_was_handed_out_already_is_left_out(position: int) -> None:
    found = read_batch(batch([THREE[0], record(1, b"b", more=b"?"), THREE[2]], base=40), PARTITION, position)

    assert shown(found.items) == [(40, b"a"), (41, 41), (42, b"c")][position - 40 :]


@pytest.mark.parametrize(
    ("middle", "reason"),
    [
        (record(1, b"b", more=b"??"), "2 bytes are left behind a record"),
        (part(b"\0"), "ends in the middle of a number"),
        (part(b"\xff" * 20), "more than 10 bytes"),
        (part(b"\0" + varint(0) + varint(1) + part(b"key") + varint(2**40)), "says that 1099511627776 bytes follow, and 0 do"),
        (
            part(b"\0" + varint(0) + varint(1) + part(b"key") + part(b"b") + varint(2**40)),
            "says that 1099511627776 headers follow",
        ),
        (part(b"\0" + varint(0) + varint(1) + part(b"key") + part(b"b") + varint(-1)), "says that -1 headers follow"),
        (record(1, b"b", headers=[(b"", b"x")]).replace(part(b""), varint(-1)), "a header has no name"),
        (record(0, b"b"), "a record has offset 40, expected 41 to 42"),
        (record(5, b"b"), "a record has offset 45, expected 41 to 42"),
    ],
)
def test_one_broken_record_takes_no_other_with_it(middle: bytes, reason: str) -> None:
    found = read_batch(batch([THREE[0], middle, THREE[2]], base=40), PARTITION, 40)

    assert shown(found.items) == [(40, b"a"), (41, 41), (42, b"c")]
    assert reason in reasons(found.items)
    assert found.next_offset == 43


@pytest.mark.parametrize(
    ("records", "count"),
    [
        ([THREE[0], varint(-1), THREE[2]], 3),
        ([THREE[0], varint(10_000), THREE[2]], 3),
        (THREE, 1),
    ],
)
def test_where_the_next_record_is_not_known_the_rest_of_the_batch_is_one_letter(records: list[bytes], count: int) -> None:
    found = read_batch(batch(records, base=40, count=count), PARTITION, 40)

    assert shown(found.items) == [(40, b"a"), (41, 42)]
    assert found.next_offset == 43


@pytest.mark.parametrize("count", [4, 2**31 - 1])
def test_a_count_that_is_too_high_is_not_believed(count: int) -> None:
    assert shown(read_batch(batch(THREE, count=count), PARTITION, 0).items) == [(0, b"a"), (1, b"b"), (2, b"c")]


@pytest.mark.parametrize(
    ("codec", "compress", "reason"),
    [
        (7, bytes, "compressed with codec 7, which is unknown"),
        (1, bytes, "can't be decompressed with gzip"),
        (1, lambda content: gzip.compress(content)[:-9], "can't be decompressed with gzip"),
        (2, bytes, "can't be decompressed with snappy"),
        (3, bytes, "can't be decompressed with lz4"),
        (4, bytes, "can't be decompressed with zstd"),
    ],
)
def test_a_batch_that_can_not_be_decompressed_is_one_letter(codec: int, compress: Callable[[bytes], bytes], reason: str) -> None:
    found = read_batch(batch(THREE, base=40, codec=codec, compress=compress) + batch(THREE, base=43), PARTITION, 41)

    assert shown(found.items) == [(41, 42)]
    assert reason in reasons(found.items)
    assert found.next_offset == 43


@pytest.mark.parametrize(
    ("stored", "reason"),
    [
        (batch(THREE, crc_off_by=1), "checksum is wrong"),
        (batch(THREE, version=1), "has format 1"),
        (batch(THREE, version=3), "has format 3"),
        (batch(THREE, last_delta=-5), "says that it ends at -5"),
        (batch(THREE)[:-1], "says that it has"),
        (batch(THREE)[:60], "too few for its header"),
        (b"\0" * 61, "has format 0"),
    ],
)
def test_of_a_batch_whose_head_can_not_be_trusted_one_offset_is_given_up(stored: bytes, reason: str) -> None:
    """The broker knows the next batch, so no readable record is skipped."""
    found = read_batch(stored, PARTITION, 0)

    assert shown(found.items) == [(0, 0)]
    assert reason in reasons(found.items)
    assert found.next_offset == 1


@pytest.mark.parametrize("broken", [batch(THREE, crc_off_by=1), batch(THREE, codec=7)])
def test_the_bytes_of_what_can_not_be_read_are_the_same_whatever_comes_behind(broken: bytes) -> None:
    """They identify the dead letter when its message is delivered again."""
    found = [read_batch(broken + behind, PARTITION, 0).items[0] for behind in (b"", batch(THREE, base=3))]

    assert found[0] == found[1]
    assert isinstance(found[0], Unreadable)
    assert found[0].raw == broken


def test_what_brokers_write_for_transactions_is_passed_over() -> None:
    assert read_batch(batch([record(0, b"commit")], base=40, control=True), PARTITION, 40) == type(read_batch(b"", PARTITION, 0))(
        [], 41
    )


@pytest.mark.parametrize("stored", [b"", batch(THREE, base=10)])
def test_where_nothing_is_from_the_position_on_the_position_stays(stored: bytes) -> None:
    assert read_batch(stored, PARTITION, 20).next_offset == 20


def test_after_compaction_offsets_have_gaps() -> None:
    found = read_batch(batch([record(2, b"c"), record(7, b"h")], base=40, last_delta=9), PARTITION, 41)

    assert shown(found.items) == [(42, b"c"), (47, b"h")]
    assert found.next_offset == 50


def test_whatever_stands_there_it_is_read_in_order_and_never_raises() -> None:
    chance = random.Random(10)
    whole = batch([record(number, bytes([number]) * 20) for number in range(20)], base=100)
    for _ in range(MANY_MUTANTS):
        mutant = bytearray(whole)
        for _ in range(chance.choice((1, 2, 8))):
            mutant[chance.randrange(61, len(mutant))] = chance.randrange(256)
        content = bytes(mutant[61:])
        found = read_batch(batch([content], base=100, count=20, last_delta=19), PARTITION, 100)

        covered = [offset for item in found.items for offset in range(_first(item), last_offset(item) + 1)]
        assert covered == sorted(set(covered))
        assert set(covered) <= set(range(100, 120))
        assert found.next_offset == 120


def _first(item: Item) -> int:
    return item.first if isinstance(item, Unreadable) else int(item.offset)
