"""A message says that there is work, the claim says which: what becomes of messages that are lost, doubled or late (G1 to G3)."""

import asyncio
from uuid import UUID

import structlog
from msgspec.structs import replace

from internal.domain.errors import DatabaseUnavailable
from internal.domain.message import Channel, Message, MessageContext
from internal.domain.rendition import Lane
from internal.domain.status import Status
from internal.domain.tasks import Task, read_task, task_message
from internal.ports.sandbox import Rendered, RenderJob, Sandbox
from internal.rendering.transitions import Origin
from internal.worker.consume import Lanes, Look
from tests import pictures
from tests.integration.conftest import TIMINGS
from tests.integration.service import ORIGIN, Service, cancelled_at_end
from tests.integration.test_upload_cost import sent as sent  # a fixture
from tests.integration.test_worker import Line
from tests.services.waiting import eventually


def lanes_of(line: Line, service: Service, stopping: asyncio.Event, look: Look | None = None) -> Lanes:
    return Lanes(
        line,  # type: ignore[arg-type]
        service.handlers(),
        service.repository.dead_letters,
        stopping,
        look or service.worker.process_waiting,
        pause_seconds=TIMINGS.pause_seconds,
    )


async def statuses(service: Service) -> set[str]:
    return {row["status"] for row in await service.session.rows("SELECT status FROM renditions")}


async def are_processed(service: Service) -> bool:
    return await statuses(service) == {Status.PROCESSED}


def message(image_id: UUID) -> Message:
    return task_message(image_id, Lane.FAST, MessageContext())


async def test_as_many_tasks_are_done_as_messages_come_in_whatever_order_and_however_often(service: Service) -> None:
    images = [await service.upload(pictures.jpeg()) for _ in range(4)]
    line = Line()
    for image_id in (*reversed(images), *images):
        line.put(message(image_id), str(image_id))

    async def nothing_waits(_: Lane) -> bool:
        return False

    async with cancelled_at_end(
        asyncio.create_task(lanes_of(line, service, asyncio.Event(), nothing_waits).consume(Channel.FAST, 2))
    ):
        await eventually(lambda: len(line.acknowledged) == 8)

    assert await are_processed(service)
    assert [(await service.rendition(image_id)).generation for image_id in images] == [1] * 4


async def test_a_task_whose_message_was_lost_is_found_by_an_idle_slot(service: Service) -> None:
    for _ in range(3):
        await service.upload(pictures.jpeg())

    async with cancelled_at_end(asyncio.create_task(lanes_of(Line(), service, asyncio.Event()).consume(Channel.FAST, 2))):
        await eventually(lambda: are_processed(service))


async def test_a_message_that_an_older_worker_took_for_a_task_that_was_done_leaves_nothing_waiting(service: Service) -> None:
    first, second = [await service.upload(pictures.jpeg()) for _ in range(2)]
    await service.worker.process(Task(second, Lane.FAST), ORIGIN)  # takes the first one
    older = await service.worker.transitions.claim(Task(first, Lane.FAST))  # all that older code claims
    assert older is None

    async with cancelled_at_end(asyncio.create_task(lanes_of(Line(), service, asyncio.Event()).consume(Channel.FAST, 1))):
        await eventually(lambda: are_processed(service))


async def test_slots_look_while_no_message_comes_and_prefer_messages(service: Service) -> None:
    line, looks = Line(), 0

    async def look(_: Lane) -> bool:
        nonlocal looks
        looks += 1
        return looks < 3  # what was found is looked for again at once

    line.put(message(await service.upload(pictures.jpeg())), "first")
    async with cancelled_at_end(asyncio.create_task(lanes_of(line, service, asyncio.Event(), look).consume(Channel.FAST, 1))):
        await eventually(lambda: line.acknowledged == ["first"])
        await eventually(lambda: looks >= 3)


async def test_a_look_that_fails_ends_no_slot(service: Service) -> None:
    line, failures = Line(), [DatabaseUnavailable(), ZeroDivisionError()]

    async def look(_: Lane) -> bool:
        if failures:
            raise failures.pop()
        return False

    async with cancelled_at_end(asyncio.create_task(lanes_of(line, service, asyncio.Event(), look).consume(Channel.FAST, 1))):
        await eventually(lambda: not failures)
        line.put(message(await service.upload(pictures.jpeg())), "after")
        await eventually(lambda: line.acknowledged == ["after"])


async def test_an_idle_slot_stops_at_once_also_without_messages(service: Service) -> None:
    stopping = asyncio.Event()
    consuming = asyncio.create_task(lanes_of(Line(), service, stopping).consume(Channel.FAST, 2))
    async with cancelled_at_end(consuming):
        await asyncio.sleep(0)
        stopping.set()
        await asyncio.wait_for(consuming, 60)


async def test_a_picture_is_as_many_statements_as_it_was(service: Service, sent: list[str]) -> None:
    """As before tasks had tags (df5b21f)."""
    image_id = await service.upload(pictures.jpeg(), renditions={"tiny": "resize:9x9"})
    sent.clear()

    await service.worker.process(Task(image_id, Lane.FAST), ORIGIN)

    one = ["CLAIM_RENDITION", "BEGIN", "LOCK_IMAGE", "FINISH_RENDITION", "COMMIT"]
    learned = [*one[:-1], "LEARN_FACTS", "COMMIT"]
    assert [name for name in sent if name != "RENEW_CLAIM"] == [*learned, *one]


class Noting:
    """A sandbox that notes the log's request id during each decode."""

    def __init__(self, real: Sandbox) -> None:
        self._real = real
        self.request_ids: list[str | None] = []

    async def render(self, job: RenderJob) -> Rendered:
        self.request_ids.append(structlog.contextvars.get_contextvars().get("request_id"))
        return await self._real.render(job)

    async def check(self) -> None: ...


async def test_the_log_and_the_dead_letter_name_the_request_of_the_task_and_not_of_the_message(service: Service) -> None:
    broken = await service.upload(pictures.cut(pictures.png(200, 200)), cause=MessageContext("of the broken one"))
    other = await service.upload(pictures.jpeg(), cause=MessageContext("of the other"))
    sandbox = Noting(service.worker.sandbox)
    worker = replace(service.worker, sandbox=sandbox)
    sent_for = task_message(other, Lane.FAST, MessageContext("of the other"))

    with structlog.contextvars.bound_contextvars(request_id="of the other"):
        await worker.process(Task(other, Lane.FAST), Origin("topic/1/2", sent_for.headers, sent_for.body))

    assert sandbox.request_ids == ["of the broken one"]
    [letter] = await service.session.rows("SELECT image_id, source, headers, body FROM dead_letters")
    assert (letter["image_id"], letter["source"]) == (broken, "topic/1/2")
    assert letter["headers"] == {"x-request-id": "of the broken one"}
    assert read_task(Message("", "", bytes(letter["body"]))) == Task(broken, Lane.FAST)
