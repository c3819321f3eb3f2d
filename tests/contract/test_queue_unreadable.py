"""Unreadable records: each is a delivery that is marked as unreadable, and every other record is received.

librdkafka's mock broker keeps any bytes as a batch, where a real one refuses most of these; what a real one takes too is tried
there as well.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError
from confluent_kafka import Producer
from msgspec import Struct
from msgspec.structs import replace

from internal.domain.errors import QueueUnavailable
from internal.domain.message import Channel, Message
from internal.observability.health import Condition, Dependency, examine
from internal.observability.metrics import exposition
from internal.ports.queue import Consumer, Delivery, Queue
from internal.queue.kafka.consumer import UNREADABLE_BYTES
from internal.queue.kafka.queue import KafkaQueue
from tests.contract.queue_brokers import PATIENT_SECONDS, KafkaBroker
from tests.services.kafka_batches import batch, record, store, with_length
from tests.services.kinds import KafkaService
from tests.services.waiting import eventually

WITHIN = 120.0
SESSION_SECONDS = 4.0
"""The mock lets a member that comes back wait for almost as long."""
OTHERS = {f"other {number}".encode() for number in range(40)}
PAIR = [record(0, b"one"), record(1, b"two")]


class Case(Struct, frozen=True):
    """What is stored at the offsets 1 and 2 of partition 0, or further; what of it is received, and which offsets are not."""

    stored: bytes
    readable: set[bytes]
    unreadable: list[str]
    says: str = ""


CASES = {
    "checksum": Case(batch(PAIR, crc_off_by=1), set(), ["1", "2"], "checksum is wrong"),
    "unknown codec": Case(batch(PAIR, codec=7), set(), ["1-2"], "codec 7"),
    "broken zstd": Case(batch(PAIR, codec=4), set(), ["1-2"], "can't be decompressed with zstd"),
    "broken gzip": Case(batch(PAIR, codec=1), set(), ["1-2"], "can't be decompressed with gzip"),
    "too long": Case(with_length(batch(PAIR), 500), set(), ["1", "2"], "says that it has 512 bytes"),
    "too short": Case(with_length(batch(PAIR), -1), set(), ["1", "2"], "says that it has 11 bytes"),
    "one record": Case(
        batch([PAIR[0], record(1, b"two", more=b"?"), record(2, b"three")]), {b"one", b"three"}, ["2"], "left behind a record"
    ),
    "name of a header": Case(batch([PAIR[0], record(1, b"two", headers=[(b"\xff", b"x")])]), {b"one", b"two"}, []),
    "more than there is room for": Case(
        batch([record(number, b"%d" % number, headers=[(b"\xff", None)]) for number in range(50)]),
        {b"%d" % number for number in range(50)},
        [],
    ),
}


@pytest.fixture(autouse=True)
def patient_commits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without longer timeouts, a busy broker would deliver messages again."""
    monkeypatch.setattr("internal.queue.kafka.group_offsets.COMMIT_TIMEOUT_SECONDS", PATIENT_SECONDS)


@pytest.fixture
def mock() -> Iterator[KafkaService]:
    cluster = Producer({"bootstrap.servers": "the mock", "test.mock.num.brokers": 1, "log_level": 3})
    broker = next(iter(cluster.list_topics(timeout=PATIENT_SECONDS).brokers.values()))
    yield KafkaService("wheels", f"{broker.host}:{broker.port}")
    del cluster


@pytest.fixture
async def broker(mock: KafkaService) -> AsyncIterator[KafkaBroker]:
    broker = KafkaBroker(mock.brokers)
    broker.settings = replace(broker.settings, session_seconds=SESSION_SECONDS)
    async with broker.empty():
        yield broker


@pytest.fixture
async def queue(broker: KafkaBroker) -> AsyncIterator[Queue]:
    async with broker.open() as queue:
        yield queue


async def fill(queue: Queue, broker: KafkaBroker, stored: bytes) -> None:
    """`before`, the batch and `after` in partition 0, and other messages in all partitions."""
    where = broker.settings.brokers, broker.settings.topic, 0
    for content in (batch([record(0, b"before")]), stored, batch([record(0, b"after")])):
        await store(*where, content)
    for body in sorted(OTHERS):
        await queue.publish(Channel.FAST, Message("image.process", body.decode(), body))


async def receive(consumer: Consumer, within: float = WITHIN) -> Delivery:
    async with asyncio.timeout(within):
        return await consumer.receive()


async def receive_all(consumer: Consumer, bodies: set[bytes], count: int) -> list[Delivery]:
    """Acknowledge until all of these and `count` unreadable ones were received, and return the unreadable ones in order."""
    missing, unreadable = set(bodies), dict[str, Delivery]()
    while missing or len(unreadable) < count:
        delivery = await receive(consumer)
        if delivery.unreadable:
            unreadable[delivery.source] = delivery
        else:
            assert delivery.message.body in bodies
            missing.discard(delivery.message.body)
        await consumer.acknowledge(delivery)
    return list(unreadable.values())


def counted(name: str) -> float:
    """Of the fast lane."""
    lines = [line for line in exposition().decode().splitlines() if line.startswith(f'{name}{{channel="fast"}}')]
    return float(lines[0].split()[-1]) if lines else 0.0


