"""An attempt that is cancelled, lost or late holds no claim, and leaves no object that is not pending (G2, G3, G4)."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from internal.domain.errors import DatabaseUnavailable, DecoderFailed, StoreUnavailable
from internal.domain.rendition import Claim, Lane
from internal.domain.status import Status
from internal.domain.tasks import Task
from internal.observability import metrics
from internal.ports.object_store import ByteRange, ObjectStream
from internal.ports.sandbox import Rendered, RenderJob
from internal.rendering.lease import StaleClaim, with_lease_renewal
from tests import pictures
from tests.integration.conftest import TIMINGS
from tests.integration.service import ORIGIN, Service, cancelled_at_end
from tests.services.waiting import eventually

NO_RENEWALS = msgspec.structs.replace(TIMINGS, renew_seconds=TIMINGS.lease_seconds)
"""Timings of a worker that notices a stale claim only when it writes."""


async def test_a_cancelled_attempt_is_released(service: Service) -> None:
    started = asyncio.Event()

    class Stuck:
        async def render(self, job: RenderJob) -> Rendered:
            started.set()
            await asyncio.Event().wait()
            raise AssertionError

        async def check(self) -> None: ...

    image_id = await service.upload(pictures.jpeg())
    stuck = service.with_worker(sandbox=Stuck())
    task = asyncio.create_task(stuck.worker.process(Task(image_id, Lane.FAST), ORIGIN))
    async with cancelled_at_end(task):
        await started.wait()

    rendition = await service.rendition(image_id)
    assert (rendition.status, rendition.attempts) == (Status.UPLOADED, 0)
    assert (await service.process(image_id)).status == Status.PROCESSED


async def test_a_claim_that_is_cancelled_midway_is_released(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database has committed the claim, and its answer has not arrived."""
    image_id = await service.upload(pictures.jpeg())
    renditions = service.repository.renditions
    committed, answered = asyncio.Event(), asyncio.Event()
    claim = renditions.claim

    async def claim_slowly(*arguments: Any, **options: Any) -> Claim | None:
        claimed = await claim(*arguments, **options)
        committed.set()
        await answered.wait()
        return claimed

    monkeypatch.setattr(renditions, "claim", claim_slowly)
    task = asyncio.create_task(service.worker.process(Task(image_id, Lane.FAST), ORIGIN))
    await committed.wait()
    task.cancel()
    asyncio.get_running_loop().call_soon(answered.set)
    await asyncio.gather(task, return_exceptions=True)

    rendition = await service.rendition(image_id)
    assert (rendition.status, rendition.generation, rendition.attempts) == (Status.UPLOADED, 1, 0)


async def test_a_lost_lease_stops_the_work_at_once(service: Service) -> None:
    image_id = await service.upload(pictures.jpeg())
    claim = await service.claim(image_id)
    stopped = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    await service.delete(image_id)
    with pytest.raises(StaleClaim):
        await with_lease_renewal(claim, service.repository.renditions, TIMINGS, work())
    assert stopped.is_set()


async def test_late_writes_of_a_lost_attempt_are_marked_for_gc(service: Service) -> None:
    class StandsStill:
        """A worker that is stopped until another has the rendition, and gc has passed."""

        async def render(self, job: RenderJob) -> Rendered:
            rendered = await service.worker.sandbox.render(job)
            await service.session.run("UPDATE renditions SET attempt = attempt + 1")
            await service.session.run("DELETE FROM unreferenced_objects")
            return rendered

        async def check(self) -> None: ...

    image_id = await service.upload(pictures.jpeg())
    await service.with_worker(sandbox=StandsStill(), timings=NO_RENEWALS).process(image_id)

    written = {key for key in await service.keys() if key.startswith("renditions/")}
    assert len(written) == 1
    assert written <= await service.listed()


async def test_a_lease_that_is_renewed_holds(service: Service) -> None:
    image_id = await service.upload(pictures.jpeg())
    claim = await service.claim(image_id)
    done = asyncio.Event()

    async def work() -> str:
        await done.wait()
        return "done"

    await service.let_lease_run_out(claim)
    holder = asyncio.create_task(with_lease_renewal(claim, service.repository.renditions, TIMINGS, work()))

    await eventually(lambda: _is_held(service))
    done.set()
    assert await holder == "done"


async def test_a_lease_holds_until_a_cancelled_attempt_has_ended(service: Service) -> None:
    """A call to the store can't be interrupted. Until it returns the rendition must not look like a dead worker's."""
    called, answers = asyncio.Event(), asyncio.Event()

    class Standing:
        @asynccontextmanager
        async def get(self, key: str, byte_range: ByteRange | None = None) -> AsyncIterator[ObjectStream]:
            called.set()
            while not answers.is_set():  # as a thread does, whatever its caller is told
                try:
                    await answers.wait()
                except asyncio.CancelledError:
                    cancelled.set()
            async with service.store.get(key, byte_range) as opened:
                yield opened

    cancelled = asyncio.Event()
    image_id = await service.upload(pictures.jpeg())
    worker = service.with_worker(store=Standing()).worker
    task = asyncio.create_task(worker.process(Task(image_id, Lane.FAST), ORIGIN))
    async with cancelled_at_end(task):
        await called.wait()
        task.cancel()
        try:
            await cancelled.wait()
            await service.session.run("UPDATE renditions SET lease_until = now() - interval '1 s'")
            await eventually(lambda: _is_held(service))
        finally:
            answers.set()

    rendition = await service.rendition(image_id)
    assert (rendition.status, rendition.attempts) == (Status.UPLOADED, 0)


