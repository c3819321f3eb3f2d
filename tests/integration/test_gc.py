"""Housekeeping: expired leases, lost messages, unreferenced objects (G1, G3, G4)."""

import asyncio
from datetime import UTC, datetime

import pytest

from internal.domain.errors import DatabaseUnavailable, DeadlinePassed
from internal.domain.events import Event, EventType, new_event
from internal.domain.identity import ANONYMOUS
from internal.domain.ids import new_id
from internal.domain.image import Image, Original
from internal.domain.keys import original_key
from internal.domain.status import Status
from internal.maintenance import gc
from internal.maintenance.requeue import requeue_stalled
from internal.repository.renditions import PostgresRenditions
from tests import pictures
from tests.integration.housekeeping import housekeeping
from tests.integration.service import Service


async def test_a_dead_workers_rendition_is_requeued(service: Service) -> None:
    image_id = await service.upload(pictures.jpeg())
    claim = await service.claim(image_id)
    await service.session.run("DELETE FROM outbox")
    assert await requeue_stalled(service.worker.transitions) == 0  # its lease still holds
    await service.let_lease_run_out(claim)

    assert await requeue_stalled(service.worker.transitions) == 1

    assert (await service.rendition(image_id)).status == Status.UPLOADED
    assert await service.count("outbox") == 1
    assert (await service.process(image_id)).status == Status.PROCESSED


async def test_a_rendition_that_kills_its_worker_every_time_is_failed(service: Service) -> None:
    image_id = await service.upload(pictures.jpeg())
    for _ in range(service.worker.timings.max_attempts):
        await service.let_lease_run_out(await service.claim(image_id))
        await requeue_stalled(service.worker.transitions)

    image = await service.image(image_id)
    assert image.status == Status.FAILED
    assert image.renditions[0].failure is not None
    assert image.renditions[0].failure.code == "lease_lost"
    assert [letter.source for letter in await service.repository.dead_letters.of(image_id)] == ["housekeeping"]


async def test_gc_takes_what_is_overdue_and_nothing_else(service: Service) -> None:
    kept = await service.upload(pictures.jpeg())
    doomed = await service.upload(pictures.jpeg())
    await service.process(doomed)
    await service.delete(doomed)
    assert await service.collect_garbage() == 0  # listed, but not overdue yet
    await service.session.run("UPDATE unreferenced_objects SET deadline = now() - interval '61 s'")

    assert await service.collect_garbage() == 2

    assert await service.keys() == {(await service.image(kept)).original.key}
    assert await service.listed() == set()


async def test_a_commit_that_meets_gc_loses(service: Service) -> None:
    """While gc deletes an object, and ever after, no transaction can refer to it."""
    image = an_image()
    await service.repository.pending_objects.reserve(image.original.key, seconds=-61)

    async with service.repository.transaction() as collecting:
        assert await collecting.pending_objects.next_overdue(seconds=60) == image.original.key
        with pytest.raises(DeadlinePassed):
            await service.repository.images.add(image, [], uploaded(image))
        await collecting.pending_objects.unmark(image.original.key)

    with pytest.raises(DeadlinePassed):
        await service.repository.images.add(image, [], uploaded(image))
    assert (await service.count("images"), await service.count("events")) == (0, 0)


async def test_an_object_that_a_transaction_refers_to_is_skipped(service: Service) -> None:
    image = an_image()
    await service.repository.pending_objects.reserve(image.original.key, seconds=60)

    async with service.repository.transaction() as work:
        await work.images.add(image, [], uploaded(image))
        async with service.repository.transaction() as collecting:
            assert await collecting.pending_objects.next_overdue(seconds=-120) is None  # its row is locked, so it is skipped


def an_image() -> Image:
    image_id, now = new_id(), datetime.now(UTC)
    original = Original(original_key(image_id), "image/jpeg", 1, "0", 1, 1, None)
    return Image(image_id, ANONYMOUS, Status.UPLOADED, original, "{}", now, now)


def uploaded(image: Image) -> Event:
    return new_event(EventType.IMAGE_UPLOADED, image.id, image.owner)


async def test_two_collectors_share_the_work(service: Service) -> None:
    keys = [original_key(new_id()) for _ in range(20)]
    for key in keys:
        await service.repository.pending_objects.reserve(key, seconds=-61)

    deleted = await asyncio.gather(service.collect_garbage(), service.collect_garbage())

    assert sum(deleted) == 20
    assert await service.listed() == set()


async def test_a_round_of_housekeeping_removes_old_keys(service: Service) -> None:
    await service.upload(pictures.jpeg(), key="first")
    await service.session.run(
        "UPDATE idempotency_keys SET created_at = now() - interval '25 h', lease_until = now() - interval '1 s'"
    )

    await housekeeping(service.worker).cleanup()

    assert await service.count("idempotency_keys") == 0


async def test_any_number_of_old_keys_is_removed_in_batches(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """One statement for all of them would exceed its time limit in every round."""
    monkeypatch.setattr(gc, "KEYS", 2)
    await service.session.run(
        "INSERT INTO idempotency_keys (owner, route, key, holder, lease_until, created_at)"
        " SELECT 'anonymous', 'POST /images', number, gen_random_uuid(), now() - interval '1 s', now() - interval '25 h'"
        "   FROM generate_series(1, 5) AS number"
    )
    purge = service.repository.idempotency.purge
    purged: list[int] = []

    async def counted(*, older_seconds: float, limit: int) -> int:
        purged.append(await purge(older_seconds=older_seconds, limit=limit))
        return purged[-1]

    monkeypatch.setattr(service.repository.idempotency, "purge", counted)
    await housekeeping(service.worker).cleanup()

    assert purged == [2, 2, 1]


async def fail(*_: object, **__: object) -> int:
    raise DatabaseUnavailable


async def test_keys_that_can_not_be_unmarked_do_not_stop_gc(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    await service.repository.pending_objects.mark([original_key(new_id())], seconds=-90)
    monkeypatch.setattr(service.repository.idempotency, "purge", fail)

    with pytest.raises(DatabaseUnavailable):
        await housekeeping(service.worker).cleanup()

    assert await service.listed() == set()


async def test_a_failure_to_read_leases_does_not_block_overdue_renditions(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    await service.upload(pictures.jpeg())
    await service.session.run("DELETE FROM outbox")
    await service.session.run("UPDATE renditions SET due_at = now() - interval '61 s'")
    monkeypatch.setattr(PostgresRenditions, "stalled", fail)

    with pytest.raises(DatabaseUnavailable):
        await housekeeping(service.worker).requeue()

    assert await service.count("outbox") == 1
