"""What is counted is counted when it happens, once, and under its own name."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from internal.domain.errors import DatabaseUnavailable, StoreUnavailable, UnsupportedMediaType
from internal.domain.ids import new_id
from internal.domain.keys import original_key
from internal.domain.rendition import Lane
from internal.domain.tasks import Task
from internal.maintenance.requeue import requeue_stalled
from internal.observability import metrics
from internal.observability.gauges import PREFIX
from internal.ports.object_store import ByteRange, ObjectInfo, ObjectStream
from internal.ports.sandbox import Rendered, RenderJob
from internal.postgres.listener import Listener
from tests import pictures
from tests.integration.housekeeping import overdue_tasks
from tests.integration.service import ORIGIN, Service, cancelled_at_end
from tests.integration.test_relay import Collecting, drained, relay_of

Values = dict[tuple[str, ...], float]
"""Of one metric, by the values of its labels."""


class Counts:
    """What this process has counted since this was made."""

    def __init__(self) -> None:
        self._before = self._now()

    def of(self, name: str) -> Values:
        """What was added; what was not is left out."""
        now, before = self._now().get(name, {}), self._before.get(name, {})
        added = {labels: value - before.get(labels, 0) for labels, value in now.items()}
        return {labels: value for labels, value in added.items() if value}

    def now(self, name: str) -> Values:
        return self._now()[name]

    @staticmethod
    def _now() -> dict[str, Values]:
        found: dict[str, Values] = {}
        for family in text_string_to_metric_families(metrics.exposition().decode()):
            for sample in family.samples:
                found.setdefault(sample.name.removeprefix(PREFIX), {})[tuple(sample.labels.values())] = sample.value
        return found


@pytest.fixture
def counts() -> Counts:
    return Counts()


class Clock:
    """It moves when it is told to."""

    now = 0.0

    def perf_counter(self) -> float:
        return self.now


class Sandbox:
    """Does nothing but to say that it is well."""

    async def render(self, job: RenderJob) -> Rendered:
        raise NotImplementedError

    async def check(self) -> None: ...


async def test_uploads_are_measured_when_they_are_accepted(service: Service, counts: Counts) -> None:
    small, large = pictures.jpeg(8, 8), pictures.jpeg(64, 64) + bytes(70_000)
    for picture in (small, large):
        await service.upload(picture)
    with pytest.raises(UnsupportedMediaType):
        await service.upload(b"no picture")

    assert counts.of("upload_size_bytes_count") == {(): 2}
    assert counts.of("upload_size_bytes_sum") == {(): len(small) + len(large)}


async def test_each_stage_has_its_own_time(service: Service, counts: Counts, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr("internal.rendering.attempt.time", clock)

    class SlowStore:
        def get(self, key: str, byte_range: ByteRange | None = None) -> AbstractAsyncContextManager[ObjectStream]:
            clock.now += 1
            return service.store.get(key, byte_range)

        async def put(self, key: str, content: AsyncIterator[bytes], *, content_type: str) -> ObjectInfo:
            clock.now += 100
            return await service.store.put(key, content, content_type=content_type)

    class Slow(Sandbox):
        async def render(self, job: RenderJob) -> Rendered:
            clock.now += 10
            return msgspec.structs.replace(await service.worker.sandbox.render(job), cpu_seconds=2.5)

    slow = service.with_worker(store=SlowStore(), sandbox=Slow())
    for picture in (pictures.jpeg(), pictures.cut(pictures.jpeg(200, 150))):  # the second can't be made
        await slow.process(await service.upload(picture))

    assert counts.of("stage_duration_seconds_sum") == pytest.approx({("fetch",): 1, ("render",): 10, ("store",): 100})
    assert counts.of("stage_duration_seconds_count") == {("fetch",): 1, ("render",): 1, ("store",): 1}
    assert counts.of("render_cpu_seconds_total") == pytest.approx({(): 2.5})
    assert counts.of("attempts_total") == {("processed",): 1, ("failed",): 1}
    assert counts.of("failures_total") == {("invalid_image",): 1}


async def test_a_lost_attempt(service: Service, counts: Counts) -> None:
    class StandsStill(Sandbox):
        async def render(self, job: RenderJob) -> Rendered:
            rendered = await service.worker.sandbox.render(job)
            await service.session.run("UPDATE renditions SET attempt = attempt + 1")
            return rendered

    await service.with_worker(sandbox=StandsStill()).process(await service.upload(pictures.jpeg()))

    assert counts.of("attempts_total") == {("lost",): 1}
    assert counts.of("failures_total") == {}


async def test_an_outage_pauses_an_attempt_that_had_begun(
    service: Service, counts: Counts, monkeypatch: pytest.MonkeyPatch
) -> None:
    outages = iter([StoreUnavailable(), StoreUnavailable()])

    class Outage(Sandbox):
        async def render(self, job: RenderJob) -> Rendered:
            for outage in outages:
                raise outage
            return await service.worker.sandbox.render(job)

    async def no_database(*_: object, **__: object) -> None:
        monkeypatch.undo()
        raise DatabaseUnavailable

    monkeypatch.setattr(service.repository.renditions, "claim", no_database)  # nothing was claimed: no attempt
    await service.with_worker(sandbox=Outage()).process(await service.upload(pictures.jpeg()))

    assert counts.of("attempts_total") == {("paused",): 2, ("processed",): 1}


async def test_a_cancelled_attempt_is_released(service: Service, counts: Counts) -> None:
    started = asyncio.Event()

    class Stuck(Sandbox):
        async def render(self, job: RenderJob) -> Rendered:
            started.set()
            await asyncio.Event().wait()
            raise AssertionError

    task = Task(await service.upload(pictures.jpeg()), Lane.FAST)
    stuck = service.with_worker(sandbox=Stuck()).worker
    async with cancelled_at_end(asyncio.create_task(stuck.process(task, ORIGIN))):
        await started.wait()

    assert counts.of("attempts_total") == {("released",): 1}


async def test_requeued_renditions_are_counted_by_reason(service: Service, counts: Counts) -> None:
    lost = await service.upload(pictures.jpeg())
    abandoned = await service.upload(pictures.jpeg())
    tries = service.worker.timings.max_attempts
    for _ in range(tries):
        await service.let_lease_run_out(await service.claim(abandoned))
        await requeue_stalled(service.worker.transitions)
    await service.session.run("DELETE FROM outbox")
    await service.session.run("UPDATE renditions SET due_at = now() - interval '61 s' WHERE image_id = %(id)s", {"id": lost})
    await overdue_tasks(service.worker).requeue()

    assert counts.of("requeued_total") == {("lease",): tries - 1, ("overdue",): 1}
    assert counts.of("attempts_total") == {("failed",): 1}
    assert counts.of("failures_total") == {("lease_lost",): tries}


async def test_objects_that_gc_deletes_are_counted(service: Service, counts: Counts, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = [original_key(new_id()) for _ in range(3)]
    await service.repository.pending_objects.mark(keys, seconds=-61)
    delete = service.store.delete

    async def delete_but_one(key: str) -> None:
        if key == keys[0]:
            raise ValueError
        await delete(key)

    monkeypatch.setattr(service.store, "delete", delete_but_one)
    await service.collect_garbage()

    assert counts.of("swept_objects_total") == {(): 2}


async def test_published_messages_are_counted_by_channel(service: Service, listener: Listener, counts: Counts) -> None:
    queue = Collecting()
    stuck = await service.upload(pictures.jpeg())
    queue.refused = {str(stuck)}
    for processing in ("resize:9x9", "format:avif", "format:avif"):
        await service.upload(pictures.jpeg(), processing)

    await drained(relay_of(service, queue, listener))

    assert counts.of("outbox_published_total") == {("fast",): 1, ("slow",): 2, ("events",): 3}
    assert counts.of("outbox_publish_failures_total") == {("fast",): 1, ("events",): 1}
