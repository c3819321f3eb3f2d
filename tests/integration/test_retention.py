"""Retention: old events and dead letters are removed in batches, by the primary key, beside the normal work."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest

from internal.domain.dead_letter import DeadLetter
from internal.domain.ids import new_id
from internal.maintenance import retention
from internal.maintenance.retention import Retention, retentions
from internal.ports.repository.purge_result import PurgeResult
from tests import pictures
from tests.integration.housekeeping import housekeeping
from tests.integration.service import Service

MANY = 1_000_000 if os.environ.get("FAULTS") == "long" else 4_000

FILL_EVENTS = """
    -- The ids rise with time, as UUIDv7 do.
    INSERT INTO events (id, type, image_id, owner, data, time)
    SELECT (lpad(to_hex(number), 12, '0') || '70008000' || lpad(to_hex(number), 12, '0'))::uuid, 'image.uploaded', %(image)s,
           'anonymous', '{}', now() - %(days)s * interval '1 day'
      FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS number
"""
FILL_LETTERS = """
    INSERT INTO dead_letters (code, detail, source, attempts, body, created_at)
    SELECT 'code', 'detail', 'source', 1, '', now() - %(days)s * interval '1 day' FROM generate_series(1, %(count)s::bigint)
"""


def counted(purge: Callable[..., Awaitable[PurgeResult[Any]]]) -> tuple[Callable[..., Awaitable[PurgeResult[Any]]], list[int]]:
    """A purge that notes how many rows each call removed."""
    removed: list[int] = []

    async def count(**values: Any) -> PurgeResult[Any]:
        purged = await purge(**values)
        removed.append(purged.count)
        return purged

    return count, removed


async def fill_events(service: Service, first: int, last: int, *, days: int, image: UUID | None = None) -> None:
    for start in range(first, last + 1, 50_000):
        values = {"first": start, "last": min(last, start + 49_999), "days": days, "image": image or new_id()}
        await service.session.run(FILL_EVENTS, values)


@pytest.mark.timeout(1800)
async def test_old_rows_are_removed_in_batches_by_the_primary_key(service: Service) -> None:
    """Uploads and reads go on meanwhile: the purge holds no lock that they wait for."""
    await fill_events(service, 1, MANY, days=31)
    kept = new_id()
    await fill_events(service, MANY + 1, MANY + 50, days=29, image=kept)
    purge, removed = counted(service.repository.events.purge)
    events = Retention("purge_events", service.repository, purge, days=30)
    served: list[int] = []

    async def serve() -> None:
        while True:
            await service.image(await service.upload(pictures.jpeg(8, 8)))
            served.append(len(await service.repository.events.of(kept)))

    serving = asyncio.create_task(serve())
    while not removed or removed[-1]:
        before = len(served)
        await events.run()
        while len(served) == before:
            assert not serving.done()
            await asyncio.sleep(0)
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)

    assert removed == [*([retention.BATCH] * (MANY // retention.BATCH)), 0]
    assert set(served) == {50}
    [left] = await service.session.rows("SELECT count(*) AS n, min(time) > now() - interval '30 days' AS young FROM events")
    assert left["young"]
    assert left["n"] == 50 + await service.count("images")


async def test_a_purge_begins_behind_what_it_has_removed(service: Service) -> None:
    """While an old snapshot is open, removed rows stay in the index: each batch would read all of them again."""
    await fill_events(service, 1, 20, days=31)
    first = await service.repository.events.purge(older_days=30, after=None, limit=12)
    second = await service.repository.events.purge(older_days=30, after=first.last, limit=12)

    assert (first.count, second.count) == (12, 8)
    assert first.last is not None
    assert second.last is not None
    assert second.last > first.last
    assert await service.repository.events.purge(older_days=30, after=second.last, limit=12) == PurgeResult(0, None)


async def test_dead_letters_are_kept_for_their_days(service: Service) -> None:
    await service.session.run(FILL_LETTERS, {"count": 5, "days": 91})
    await service.session.run(FILL_LETTERS, {"count": 3, "days": 89})
    await service.repository.dead_letters.add(DeadLetter("code", "detail", "source", 1))

    await housekeeping(service.worker).cleanup()

    assert await service.count("dead_letters") == 4


async def test_zero_days_keep_everything(service: Service) -> None:
    await fill_events(service, 1, 3, days=30_000)
    await service.session.run(FILL_LETTERS, {"count": 2, "days": 30_000})

    for kept in retentions(service.repository, events_days=0, dead_letters_days=0):
        assert await kept.run() == 0

    assert (await service.count("events"), await service.count("dead_letters")) == (3, 2)


async def test_one_worker_purges_at_a_time(service: Service) -> None:
    await fill_events(service, 1, 10, days=31)
    one, other = (Retention("purge_events", service.repository, service.repository.events.purge, days=30) for _ in range(2))

    assert await one.run() == 10
    await fill_events(service, 11, 12, days=31)
    assert await other.run() == 0


async def test_an_idle_purge_waits_for_its_time(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    purge, removed = counted(service.repository.events.purge)
    events = Retention("purge_events", service.repository, purge, days=30)
    for _ in range(3):
        await events.run()
    assert removed == [0]

    monkeypatch.setattr(retention, "IDLE_SECONDS", 0.0)
    events = Retention("purge_events", service.repository, purge, days=30)
    await service.session.run("DELETE FROM chore_leases")
    for _ in range(3):
        await events.run()
    assert removed == [0, 0, 0, 0]


async def test_each_batch_begins_behind_the_one_before(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 4)
    await fill_events(service, 1, 10, days=31)
    began: list[UUID | None] = []

    async def purge(**values: Any) -> PurgeResult[Any]:
        began.append(values["after"])
        return await service.repository.events.purge(**values)

    await Retention("purge_events", service.repository, purge, days=30).run()

    assert [after and after.int & 0xFFFF for after in began] == [None, 4, 8, 10]
