"""Lost messages are found within a minute or so, and a backlog is not taken for a loss (G1)."""

import asyncio
from typing import Any

import pytest

from internal.domain.errors import DatabaseUnavailable
from internal.domain.message import Channel
from internal.domain.status import Status
from internal.maintenance.overdue import PATIENCE
from internal.repository.renditions import PostgresRenditions
from tests import pictures
from tests.integration.housekeeping import Progress, overdue_tasks
from tests.integration.service import Service

ROUND_SECONDS, MINUTE = 10.0, 60.0


async def pass_time(service: Service, seconds: float) -> None:
    """Everything that is kept is so much older."""
    await service.session.run("UPDATE renditions SET due_at = due_at - %(s)s * interval '1 s'", {"s": seconds})
    await service.session.run("UPDATE outbox SET created_at = created_at - %(s)s * interval '1 s'", {"s": seconds})
    await service.session.run("UPDATE chore_leases SET lease_until = lease_until - %(s)s * interval '1 s'", {"s": seconds})


async def lose_messages(service: Service) -> None:
    await service.session.run("DELETE FROM outbox")


async def fill(service: Service, count: int) -> None:
    """So many images with a rendition each that waits; their messages have left the outbox."""
    await service.session.run(
        "INSERT INTO images (id, owner, status, original_key, media_type, size, sha256)"
        " SELECT gen_random_uuid(), 'anonymous', 'uploaded', 'originals/' || number, 'image/jpeg', 1, '0'"
        "   FROM generate_series(1, %(count)s) AS number",
        {"count": count},
    )
    await service.session.run(
        "INSERT INTO renditions (id, image_id, place, name, processing, pipeline, lane)"
        " SELECT gen_random_uuid(), id, 1, 'default', 'flip', 'flip', 'fast' FROM images"
    )


async def test_a_lost_message_is_sent_again_once_a_minute(service: Service) -> None:
    image_id = await service.upload(pictures.jpeg())
    await lose_messages(service)
    overdue = overdue_tasks(service.worker)
    assert await overdue.requeue() == 0
    await pass_time(service, 61)

    assert await overdue.requeue() == 1
    assert await overdue.requeue() == 0

    assert await service.count("outbox") == 1
    assert (await service.process(image_id)).status == Status.PROCESSED


async def test_the_time_doubles_each_time_that_it_is_sent_again_and_begins_anew_with_an_attempt(service: Service) -> None:
    image_id = await service.upload(pictures.jpeg())
    overdue = overdue_tasks(service.worker)
    found: list[int] = []
    for waited in (61, 61, 61, 121, 121):
        await lose_messages(service)
        await pass_time(service, waited)
        found.append(await overdue.requeue())
    assert found == [1, 0, 1, 0, 1]

    await service.claim(image_id)
    assert (await service.session.rows("SELECT resends FROM renditions"))[0]["resends"] == 0


async def test_what_waits_for_the_queue_is_not_sent_again(service: Service) -> None:
    """As long as a lane's oldest message can't be published, its backlog does not grow by itself. The other lane goes on."""
    for _ in range(2):
        await service.upload(pictures.jpeg())
    lost = await service.upload(pictures.jpeg(), "format:avif")
    await service.session.run("DELETE FROM outbox WHERE channel = 'slow'")
    await pass_time(service, 61)
    await service.session.run("UPDATE outbox SET due_at = now() + interval '1 s'")
    overdue = overdue_tasks(service.worker)

    assert await overdue.requeue() == 1

    assert [row["key"] for row in await service.session.rows("SELECT key FROM outbox WHERE channel = 'slow'")] == [str(lost)]
    await lose_messages(service)
    await pass_time(service, 121)
    assert await overdue.requeue() == 3


async def test_a_backlog_of_five_minutes_is_not_sent_again(service: Service) -> None:
    """2,000 of them made 10,000 further messages for each worker that kept house."""
    await fill(service, 2000)
    queue = Progress(published=2000)
    workers = [overdue_tasks(service.worker, queue) for _ in range(3)]
    sent = 0
    for _ in range(int(5 * MINUTE / ROUND_SECONDS)):
        await pass_time(service, ROUND_SECONDS)
        sent += sum(await asyncio.gather(*(worker.requeue() for worker in workers)))
        await lose_messages(service)

    assert sent == 0


async def test_a_backlog_of_a_queue_that_can_not_be_asked_is_sent_again_ever_more_seldom(service: Service) -> None:
    await fill(service, 50)
    queue = Progress(published=50)
    queue.down = True
    overdue = overdue_tasks(service.worker, queue)
    sent = 0
    for _ in range(40):
        await pass_time(service, 15)
        sent += await overdue.requeue()
        await lose_messages(service)

    assert sent == 3 * 50  # after 1, 3 and 7 minutes of 10


async def test_what_was_lost_in_a_backlog_is_found_when_the_queue_has_processed_it(service: Service) -> None:
    """Whichever messages are left: they take the tasks whose turn it is."""
    await fill(service, 1)
    await pass_time(service, 62)
    queue = Progress(published=20, done=19)
    overdue = overdue_tasks(service.worker, queue)
    assert await overdue.requeue() == 0

    queue.done[Channel.FAST] = 20
    assert await overdue.requeue() == 1


async def test_a_queue_that_stands_still_is_helped_in_the_end(service: Service) -> None:
    await fill(service, 5)
    overdue = overdue_tasks(service.worker, Progress(published=5))
    await pass_time(service, PATIENCE * MINUTE - 1)
    assert await overdue.requeue() == 0
    await pass_time(service, 2)
    assert await overdue.requeue() == 5


async def test_one_worker_sends_again_and_another_takes_over_when_it_is_gone(service: Service) -> None:
    await fill(service, 250)
    await pass_time(service, 61)
    first, second = (overdue_tasks(service.worker) for _ in range(2))

    assert [await first.requeue(), await second.requeue(), await first.requeue()] == [100, 0, 100]
    await service.session.run("UPDATE chore_leases SET lease_until = now() - interval '1 s'")
    assert await second.requeue() == 50


async def test_the_queue_is_asked_only_when_something_waits_long(service: Service) -> None:
    queue = Progress()
    await service.upload(pictures.jpeg())

    assert await overdue_tasks(service.worker, queue).requeue() == 0

    assert queue.asked == 0


async def test_an_image_that_can_not_be_sent_again_keeps_no_other_waiting(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(service, 4)
    await pass_time(service, 61)
    [bad] = (row["image_id"] for row in await service.session.rows("SELECT image_id FROM renditions ORDER BY due_at LIMIT 1"))
    resend = PostgresRenditions.resend

    async def resend_but_one(self: PostgresRenditions, image_id: Any, lane: Any) -> int:
        if image_id == bad:
            raise ZeroDivisionError
        return await resend(self, image_id, lane)

    monkeypatch.setattr(PostgresRenditions, "resend", resend_but_one)
    monkeypatch.setattr("internal.maintenance.overdue.BATCH", 1)
    overdue = overdue_tasks(service.worker)

    assert [await overdue.requeue() for _ in range(5)] == [0, 1, 1, 1, 0]


async def test_an_outage_while_it_is_sent_again_is_told(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    await fill(service, 2)
    await pass_time(service, 61)

    async def away(*_: object) -> int:
        raise DatabaseUnavailable

    monkeypatch.setattr(PostgresRenditions, "resend", away)

    with pytest.raises(DatabaseUnavailable):
        await overdue_tasks(service.worker).requeue()
