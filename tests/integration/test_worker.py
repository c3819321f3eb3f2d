"""What the worker does with each kind of message, and how its slots stop."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from internal.domain.errors import DatabaseUnavailable
from internal.domain.message import NO_REQUEST, Channel, Message
from internal.domain.rendition import Lane
from internal.domain.status import Status
from internal.domain.tasks import task_message
from internal.ports.queue import Delivery
from internal.worker.consume import Lanes
from internal.worker.dispatch import Handler, dispatch
from tests import pictures
from tests.integration.conftest import TIMINGS
from tests.integration.service import Service, cancelled_at_end
from tests.services.waiting import eventually


class Line:
    """A queue in this process that records what was done with each delivery."""

    exports = frozenset({Channel.FAST, Channel.SLOW})

    def __init__(self) -> None:
        self.waiting: asyncio.Queue[Delivery] = asyncio.Queue()
        self.acknowledged: list[str] = []
        self.released: list[str] = []

    def put(self, message: Message, source: str) -> None:
        self.waiting.put_nowait(Delivery(message, Channel.FAST, source, None))

    @asynccontextmanager
    async def consume(self, _: Channel, *, slots: int) -> AsyncIterator["Line"]:
        yield self

    async def receive(self) -> Delivery:
        return await self.waiting.get()

    async def acknowledge(self, delivery: Delivery) -> None:
        self.acknowledged.append(delivery.source)

    async def release(self, delivery: Delivery) -> None:
        self.released.append(delivery.source)


async def nothing_waits(_: Lane) -> bool:
    return False


def lanes_of(line: Line, service: Service, known: dict[str, Handler], stopping: asyncio.Event) -> Lanes:
    dead_letters, pause = service.repository.dead_letters, TIMINGS.pause_seconds
    return Lanes(line, known, dead_letters, stopping, nothing_waits, pause_seconds=pause)  # type: ignore[arg-type]


async def test_a_task_is_processed_and_acknowledged(service: Service) -> None:
    image_id = await service.upload(pictures.jpeg())
    line, stopping = Line(), asyncio.Event()
    line.put(task_message(image_id, Lane.FAST, NO_REQUEST), "a")
    line.put(task_message(image_id, Lane.FAST, NO_REQUEST), "again")  # at least once: a duplicate finds nothing to do

    async with cancelled_at_end(
        asyncio.create_task(lanes_of(line, service, service.handlers(), stopping).consume(Channel.FAST, 2))
    ):
        await eventually(lambda: sorted(line.acknowledged) == ["a", "again"])

    assert (await service.image(image_id)).status == Status.PROCESSED
    assert (await service.rendition(image_id)).generation == 1


@pytest.mark.parametrize(
    "message",
    [
        Message("image.process", "k", b"not json", {"x-request-id": "r"}),
        Message("image.process", "k", b'{"image_id": "no id", "lane": "fast"}'),
        Message("image.process", "k", b'{"image_id": "01a1fd39-ea92-74ec-9469-395a78bfd478", "lane": "fast", "version": 2}'),
        Message("image.process", "k", b'{"image_id": "01a1fd39-ea92-74ec-9469-395a78bfd478", "lane": "sideways"}'),
        Message("image.unheard-of", "k", b"{}"),
    ],
)
async def test_a_message_that_can_not_be_understood_is_a_dead_letter(service: Service, message: Message) -> None:
    delivery = Delivery(message, Channel.FAST, "topic/3/14", None)

    await dispatch(delivery, service.handlers(), service.repository.dead_letters)  # returns: the partition advances

    letters = await service.session.rows("SELECT code, source, headers, body FROM dead_letters")
    assert [(row["code"], row["source"], row["headers"]) for row in letters] == [
        ("unprocessable_message", "topic/3/14", dict(message.headers))
    ]
    assert bytes(letters[0]["body"]) == message.body
    assert await service.count("outbox") == 1


async def test_a_message_that_can_not_be_read_is_one_dead_letter_that_says_where_it_came_from(service: Service) -> None:
    raw = b"\0\xff as it lies in the topic"
    delivery = Delivery(Message("", "", raw), Channel.FAST, "images/3/14-17", None, unreadable="codec 7, which nobody knows")

    for _ in range(2):  # as after a kill before it was acknowledged
        await dispatch(delivery, service.handlers(), service.repository.dead_letters)

    [letter] = await service.session.rows("SELECT code, detail, source, channel, body FROM dead_letters")
    assert (letter["code"], letter["source"], letter["channel"]) == ("unreadable_message", "images/3/14-17", "fast")
    assert letter["detail"] == "codec 7, which nobody knows"
    assert bytes(letter["body"]) == raw
    assert await service.count("outbox") == 1


async def test_a_handler_that_crashes_stops_nothing(service: Service) -> None:
    async def crash(_: Delivery) -> None:
        raise ZeroDivisionError

    await dispatch(Delivery(Message("t", "k", b""), Channel.FAST, "s", None), {"t": crash}, service.repository.dead_letters)

    letters = await service.session.rows("SELECT code, detail FROM dead_letters")
    assert [(row["code"], row["detail"]) for row in letters] == [("internal_error", "ZeroDivisionError")]


async def test_a_task_of_an_image_that_is_gone_is_done(service: Service) -> None:
    image_id = await service.upload(pictures.jpeg())
    await service.delete(image_id)

    await dispatch(
        Delivery(task_message(image_id, Lane.FAST, NO_REQUEST), Channel.FAST, "s", None),
        service.handlers(),
        service.repository.dead_letters,
    )

    assert await service.count("dead_letters") == 0


async def test_an_outage_keeps_the_message_in_hand(service: Service) -> None:
    calls: list[str] = []

    async def handle(delivery: Delivery) -> None:
        calls.append(delivery.source)
        if len(calls) < 3:
            raise DatabaseUnavailable

    line, stopping = Line(), asyncio.Event()
    line.put(Message("t", "k", b""), "a")
    async with cancelled_at_end(asyncio.create_task(lanes_of(line, service, {"t": handle}, stopping).consume(Channel.FAST, 1))):
        await eventually(lambda: line.acknowledged == ["a"])

    assert (calls, line.released) == (["a", "a", "a"], [])


async def test_slots_work_side_by_side_and_no_more_of_them(service: Service) -> None:
    busy, most, go = 0, 0, asyncio.Event()

    async def handle(_: Delivery) -> None:
        nonlocal busy, most
        busy += 1
        most = max(most, busy)
        await go.wait()
        busy -= 1

    line, stopping = Line(), asyncio.Event()
    for number in range(9):
        line.put(Message("t", "k", b""), str(number))
    async with cancelled_at_end(asyncio.create_task(lanes_of(line, service, {"t": handle}, stopping).consume(Channel.FAST, 3))):
        await eventually(lambda: busy == 3)
        go.set()
        await eventually(lambda: len(line.acknowledged) == 9)

    assert most == 3


async def test_asked_to_stop_it_finishes_what_is_in_hand_and_takes_no_more(service: Service) -> None:
    go = asyncio.Event()

    async def handle(_: Delivery) -> None:
        await go.wait()

    line, stopping = Line(), asyncio.Event()
    lanes = lanes_of(line, service, {"t": handle}, stopping)
    line.put(Message("t", "k", b""), "in hand")
    consuming = asyncio.create_task(lanes.consume(Channel.FAST, 1))
    async with cancelled_at_end(consuming):
        await eventually(lambda: lanes.in_hand == 1)
        stopping.set()
        line.put(Message("t", "k", b""), "too late")
        go.set()
        await asyncio.wait_for(consuming, 30)

    assert (line.acknowledged, line.waiting.qsize()) == (["in hand"], 1)


async def test_idle_slots_stop_at_once(service: Service) -> None:
    stopping = asyncio.Event()
    consuming = asyncio.create_task(lanes_of(Line(), service, {}, stopping).consume(Channel.FAST, 3))
    async with cancelled_at_end(consuming):
        await asyncio.sleep(0)
        stopping.set()
        await asyncio.wait_for(consuming, 30)


async def test_cancelled_it_releases_the_messages_in_hand(service: Service) -> None:
    async def handle(_: Delivery) -> None:
        await asyncio.Event().wait()

    line, stopping = Line(), asyncio.Event()
    lanes = lanes_of(line, service, {"t": handle}, stopping)
    line.put(Message("t", "k", b""), "in hand")
    async with cancelled_at_end(asyncio.create_task(lanes.consume(Channel.FAST, 1))):
        await eventually(lambda: lanes.in_hand == 1)

    assert (line.acknowledged, line.released) == ([], ["in hand"])


async def test_cancelled_during_an_outage_it_releases_the_message(service: Service) -> None:
    called = asyncio.Event()

    async def handle(_: Delivery) -> None:
        called.set()
        raise DatabaseUnavailable

    line = Line()
    line.put(Message("t", "k", b""), "in hand")
    lanes = Lanes(line, {"t": handle}, service.repository.dead_letters, asyncio.Event(), nothing_waits, pause_seconds=60)  # type: ignore[arg-type]
    async with cancelled_at_end(asyncio.create_task(lanes.consume(Channel.FAST, 1))):
        await asyncio.wait_for(called.wait(), 30)
        await asyncio.sleep(0)  # it has met the outage, and waits

    assert (line.acknowledged, line.released) == ([], ["in hand"])
