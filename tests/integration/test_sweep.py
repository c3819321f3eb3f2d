"""Housekeeping: abandoned leases, lost messages, unreferenced objects (G1, G3, G4)."""

import asyncio
from datetime import UTC, datetime

import pytest

from internal.errors import DeadlinePassed, StoreUnavailable
from internal.images.events import Event, EventType, happened
from internal.images.keys import original_key
from internal.images.model import ANONYMOUS, Image, Original, Status, new_id
from internal.images.sweep import clear_away, requeue_abandoned, requeue_overdue, sweep_unreferenced
from tests import pictures
from tests.integration.service import Service


async def test_a_dead_workers_rendition_is_queued_again(service: Service) -> None:
    image_id = await service.upload(pictures.jpeg())
    claim = await service.claim(image_id)
    await service.session.run("DELETE FROM outbox")
    assert await requeue_abandoned(service.workshop) == 0  # its lease still holds
    await service.let_lease_run_out(claim)

    assert await requeue_abandoned(service.workshop) == 1

    assert (await service.rendition(image_id)).status == Status.UPLOADED
    assert await service.count("outbox") == 1
    assert (await service.process(image_id)).status == Status.PROCESSED


async def test_a_rendition_that_kills_its_worker_every_time_is_failed(service: Service) -> None:
    image_id = await service.upload(pictures.jpeg())
    for _ in range(service.workshop.schedule.max_attempts):
        await service.let_lease_run_out(await service.claim(image_id))
        await requeue_abandoned(service.workshop)

    image = await service.image(image_id)
    assert image.status == Status.FAILED
    assert image.renditions[0].failure is not None
    assert image.renditions[0].failure.code == "lease_lost"
    assert [letter.source for letter in await service.repository.dead_letters.of(image_id)] == ["housekeeping"]


async def test_a_lost_message_is_sent_again_once_a_minute(service: Service) -> None:
    image_id = await service.upload(pictures.jpeg())
    await service.session.run("DELETE FROM outbox")
    assert await requeue_overdue(service.workshop) == 0
    await service.session.run("UPDATE renditions SET due_at = now() - interval '61 s'")

    assert await requeue_overdue(service.workshop) == 1
    assert await requeue_overdue(service.workshop) == 0

    assert await service.count("outbox") == 1
    assert (await service.process(image_id)).status == Status.PROCESSED


async def test_what_waits_for_the_queue_is_not_sent_again(service: Service) -> None:
    """As long as a lane's oldest message can't be published, its backlog does not grow by itself. The other lane goes on."""
    for _ in range(2):
        await service.upload(pictures.jpeg())
    lost = await service.upload(pictures.jpeg(), "format:avif")
    await service.session.run("DELETE FROM outbox WHERE channel = 'slow'")
    await service.session.run("UPDATE renditions SET due_at = now() - interval '61 s'")
    await service.session.run("UPDATE outbox SET created_at = now() - interval '61 s', due_at = now() + interval '1 s'")

    assert await requeue_overdue(service.workshop) == 1

    assert [row["key"] for row in await service.session.rows("SELECT key FROM outbox WHERE channel = 'slow'")] == [str(lost)]
    await service.session.run("DELETE FROM outbox")
    await service.session.run("UPDATE renditions SET due_at = now() - interval '61 s'")
    assert await requeue_overdue(service.workshop) == 3


async def test_the_sweep_takes_what_is_overdue_and_nothing_else(service: Service) -> None:
    kept = await service.upload(pictures.jpeg())
    doomed = await service.upload(pictures.jpeg())
    await service.process(doomed)
    await service.delete(doomed)
    assert await sweep_unreferenced(service.workshop) == 0  # listed, but not overdue yet
    await service.session.run("UPDATE unreferenced_objects SET deadline = now() - interval '61 s'")

    assert await sweep_unreferenced(service.workshop) == 2

    assert await service.keys() == {(await service.image(kept)).original.key}
    assert await service.listed() == set()


async def test_a_commit_that_meets_the_sweep_loses(service: Service) -> None:
    """While the sweep deletes an object, and ever after, nobody can come to refer to it."""
    image = an_image()
    await service.repository.unreferenced.intend(image.original.key, seconds=-61)

    async with service.repository.transaction() as sweeping:
        assert await sweeping.unreferenced.next_overdue(seconds=60) == image.original.key
        with pytest.raises(DeadlinePassed):
            await service.repository.images.add(image, [], uploaded(image))
        await sweeping.unreferenced.forget(image.original.key)

    with pytest.raises(DeadlinePassed):
        await service.repository.images.add(image, [], uploaded(image))
    assert (await service.count("images"), await service.count("events")) == (0, 0)


async def test_an_object_that_is_being_referred_to_is_left_alone(service: Service) -> None:
    image = an_image()
    await service.repository.unreferenced.intend(image.original.key, seconds=60)

    async with service.repository.transaction() as work:
        await work.images.add(image, [], uploaded(image))
        async with service.repository.transaction() as sweeping:
            assert await sweeping.unreferenced.next_overdue(seconds=-120) is None  # its row is locked, so it is skipped


def an_image() -> Image:
    image_id, now = new_id(), datetime.now(UTC)
    original = Original(original_key(image_id), "image/jpeg", 1, "0", 1, 1, None)
    return Image(image_id, ANONYMOUS, Status.UPLOADED, original, {}, now, now)


def uploaded(image: Image) -> Event:
    return happened(EventType.IMAGE_UPLOADED, image.id, image.owner)


async def test_two_sweeps_share_the_work(service: Service) -> None:
    keys = [original_key(new_id()) for _ in range(20)]
    for key in keys:
        await service.repository.unreferenced.intend(key, seconds=-61)

    swept = await asyncio.gather(sweep_unreferenced(service.workshop), sweep_unreferenced(service.workshop))

    assert sum(swept) == 20
    assert await service.listed() == set()


async def test_a_round_of_housekeeping_forgets_old_keys(service: Service) -> None:
    await service.upload(pictures.jpeg(), key="first")
    await service.session.run(
        "UPDATE idempotency_keys SET created_at = now() - interval '25 h', lease_until = now() - interval '1 s'"
    )

    await clear_away(service.workshop)

    assert await service.count("idempotency_keys") == 0


async def test_an_object_that_cannot_be_deleted_holds_up_no_other(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does it get a deadline in the future by that: a late writer must still find that its time is over (G4)."""
    stuck, next_one = original_key(new_id()), original_key(new_id())
    for key, age in ((stuck, 90), (next_one, 80)):
        await service.repository.unreferenced.abandon([key], seconds=-age)
    delete = service.store.delete

    async def locked(key: str) -> None:
        if key == stuck:
            raise StoreUnavailable
        await delete(key)

    monkeypatch.setattr(service.store, "delete", locked)
    with pytest.raises(StoreUnavailable):
        await sweep_unreferenced(service.workshop)
    passed = "SELECT key FROM unreferenced_objects WHERE deadline < now()"
    assert {row["key"] for row in await service.session.rows(passed)} == {stuck, next_one}

    assert await sweep_unreferenced(service.workshop) == 1
    assert await service.listed() == {stuck}