async def _is_held(service: Service) -> bool:
    return bool((await service.session.rows("SELECT lease_until > now() AS held FROM renditions"))[0]["held"])


async def test_a_cancelled_wait_for_an_outage_releases_the_claim(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Store and database are down, so the claim can't be released at once; the database is back before the end."""
    image_id = await service.upload(pictures.jpeg())
    renditions = service.repository.renditions
    refused = asyncio.Event()
    postpone = renditions.postpone

    class Away:
        def get(self, key: str, byte_range: ByteRange | None = None) -> AbstractAsyncContextManager[ObjectStream]:
            raise StoreUnavailable

    async def away(*_: Any, **__: Any) -> bool:
        refused.set()
        raise DatabaseUnavailable

    monkeypatch.setattr(renditions, "postpone", away)
    patient = msgspec.structs.replace(TIMINGS, pause_seconds=3600)
    worker = service.with_worker(store=Away(), timings=patient).worker
    task = asyncio.create_task(worker.process(Task(image_id, Lane.FAST), ORIGIN))
    async with cancelled_at_end(task):
        await refused.wait()
        monkeypatch.setattr(renditions, "postpone", postpone)

    rendition = await service.rendition(image_id)
    assert (rendition.status, rendition.attempts) == (Status.UPLOADED, 0)


class Loses:
    """A sandbox that fails after another worker has claimed the rendition."""

    def __init__(self, service: Service, error: Exception | None = None) -> None:
        self._service, self._error = service, error or DecoderFailed()

    async def render(self, job: RenderJob) -> Rendered:
        await self._service.session.run("UPDATE renditions SET attempt = attempt + 1")
        raise self._error

    async def check(self) -> None: ...


async def test_a_failure_of_a_lost_attempt_is_not_recorded(service: Service, counted: Callable[[str], float]) -> None:
    image_id = await service.upload(pictures.jpeg())

    await service.with_worker(sandbox=Loses(service), timings=NO_RENEWALS).process(image_id)

    assert (counted("lost"), counted("postponed"), counted("failed")) == (1, 0, 0)
    assert (await service.rendition(image_id)).failure is None


async def test_a_crash_of_a_lost_attempt_is_logged(service: Service, counted: Callable[[str], float]) -> None:
    """It is a bug of ours, whoever has the rendition now."""
    image_id, bug = await service.upload(pictures.jpeg()), RuntimeError("a bug")

    with capture_logs() as lines:
        await service.with_worker(sandbox=Loses(service, bug), timings=NO_RENEWALS).process(image_id)

    assert [line["exc_info"] for line in lines if line["event"] == "rendition.crashed"] == [bug]
    assert (counted("lost"), counted("postponed"), counted("failed")) == (1, 0, 0)


async def test_keys_of_a_lost_attempt_are_marked_when_the_database_is_back(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    image_id = await service.upload(pictures.jpeg())
    pending_objects = service.repository.pending_objects
    mark = pending_objects.mark
    refusals = iter([DatabaseUnavailable(), DatabaseUnavailable()])

    async def away_twice(*arguments: Any, **options: Any) -> None:
        if (refusal := next(refusals, None)) is not None:
            await service.session.run("DELETE FROM unreferenced_objects")
            raise refusal
        await mark(*arguments, **options)

    monkeypatch.setattr(pending_objects, "mark", away_twice)
    await service.with_worker(sandbox=Loses(service), timings=NO_RENEWALS).process(image_id)

    assert any(key.startswith("renditions/") for key in await service.listed())


async def test_renewals_that_break_are_no_loss(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug of ours in a renewal is raised, so that the attempt ends as one that crashed."""
    image_id = await service.upload(pictures.jpeg())
    claim = await service.claim(image_id)

    async def broken(*_: Any, **__: Any) -> bool:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(service.repository.renditions, "renew", broken)
    with pytest.raises(RuntimeError, match="a fault of ours"):
        await with_lease_renewal(claim, service.repository.renditions, TIMINGS, asyncio.Event().wait())


@pytest.fixture
def counted() -> Callable[[str], float]:
    """How many attempts have had this outcome since the test began."""

    def value(outcome: str) -> float:
        samples = [sample for metric in metrics.ATTEMPTS.collect() for sample in metric.samples]
        return sum(s.value for s in samples if s.labels.get("outcome") == outcome and s.name.endswith("_total"))

    outcomes = ("lost", "postponed", "failed", "processed", "paused", "released")
    before = {outcome: value(outcome) for outcome in outcomes}
    return lambda outcome: value(outcome) - before[outcome]
