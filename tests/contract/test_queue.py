"""Contract suite of internal/ports/queue.py, for both adapters.

Kafka is a real broker, or librdkafka's mock where there is no Docker. The mock makes topics by itself and can't be asked to, and
it refuses a member that syncs after its group's leader (InvalidRequest), so that there two consumers never share: those tests are
skipped. Messages of one key are in one partition, and so in order when they come again.
"""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable
from uuid import uuid4

import pytest

from internal.domain.errors import QueueUnavailable
from internal.domain.message import Channel, Message
from internal.ports.queue import Consumer, Delivery, Positions, Queue
from tests.contract.queue_brokers import PATIENT_SECONDS, Broker, KafkaBroker, PostgresBroker, gate
from tests.services.waiting import eventually

WITHIN = 120.0
HOLD_SECONDS = 6.0
"""For a lease, or a poll interval, that a machine which stands still for some seconds does not lose."""


@pytest.fixture(params=["kafka", "postgres"])
def server(request: pytest.FixtureRequest) -> Broker:
    if request.param == "kafka":
        return KafkaBroker(request.getfixturevalue("kafka").brokers)
    return PostgresBroker(request.getfixturevalue("database"))


@pytest.fixture(autouse=True)
def patient_commits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without longer timeouts, a busy broker would deliver messages again."""
    monkeypatch.setattr("internal.queue.kafka.group_offsets.COMMIT_TIMEOUT_SECONDS", PATIENT_SECONDS)


@pytest.fixture
async def broker(server: Broker) -> AsyncIterator[Broker]:
    """The server of an empty queue. Fails a test that leaves a task."""
    before = asyncio.all_tasks()
    async with server.empty():
        yield server
    async with asyncio.timeout(WITHIN):
        while left := asyncio.all_tasks() - before - {asyncio.current_task()}:
            await asyncio.wait(left)


@pytest.fixture
async def queue(broker: Broker) -> AsyncIterator[Queue]:
    async with broker.open() as queue:
        yield queue


def message(body: str, key: str = "a") -> Message:
    return Message(type="image.process", key=key, body=body.encode(), headers={"x-request-id": body})


async def receive(consumer: Consumer, within: float = WITHIN) -> Delivery:
    async with asyncio.timeout(within):
        return await consumer.receive()


def text(delivery: Delivery) -> str:
    return delivery.message.body.decode()


async def test_a_message_arrives_as_it_was_sent(queue: Queue) -> None:
    headers = {"x-request-id": "ä/1", "type": "a header of its own", "empty": ""}
    sent = Message("image.process", "Schlüssel", bytes(range(256)), headers)
    await queue.publish(Channel.FAST, sent)  # before anybody consumes
    async with queue.consume(Channel.FAST, slots=1) as consumer:
        delivery = await receive(consumer)
        await consumer.acknowledge(delivery)
    assert delivery.message == sent
    assert delivery.channel == Channel.FAST
    assert delivery.source


async def test_an_acknowledged_message_does_not_come_again(queue: Queue) -> None:
    await queue.publish(Channel.FAST, message("first"))
    async with queue.consume(Channel.FAST, slots=1) as consumer:
        await consumer.acknowledge(await receive(consumer))
    await queue.publish(Channel.FAST, message("second"))
    async with queue.consume(Channel.FAST, slots=1) as successor:
        assert text(await receive(successor)) == "second"


@pytest.mark.parametrize("released", [True, False])
async def test_what_is_not_acknowledged_goes_to_a_successor(queue: Queue, released: bool) -> None:
    await queue.publish(Channel.FAST, message("undone"))
    async with queue.consume(Channel.FAST, slots=1) as consumer:
        delivery = await receive(consumer)
        if released:
            await consumer.release(delivery)
    async with queue.consume(Channel.FAST, slots=1) as successor:
        assert (await receive(successor)).message == delivery.message
    await consumer.acknowledge(delivery)  # too late: nothing happens
    async with queue.consume(Channel.FAST, slots=1) as successor:
        assert (await receive(successor)).message == delivery.message


async def test_the_lowest_pending_message_is_not_passed(queue: Queue) -> None:
    for body in ("one", "two", "three"):
        await queue.publish(Channel.FAST, message(body))
    async with queue.consume(Channel.FAST, slots=3) as consumer:
        _, second, third = [await receive(consumer) for _ in range(3)]
        await consumer.acknowledge(third)
        await consumer.acknowledge(second)
    async with queue.consume(Channel.FAST, slots=3) as successor:
        assert text(await receive(successor)) == "one"


async def test_many_in_hand_and_none_is_lost(queue: Queue) -> None:
    keys = [f"key-{number}" for number in range(10)]
    sent = {f"{key}/{number}": key for key in keys for number in range(30)}
    await asyncio.gather(*(queue.publish(Channel.FAST, message(body, key)) for body, key in sent.items()))
    seen: set[str] = set()
    async with queue.consume(Channel.FAST, slots=8) as consumer:
        in_hand: list[Delivery] = []
        while len(seen) < len(sent):
            in_hand.append(await receive(consumer))
            seen.add(text(in_hand[-1]))
            if len(in_hand) == 8:
                await consumer.acknowledge(in_hand.pop(random.randrange(8)))
        await asyncio.gather(*(consumer.acknowledge(delivery) for delivery in in_hand))
    assert seen == set(sent)

    for key in keys:
        await queue.publish(Channel.FAST, message("later", key))
    async with queue.consume(Channel.FAST, slots=8) as successor:
        assert {text(await receive(successor)) for _ in keys} == {"later"}


@pytest.fixture
async def sharing(broker: Broker) -> Broker:
    if not broker.shares:
        pytest.skip("the mock broker can't rebalance")
    return broker


async def test_two_consumers_share(sharing: Broker, queue: Queue) -> None:
    async with queue.consume(Channel.FAST, slots=1) as one, queue.consume(Channel.FAST, slots=1) as other:
        await _both_work(queue, one, other)


async def test_what_is_held_for_long_is_given_to_nobody_else(sharing: Broker) -> None:
    """A message is held far longer than a lease or a poll interval, while more messages wait."""
    async with (
        sharing.open(hold_seconds=HOLD_SECONDS) as queue,
        queue.consume(Channel.FAST, slots=1) as one,
        queue.consume(Channel.FAST, slots=1) as other,
    ):
        held = await _both_work(queue, one, other)
        for number in range(4):
            await queue.publish(Channel.FAST, message(f"behind {number}", held.message.key))
        elsewhere: list[Message] = []
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(HOLD_SECONDS + sharing.notices_seconds):
                while True:
                    delivery = await other.receive()
                    elsewhere.append(delivery.message)
                    await other.acknowledge(delivery)
        assert held.message not in elsewhere


async def _both_work(queue: Queue, one: Consumer, other: Consumer) -> Delivery:
    """Publish until both have had messages. What `one` has in its hands at the end it got while they shared: its first one it may
    have fetched before.
    """
    for consumer in (other, one):
        await consumer.acknowledge(await _published(queue, consumer))
    return await _published(queue, one)


async def _published(queue: Queue, consumer: Consumer) -> Delivery:
    """Publish messages until it receives one, and return that one."""
    receiving = asyncio.ensure_future(consumer.receive())
    try:
        async with asyncio.timeout(WITHIN):
            while not receiving.done():
                await queue.publish(Channel.FAST, message(uuid4().hex, uuid4().hex))
                await asyncio.wait({receiving}, timeout=0.05)
    finally:
        receiving.cancel()
    return receiving.result()


async def test_lanes_are_apart(queue: Queue) -> None:
    await queue.publish(Channel.FAST, message("fast"))
    await queue.publish(Channel.SLOW, message("slow"))
    async with queue.consume(Channel.SLOW, slots=1) as consumer:
        assert text(await receive(consumer)) == "slow"


async def test_a_channel_that_leads_nowhere_is_refused(queue: Queue) -> None:
    await queue.publish(Channel.FAST, message("heard"))  # aiokafka leaks a connection when it is closed while it connects
    assert queue.exports == {Channel.FAST, Channel.SLOW}
    with pytest.raises(ValueError, match="events"):
        await queue.publish(Channel.EVENTS, message("unheard"))
    with pytest.raises(ValueError, match="dead_letters"):
        queue.consume(Channel.DEAD_LETTERS, slots=1)


async def test_an_outage_is_said_in_time_and_ends_by_itself(broker: Broker) -> None:
    async with (
        gate(broker.address) as (address, open_gate),
        broker.open(address) as queue,
        queue.consume(Channel.FAST, slots=1) as consumer,
    ):
        await _unavailable_in_time(queue.publish(Channel.FAST, message("lost")))
        await _unavailable_in_time(queue.check())
        await open_gate()
        await eventually(lambda: _available(queue.publish(Channel.FAST, message("found"))), WITHIN)
        await eventually(lambda: _available(queue.check()), WITHIN)
        assert text(await receive(consumer)) == "found"


async def _available(call: Awaitable[None]) -> bool:
    with contextlib.suppress(QueueUnavailable):
        await call
        return True
    return False


async def _unavailable_in_time(call: Awaitable[None]) -> None:
    """The call ends within ANSWER_SECONDS on an idle machine; with patience for a busy server it takes longer."""
    async with asyncio.timeout(PATIENT_SECONDS):
        with pytest.raises(QueueUnavailable):
            await call


async def test_the_lag_counts_what_is_not_acknowledged(queue: Queue) -> None:
    async def lag_is(expected: int) -> bool:
        """A new broker reports for a while that its first group has no coordinator yet."""
        with contextlib.suppress(QueueUnavailable):
            return await queue.lag(Channel.FAST) == expected
        return False

    await eventually(lambda: lag_is(0), WITHIN)
    for number in range(3):
        await queue.publish(Channel.FAST, message(str(number)))
    await queue.publish(Channel.SLOW, message("other lane"))
    await eventually(lambda: lag_is(3), WITHIN)

    async with queue.consume(Channel.FAST, slots=1) as consumer:
        first = await receive(consumer)
        await eventually(lambda: lag_is(3), WITHIN)
        await consumer.acknowledge(first)
        await eventually(lambda: lag_is(2), WITHIN)


async def test_the_positions_tell_when_all_that_was_there_is_done(queue: Queue) -> None:
    async def passed(earlier: Positions) -> bool:
        with contextlib.suppress(QueueUnavailable):
            return (await queue.positions(Channel.FAST)).have_passed(earlier)
        return False

    async def asked() -> Positions:
        found: list[Positions] = []

        async def ask() -> bool:
            with contextlib.suppress(QueueUnavailable):
                found.append(await queue.positions(Channel.FAST))
            return bool(found)

        await eventually(ask, WITHIN)
        return found[0]

    empty = await asked()
    assert empty.have_passed(empty)
    await queue.publish(Channel.SLOW, message("other lane"))
    await queue.publish(Channel.FAST, message("one"))
    one_waits = await asked()
    assert not one_waits.have_passed(one_waits)
    assert one_waits.have_passed(empty)

    async with queue.consume(Channel.FAST, slots=2) as consumer:
        first = await receive(consumer)
        assert not await passed(one_waits)  # in hand
        await queue.publish(Channel.FAST, message("two"))
        both_wait = await asked()
        await consumer.acknowledge(first)
        await eventually(lambda: passed(one_waits), WITHIN)
        assert not await passed(both_wait)
        await consumer.acknowledge(await receive(consumer))
        await eventually(lambda: passed(both_wait), WITHIN)


@pytest.mark.parametrize("ask", ["lag", "positions"])
async def test_a_queue_that_is_gone_says_so_when_it_is_asked_how_far_it_is(broker: Broker, ask: str) -> None:
    async with gate(broker.address) as (address, _), broker.open(address) as queue:
        with pytest.raises(QueueUnavailable):
            await getattr(queue, ask)(Channel.FAST)
