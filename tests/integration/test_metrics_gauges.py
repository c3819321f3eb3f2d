"""What a scrape asks for is shown as it is: the tables, the decoders, the circuits."""

import asyncio
import os
import signal

import pytest

from internal.domain.dead_letter import DeadLetter
from internal.domain.errors import StoreUnavailable
from internal.domain.ids import new_id
from internal.domain.keys import original_key
from internal.observability.gauges import PREFIX, GaugeSource, circuit_gauges, database_gauges, sandbox_gauges, table_gauges
from internal.postgres.pool import Pool
from internal.runtime.circuit_breaker import CircuitBreaker
from internal.runtime.settings import BreakerSettings
from internal.sandbox.pool import DecoderPool
from tests import pictures
from tests.integration.service import Service, cancelled_at_end
from tests.integration.test_metrics import Values
from tests.services.waiting import eventually


async def asked(source: GaugeSource) -> dict[str, Values]:
    """What a scrape would show."""
    found: dict[str, Values] = {}
    for gauge in await source():
        for family in gauge.collect():
            for sample in family.samples:
                found.setdefault(sample.name.removeprefix(PREFIX), {})[tuple(sample.labels.values())] = sample.value
    return found


class Clock:
    """It moves when it is told to."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now


async def test_the_tables_are_shown_as_they_are(service: Service) -> None:
    """Of six images three are done, two are in work and have listed their results' keys, and one waits."""
    made = [await service.upload(pictures.jpeg(8, 8)) for _ in range(6)]
    for image_id in made[:3]:
        await service.process(image_id)
    for image_id in made[3:5]:
        await service.claim(image_id)
    await service.session.run("DELETE FROM outbox WHERE channel <> 'events'")
    await service.repository.pending_objects.mark([original_key(new_id()) for _ in range(4)], seconds=-1)
    for body in (b"one", b"two"):
        await service.repository.dead_letters.add(DeadLetter("code", "detail", "source", 1, body=body))

    found = await asked(table_gauges(service.repository))

    assert found["renditions"] == {("uploaded",): 1, ("processing",): 2}
    assert found["unreferenced_objects"] == {(): 2 + 4}
    assert found["unreferenced_objects_overdue"] == {(): 4}
    assert found["dead_letters"] == {(): 2}
    assert found["outbox_messages"] == {(): await service.count("outbox")}


async def test_decoders_are_busy_while_they_work(service: Service) -> None:
    pool = service.worker.sandbox
    assert isinstance(pool, DecoderPool)
    source = sandbox_gauges(pool.use)
    assert (await asked(source))["sandbox_decoders"] == {("busy",): 0, ("idle",): 2}
    image_id = await service.upload(pictures.jpeg())
    children = pool.pids
    for child in children:
        os.kill(child, signal.SIGSTOP)  # whoever gets the picture holds it
    working = asyncio.create_task(service.process(image_id))
    async with cancelled_at_end(working):
        try:
            await eventually(lambda: pool.use()["busy"] > 0, within=15)
            assert (await asked(source))["sandbox_decoders"] == {("busy",): 1, ("idle",): 1}
        finally:
            for child in children:
                os.kill(child, signal.SIGCONT)
        await working

    assert (await asked(source))["sandbox_decoders"] == {("busy",): 0, ("idle",): 2}


async def test_an_open_circuit_is_shown_until_the_dependency_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr("internal.runtime.circuit_breaker.time", clock)
    broken, well = (
        CircuitBreaker(name, StoreUnavailable, BreakerSettings(failures=1, seconds=60)) for name in ("broken", "well")
    )
    source = circuit_gauges(broken, well)

    async def shown() -> Values:
        return (await asked(source))["circuit_open"]

    assert await shown() == {("broken",): 0, ("well",): 0}
    with pytest.raises(StoreUnavailable):
        async with broken.guard():
            raise StoreUnavailable
    assert await shown() == {("broken",): 1, ("well",): 0}
    clock.now += 61
    async with broken.guard():  # the probe
        assert await shown() == {("broken",): 1, ("well",): 0}
    assert await shown() == {("broken",): 0, ("well",): 0}


async def test_an_old_snapshot_and_dead_rows_are_shown(service: Service, pool: Pool) -> None:
    """An open transaction of another session keeps every row that is removed after it began."""
    async with pool.connection() as reader, reader.transaction():
        await reader.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        await reader.execute("SELECT count(*) FROM images")
        await eventually(lambda: _is_older(service, 0.2))
        horizon = (await asked(database_gauges(service.repository)))["database_oldest_xmin_age_transactions"][()]
        await service.upload(pictures.jpeg())
        shown = await asked(database_gauges(service.repository))
        assert shown["database_oldest_xmin_age_transactions"][()] > horizon
    assert {("outbox",), ("queue_messages",), ("unreferenced_objects",), ("renditions",)} <= shown["database_dead_rows"].keys()
    await eventually(lambda: _dead_rows_are_seen(service))


async def _is_older(service: Service, seconds: float) -> bool:
    return (await asked(database_gauges(service.repository)))["database_oldest_snapshot_age_seconds"][()] > seconds


async def _dead_rows_are_seen(service: Service) -> bool:
    """PostgreSQL counts them some time after they have died."""
    await service.session.run("INSERT INTO queue_messages (channel, type, key, body) VALUES ('fast', 't', 'k', '')")
    await service.session.run("DELETE FROM queue_messages")
    return (await asked(database_gauges(service.repository)))["database_dead_rows"][("queue_messages",)] > 0
