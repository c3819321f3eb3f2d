"""Buffer between fetching and receiving."""

import asyncio

import pytest

from internal.domain.message import Channel, Message
from internal.ports.queue import Delivery
from internal.queue.prefetch import PrefetchBuffer


def delivery(number: int) -> Delivery:
    return Delivery(Message("t", "k", b""), Channel.FAST, f"test/{number}", number)


async def test_deliveries_are_taken_in_order_and_what_is_put_back_comes_first() -> None:
    buffer = PrefetchBuffer(2)
    for number in (1, 2):
        buffer.put(delivery(number))
    first = await buffer.take()
    buffer.put_back(first)
    assert [(await buffer.take()).tag for _ in range(2)] == [1, 2]


async def test_a_taker_waits_and_a_cancelled_one_loses_nothing() -> None:
    buffer = PrefetchBuffer(1)
    impatient, patient = asyncio.create_task(buffer.take()), asyncio.create_task(buffer.take())
    await asyncio.sleep(0)
    impatient.cancel()
    buffer.put(delivery(1))
    assert (await patient).tag == 1
    assert impatient.cancelled()


async def test_free_slots_are_never_negative() -> None:
    buffer = PrefetchBuffer(2)
    assert buffer.free_slots == 2
    buffer.put(delivery(1))
    buffer.put(delivery(2))
    buffer.put_back(delivery(0))
    assert buffer.free_slots == 0
    with pytest.raises(ValueError, match="slot"):
        PrefetchBuffer(0)


async def test_the_filler_wakes_when_half_of_the_slots_are_free_or_in_time() -> None:
    buffer = PrefetchBuffer(4)
    for number in range(4):
        buffer.put(delivery(number))
    waiting = asyncio.create_task(buffer.wait_for_free_slots(60))
    await buffer.take()
    await asyncio.sleep(0)
    assert not waiting.done()
    await buffer.take()
    await waiting
    buffer.put(delivery(4))
    await buffer.wait_for_free_slots(0.001)


async def test_a_discarded_delivery_is_never_taken() -> None:
    buffer = PrefetchBuffer(3)
    for number in (1, 2, 3):
        buffer.put(delivery(number))
    buffer.discard(lambda waiting: waiting.tag != 2)
    assert buffer.free_slots == 2
    assert (await buffer.take()).tag == 2
