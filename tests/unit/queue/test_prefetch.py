"""The line between fetching and receiving."""

import asyncio

import pytest

from internal.domain.message import Channel, Message
from internal.ports.queue import Delivery
from internal.queue.prefetch import PrefetchBuffer


def delivery(number: int) -> Delivery:
    return Delivery(Message("t", "k", b""), Channel.FAST, f"test/{number}", number)


async def test_deliveries_are_taken_in_order_and_what_is_put_back_comes_first() -> None:
    ahead = PrefetchBuffer(2)
    for number in (1, 2):
        ahead.put(delivery(number))
    first = await ahead.take()
    ahead.put_back(first)
    assert [(await ahead.take()).tag for _ in range(2)] == [1, 2]


async def test_a_taker_waits_and_a_cancelled_one_loses_nothing() -> None:
    ahead = PrefetchBuffer(1)
    impatient, patient = asyncio.create_task(ahead.take()), asyncio.create_task(ahead.take())
    await asyncio.sleep(0)
    impatient.cancel()
    ahead.put(delivery(1))
    assert (await patient).tag == 1
    assert impatient.cancelled()


async def test_room_is_what_the_slots_leave_and_never_negative() -> None:
    ahead = PrefetchBuffer(2)
    assert ahead.room == 2
    ahead.put(delivery(1))
    ahead.put(delivery(2))
    ahead.put_back(delivery(0))
    assert ahead.room == 0
    with pytest.raises(ValueError, match="slot"):
        PrefetchBuffer(0)


async def test_the_filler_wakes_when_half_is_free_or_in_time() -> None:
    ahead = PrefetchBuffer(4)
    for number in range(4):
        ahead.put(delivery(number))
    waiting = asyncio.create_task(ahead.wait_for_room(60))
    await ahead.take()
    await asyncio.sleep(0)
    assert not waiting.done()
    await ahead.take()
    await waiting
    ahead.put(delivery(4))
    await ahead.wait_for_room(0.001)


async def test_what_is_not_wanted_any_more_is_never_taken() -> None:
    ahead = PrefetchBuffer(3)
    for number in (1, 2, 3):
        ahead.put(delivery(number))
    ahead.keep(lambda waiting: waiting.tag == 2)
    assert ahead.room == 2
    assert (await ahead.take()).tag == 2
