"""Chores: a failure is visible in the metrics, and a row that fails blocks no other."""

import time
from collections.abc import Iterator
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from internal.domain.errors import DatabaseUnavailable
from internal.domain.events import EventType, new_event
from internal.domain.ids import new_id
from internal.domain.keys import original_key
from internal.domain.status import Status
from internal.maintenance.chores import Chore, register, run_round
from internal.maintenance.quarantine import Quarantine
from internal.maintenance.requeue import requeue_stalled
from internal.observability import metrics
from internal.observability.gauges import table_gauges
from internal.ports.repository.renditions import StalledRendition
from internal.ports.repository.repository import Tables
from internal.rendering.transitions import Outcome, Transitions
from internal.repository.renditions import PostgresRenditions
from tests import pictures
from tests.integration.housekeeping import housekeeping
from tests.integration.service import Service
from tests.integration.test_metrics import Counts
from tests.integration.test_metrics_gauges import asked


async def works() -> int:
    return 1


async def breaks() -> int:
    raise ZeroDivisionError


def last_success(chore: str) -> float:
    return Counts().now("chore_last_success_timestamp_seconds")[(chore,)]


@pytest.fixture
def failing_first() -> Iterator[list[Chore]]:
    chores = [Chore("breaks", breaks), Chore("works", works)]
    yield chores
    for chore in chores:
        metrics.CHORE_LAST_SUCCESS.remove(chore.name)
        metrics.CHORE_FAILURES.remove(chore.name)


async def test_a_chore_that_raises_is_counted_and_stops_no_other(failing_first: list[Chore]) -> None:
    counts = Counts()
    register(failing_first)
    began = time.time()
    metrics.CHORE_LAST_SUCCESS.labels("breaks").set(began - 600)
    metrics.CHORE_LAST_SUCCESS.labels("works").set(began - 600)

    with pytest.raises(ZeroDivisionError):
        await run_round(failing_first)

    assert counts.of("chore_failures_total") == {("breaks",): 1}
    assert last_success("breaks") == began - 600
    assert last_success("works") >= began


async def test_a_chore_that_never_succeeded_has_an_age(failing_first: list[Chore]) -> None:
    began = time.time()

    register(failing_first)

    assert last_success("breaks") >= began


async def test_both_failures_of_a_round_are_reported(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = Counts()

    async def fail(*_: object, **__: object) -> int:
        raise DatabaseUnavailable

    async def broken(*_: object, **__: object) -> int:
        raise ZeroDivisionError

    monkeypatch.setattr(PostgresRenditions, "stalled", fail)
    monkeypatch.setattr(PostgresRenditions, "overdue_lanes", broken)

    with capture_logs() as lines, pytest.raises(DatabaseUnavailable):
        await housekeeping(service.worker).requeue()

    assert [(line["event"], line["chore"], line["error"]) for line in lines] == [
        ("housekeeping.failed_too", "requeue_overdue", "ZeroDivisionError()")
    ]
    assert counts.of("chore_failures_total") == {("requeue_abandoned",): 1, ("requeue_overdue",): 1}


async def test_an_attempt_that_can_not_be_ended_blocks_no_other(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once every round rolled back the whole batch, and no claim of a dead worker was ever requeued."""
    counts = Counts()
    claims = [await service.claim(await service.upload(pictures.jpeg())) for _ in range(4)]
    for claim in claims:
        await service.let_lease_run_out(claim)
    poison = claims[1].rendition_id  # as a row whose dead letter breaks a rule of the database
    end = Transitions.end_stalled

    async def end_but_one(transitions: Transitions, work: Tables, found: StalledRendition) -> Outcome:
        if found.rendition_id == poison:
            event = new_event(EventType.RENDITION_FAILED, found.image_id, found.owner)
            await work.events.add(event, event)  # PostgreSQL refuses it
        return await end(transitions, work, found)

    monkeypatch.setattr(Transitions, "end_stalled", end_but_one)
    quarantine = Quarantine[UUID]("requeue_abandoned")
    with capture_logs() as lines:
        assert await requeue_stalled(service.worker.transitions, quarantine) == 3
        assert await requeue_stalled(service.worker.transitions, quarantine) == 0  # and it does not come first in every round

    waiting = {row["id"] for row in await service.session.rows("SELECT id FROM renditions WHERE status = 'uploaded'")}
    assert waiting == {claim.rendition_id for claim in claims} - {poison}
    assert counts.of("chore_rows_failed_total") == {("requeue_abandoned",): 1}
    assert [(line["chore"], line["row"]) for line in lines if line["event"] == "housekeeping.row_failed"] == [
        ("requeue_abandoned", str(poison))
    ]
    monkeypatch.undo()
    assert await requeue_stalled(service.worker.transitions) == 1  # when its time has come, or in another worker


async def test_an_object_that_fails_in_a_way_of_its_own_does_not_stop_gc(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = Counts()
    keys = [original_key(new_id()) for _ in range(5)]
    for number, key in enumerate(keys):
        await service.repository.pending_objects.mark([key], seconds=-90 + number)
    delete = service.store.delete

    async def delete_but_two(key: str) -> None:
        if key in keys[:2]:
            raise ZeroDivisionError
        await delete(key)

    monkeypatch.setattr(service.store, "delete", delete_but_two)

    assert await service.collect_garbage() == 3

    assert await service.listed() == set(keys[:2])
    assert counts.of("chore_rows_failed_total") == {("sweep_unreferenced",): 2}


async def test_the_oldest_unfinished_rendition_has_an_age_whatever_was_tried_meanwhile(service: Service) -> None:
    image_id = await service.upload(pictures.jpeg())
    held = await service.claim(await service.upload(pictures.jpeg()))
    await service.session.run("UPDATE renditions SET requested_at = now() - interval '100 s', due_at = now()")
    await service.let_lease_run_out(held)

    found = await asked(table_gauges(service.repository))
    ages = found["renditions_oldest_age_seconds"]
    assert all(100 <= ages[(status,)] < 200 for status in ("uploaded", "processing"))
    assert found["leases_expired"] == {(): 1}

    assert (await service.process(image_id)).status == Status.PROCESSED
    assert (await asked(table_gauges(service.repository)))["renditions_oldest_age_seconds"][("uploaded",)] == 0


async def test_a_retried_rendition_has_a_new_age(service: Service) -> None:
    image_id = await service.upload(pictures.cut(pictures.jpeg()))
    await service.process(image_id)
    await service.session.run("UPDATE renditions SET requested_at = now() - interval '100 s'")

    async with service.repository.transaction() as work:
        await work.images.hold(image_id)
        await work.renditions.retry(image_id)

    assert (await asked(table_gauges(service.repository)))["renditions_oldest_age_seconds"][("uploaded",)] < 50