@pytest.mark.parametrize("name", CASES)
async def test_what_can_not_be_read_is_told_and_everything_else_is_received(name: str, broker: KafkaBroker, queue: Queue) -> None:
    """Only the first unreadable record restarts the consumer."""
    case, topic = CASES[name], broker.settings.topic
    await fill(queue, broker, case.stored)
    restarts, unreadable = (
        counted("image_processor_queue_consumer_restarts_total"),
        counted("image_processor_queue_unreadable_total"),
    )

    async with queue.consume(Channel.FAST, slots=4) as consumer:
        records = await receive_all(consumer, {b"before", b"after"} | case.readable | OTHERS, len(case.unreadable))
        await store(broker.settings.brokers, topic, 0, batch([record(0, b"?")], codec=7))
        again = await receive(consumer)
        await queue.check()

    assert [found.source for found in records] == [f"{topic}/0/{offsets}" for offsets in case.unreadable]
    assert all(case.says in (found.unreadable or "") for found in records)
    assert all(found.message == Message("", "", found.message.body) and found.message.body for found in records)
    assert again.unreadable
    assert counted("image_processor_queue_consumer_restarts_total") - restarts == 1
    assert counted("image_processor_queue_unreadable_total") - unreadable >= len(records) + 1


async def test_what_is_done_is_committed_behind_what_can_not_be_read_and_not_before(broker: KafkaBroker, queue: Queue) -> None:
    """It is delivered again until its dead letter is stored and it is acknowledged."""
    topic = broker.settings.topic
    await store(broker.settings.brokers, topic, 0, batch(PAIR, codec=7))
    await store(broker.settings.brokers, topic, 0, batch([record(0, b"after")]))

    async with queue.consume(Channel.FAST, slots=4) as consumer:
        letter, after = await receive(consumer), await receive(consumer)
        assert letter.unreadable
        await consumer.acknowledge(after)
    async with queue.consume(Channel.FAST, slots=4) as successor:
        again = await receive(successor)
        assert (again.source, again.unreadable) == (letter.source, letter.unreadable)
        assert again.source == f"{topic}/0/0-1"
        await successor.acknowledge(again)
        await successor.acknowledge(await receive(successor))
    await store(broker.settings.brokers, topic, 0, batch([record(0, b"later")]))
    async with queue.consume(Channel.FAST, slots=4) as third:
        assert (await receive(third)).message.body == b"later"


async def test_of_what_can_not_be_read_only_the_beginning_is_kept(broker: KafkaBroker, queue: Queue) -> None:
    stored = batch([record(0, b"x" * 500_000)], codec=7)
    await store(broker.settings.brokers, broker.settings.topic, 0, stored)

    async with queue.consume(Channel.FAST, slots=1) as consumer:
        letter = await receive(consumer)

    assert letter.message.body[8:] == stored[8:UNREADABLE_BYTES]  # the broker's own base offset stands before


async def test_a_consumer_that_restarts_over_and_over_is_told(
    broker: KafkaBroker, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def getmany(*_: object, **__: object) -> None:
        raise KafkaError("something is wrong with the group")

    before = counted("image_processor_queue_consumer_restarts_total")
    async with queue.consume(Channel.FAST, slots=1) as consumer:
        await queue.check()
        with monkeypatch.context() as patch:
            patch.setattr(AIOKafkaConsumer, "getmany", getmany)
            await eventually(lambda: counted("image_processor_queue_consumer_restarts_total") >= before + 3, WITHIN)
            with pytest.raises(
                QueueUnavailable, match=f"The consumer of {broker.settings.topic} was restarted .*wrong with the group"
            ):
                await queue.check()
            report = await examine({"queue": Dependency(queue.check, PATIENT_SECONDS, essential=False)})
            assert report.status == Condition.DEGRADED
            assert "wrong with the group" in report.dependencies["queue"]
        await queue.publish(Channel.FAST, Message("image.process", "a", b"at last"))
        assert (await receive(consumer)).message.body == b"at last"
    await queue.check()  # it is closed: it restarts no more


async def test_a_consumer_whose_fetching_has_died_is_replaced(
    broker: KafkaBroker, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """aiokafka 0.14.0 only logs it, and receives nothing from then on."""
    died = asyncio.Event()

    async def fetch(*_: object) -> bool:
        died.set()
        raise AssertionError("a bug of the library's")

    await queue.publish(Channel.FAST, Message("image.process", "a", b"at last"))
    with monkeypatch.context() as patch:
        patch.setattr("aiokafka.consumer.fetcher.Fetcher._proc_fetch_request", fetch)
        async with broker.open(hold_seconds=4.0) as hasty, hasty.consume(Channel.FAST, slots=1) as consumer:
            async with asyncio.timeout(WITHIN):
                await died.wait()
            patch.undo()
            assert (await receive(consumer)).message.body == b"at last"


async def test_a_real_broker_takes_such_a_header_and_we_do_too(kafka: KafkaService) -> None:
    broker = KafkaBroker(kafka.brokers)
    async with broker.empty(), broker.open() as queue:
        assert isinstance(queue, KafkaQueue)
        await fill(queue, broker, CASES["name of a header"].stored)
        async with queue.consume(Channel.FAST, slots=4) as consumer:
            assert await receive_all(consumer, {b"before", b"one", b"two", b"after"} | OTHERS, 0) == []
