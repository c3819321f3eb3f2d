"""A task that waits long gets a new message, and its old one is acknowledged, so that the position in the queue advances."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from msgspec.structs import replace

from internal.domain.errors import DatabaseUnavailable, QueueUnavailable, ScratchUnavailable
from internal.domain.message import NO_REQUEST, Channel
from internal.domain.rendition import Lane
from internal.domain.status import Status
from internal.domain.tasks import Task, task_message
from internal.events.relay import Relay
from internal.ports.queue import Queue
from internal.ports.sandbox import Rendered, RenderJob, Sandbox
from internal.postgres.listener import Listener
from internal.worker.consume import Lanes
from tests import pictures
from tests.contract.queue_brokers import PATIENT_SECONDS, KafkaBroker
from tests.integration.conftest import TIMINGS
from tests.integration.service import ORIGIN, Service, cancelled_at_end
from tests.services.kinds import KafkaService
from tests.services.waiting import eventually

WITHIN = 120.0


class Cramped:
    """A sandbox that has no room for PNG files until `room` is set. Other formats are rendered."""

    def __init__(self, real: Sandbox) -> None:
        self._real = real
        self.room = False

    async def render(self, job: RenderJob) -> Rendered:
        if job.media_type == "image/png" and not self.room:
            raise ScratchUnavailable
        return await self._real.render(job)

    async def check(self) -> None: ...


def hurried(service: Service, seconds: float, **ports: object) -> Service:
    return service.with_worker(timings=replace(service.worker.timings, defer_seconds=seconds), **ports)


async def waiting_tasks(service: Service) -> list[tuple[str, bool]]:
    """Of the outbox's tasks: the image, and whether it is due already."""
    rows = await service.session.rows("SELECT key, due_at <= now() AS due FROM outbox WHERE channel = 'fast' ORDER BY id")
    return [(row["key"], row["due"]) for row in rows]


async def test_a_task_that_waits_long_is_sent_again_later(service: Service) -> None:
    image_id = await service.upload(pictures.png())
    await service.session.run("DELETE FROM outbox")

    await hurried(service, 0.3, sandbox=Cramped(service.worker.sandbox)).process(image_id)  # returns: it is acknowledged

    assert [key for key, _ in await waiting_tasks(service)] == [str(image_id)]
    rendition = await service.rendition(image_id)
    assert (rendition.status, rendition.attempts) == (Status.UPLOADED, 0)
    gap = "SELECT max(o.due_at) - max(r.due_at) = interval '0' AS none FROM outbox o, renditions r WHERE o.channel = 'fast'"
    assert (await service.session.rows(gap))[0]["none"]  # not overdue before its message is
    await service.make_due(image_id)
    assert (await service.process(image_id)).status == Status.PROCESSED


async def test_a_task_with_many_renditions_lets_others_go_first(service: Service) -> None:
    image_id = await service.upload(pictures.jpeg(), renditions=dict.fromkeys(("a", "b", "c"), "resize:16x16"))
    await service.session.run("DELETE FROM outbox")

    await hurried(service, 1e-6).process(image_id)

    image = await service.image(image_id)
    assert [rendition.status for rendition in image.renditions].count(Status.PROCESSED) == 1
    assert await waiting_tasks(service) == [(str(image_id), True)]
    while await waiting_tasks(service):
        await service.session.run("DELETE FROM outbox")
        await hurried(service, 1e-6).process(image_id)
    assert (await service.image(image_id)).status == Status.PROCESSED


async def test_a_task_that_ends_in_time_is_sent_once(service: Service) -> None:
    image_id = await service.upload(pictures.jpeg())
    await service.session.run("DELETE FROM outbox")

    await hurried(service, 1e-6).process(image_id)  # one rendition: nothing is left

    assert await waiting_tasks(service) == []


async def test_a_database_that_is_away_keeps_the_task_in_hand(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    image_id = await service.upload(pictures.png())
    await service.session.run("DELETE FROM outbox")
    sandbox, refused = Cramped(service.worker.sandbox), asyncio.Event()
    worker = hurried(service, 1e-6, sandbox=sandbox).worker

    async def refuse(*_: object, **__: object) -> bool:
        refused.set()
        raise DatabaseUnavailable

    monkeypatch.setattr("internal.repository.renditions.PostgresRenditions.defer", refuse)
    working = asyncio.create_task(worker.process(Task(image_id, Lane.FAST), ORIGIN))
    async with cancelled_at_end(working):
        await asyncio.wait_for(refused.wait(), WITHIN)
        sandbox.room = True
        await asyncio.wait_for(working, WITHIN)

    assert (await service.image(image_id)).status == Status.PROCESSED
    assert await waiting_tasks(service) == []


@pytest.fixture
async def queue(kafka: KafkaService) -> AsyncIterator[Queue]:
    broker = KafkaBroker(kafka.brokers)
    async with broker.empty(), broker.open() as queue:
        yield queue


async def test_a_long_waiting_task_does_not_hold_the_committed_offset(
    service: Service, queue: Queue, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise all later messages would be delivered again after a restart."""
    monkeypatch.setattr("internal.queue.kafka.group_offsets.COMMIT_TIMEOUT_SECONDS", PATIENT_SECONDS)
    sandbox = Cramped(service.worker.sandbox)
    crowded = hurried(service, 1.0, sandbox=sandbox)
    cramped = await service.upload(pictures.png())
    others = [await service.upload(pictures.jpeg()) for _ in range(6)]
    await service.session.run("DELETE FROM outbox")
    for image_id in (cramped, *others):  # all in one partition: one key
        await queue.publish(Channel.FAST, replace(task_message(image_id, Lane.FAST, NO_REQUEST), key="one"))

    async def acknowledged() -> bool:
        with contextlib.suppress(QueueUnavailable):
            return await queue.lag(Channel.FAST) == 0
        return False

    async def is_status(image_id: UUID, status: Status) -> bool:
        return (await service.image(image_id)).status == status

    lanes = Lanes(
        queue,
        crowded.handlers(),
        service.repository.dead_letters,
        asyncio.Event(),
        crowded.worker.process_waiting,
        pause_seconds=TIMINGS.pause_seconds,
    )
    async with cancelled_at_end(asyncio.create_task(lanes.consume(Channel.FAST, 2))):
        for image_id in others:
            await eventually(lambda image_id=image_id: is_status(image_id, Status.PROCESSED), WITHIN)  # type: ignore[misc]
        await eventually(acknowledged, WITHIN)
        assert not await is_status(cramped, Status.PROCESSED)

        sandbox.room = True
        relay = Relay(service.repository, queue, listener, lease_seconds=30)
        async with cancelled_at_end(asyncio.create_task(relay.run())):
            await eventually(lambda: is_status(cramped, Status.PROCESSED), WITHIN)
