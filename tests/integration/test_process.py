"""Processing: one attempt wins, poison stops, delete wins (G1, G2, G3, G5)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from uuid import UUID

import msgspec
import pytest

from internal.domain.errors import DecoderFailed, NotFound, NothingToRetry, RenditionExists, StoreUnavailable
from internal.domain.identity import ANONYMOUS
from internal.domain.message import NO_REQUEST
from internal.domain.rendition import Lane
from internal.domain.status import Status
from internal.domain.tasks import Task
from internal.library.renditions import retry_failed
from internal.maintenance.requeue import requeue_stalled
from internal.ports.object_store import ByteRange, ObjectInfo, ObjectStream
from internal.ports.sandbox import Rendered, RenderJob, Sandbox
from internal.rendering.lease import StaleClaim
from tests import pictures
from tests.integration.service import ORIGIN, Service, cancelled_at_end
from tests.services.waiting import eventually


class Faulty:
    """A sandbox that fails `failures` times, and works from then on."""

    def __init__(self, real: Sandbox, failures: int, error: Exception) -> None:
        self._real, self.failures, self._error = real, failures, error

    async def render(self, job: RenderJob) -> Rendered:
        if self.failures:
            self.failures -= 1
            raise self._error
        return await self._real.render(job)

    async def check(self) -> None: ...


async def test_a_task_makes_every_rendition_of_its_lane(service: Service) -> None:
    image_id = await service.upload(pictures.jpeg(640, 480), "resize:64x64", renditions={"grey": "resize:32x32|grayscale"})

    image = await service.process(image_id)

    assert image.status == Status.PROCESSED
    sizes = {r.name: (r.result.width, r.result.height) for r in image.renditions if r.result}
    assert sizes == {"default": (64, 48), "grey": (32, 24)}
    assert await service.keys() == {image.original.key, *(r.result.key for r in image.renditions if r.result)}
    assert await service.listed() == set()
    assert sorted(await service.event_types(image_id)) == [
        "image.processing.completed",
        "image.processing.started",
        "image.uploaded",
        "rendition.completed",
        "rendition.completed",
    ]


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp", "gif", "tiff"])
async def test_a_truncated_picture_fails_at_once(service: Service, kind: str) -> None:
    data = pictures.cut(getattr(pictures, kind)(200, 150))
    image_id = await service.upload(data)

    image = await service.process(image_id)

    assert image.status == Status.FAILED
    rendition = image.renditions[0]
    assert rendition.failure is not None
    assert (rendition.failure.code, rendition.attempts) == ("invalid_image", 1)
    assert [letter.code for letter in await service.repository.dead_letters.of(image_id)] == ["invalid_image"]
    assert "image.processing.failed" in await service.event_types(image_id)
    assert await service.keys() == {image.original.key}


async def test_a_stale_worker_changes_nothing(service: Service) -> None:
    image_id = await service.upload(pictures.jpeg())
    first = await service.claim(image_id)
    made_first = await service.make(first)
    await service.let_lease_run_out(first)
    second = await service.claim(image_id)
    await service.publish(second, await service.make(second))

    with pytest.raises(StaleClaim):
        await service.publish(first, made_first)

    rendition = await service.rendition(image_id)
    assert rendition.generation == second.generation == 2
    assert rendition.result is not None
    assert rendition.result.key.endswith("/2")
    assert await service.listed() == {made_first.result.key}


async def test_two_workers_never_hold_one_rendition(service: Service) -> None:
    image_id = await service.upload(pictures.jpeg())

    claims = await asyncio.gather(*(service.worker.transitions.claim(Task(image_id, Lane.FAST)) for _ in range(6)))

    assert len([claim for claim in claims if claim]) == 1


async def test_two_last_renditions_see_each_other(service: Service) -> None:
    """Both finish at the same moment, and one must see that it was the last. Without the image's lock neither does."""
    for _ in range(5):
        image_id = await service.upload(pictures.jpeg(), "resize:9x9", renditions={"other": "resize:8x8"})
        claims = [await service.claim(image_id), await service.claim(image_id)]
        made = [await service.make(claim) for claim in claims]

        await asyncio.gather(*(service.publish(claim, result) for claim, result in zip(claims, made, strict=True)))

        assert (await service.image(image_id)).status == Status.PROCESSED
        assert (await service.event_types(image_id)).count("image.processing.completed") == 1


async def test_one_failed_rendition_fails_the_image_when_all_are_final(service: Service) -> None:
    image_id = await service.upload(pictures.jpeg(), "resize:9x9", renditions={"other": "resize:8x8"})
    faulty = service.with_worker(sandbox=Faulty(service.worker.sandbox, 99, DecoderFailed()))
    first, second = await service.claim(image_id), await service.claim(image_id)
    await service.publish(second, await service.make(second))
    assert (await service.image(image_id)).status == Status.PROCESSING

    await service.let_lease_run_out(first)
    for _ in range(service.worker.timings.max_attempts):
        await service.make_due(image_id)
        await faulty.process(image_id)

    image = await service.image(image_id)
    assert image.status == Status.FAILED
    assert [r.status for r in image.renditions] == [Status.FAILED, Status.PROCESSED]


async def test_poison_stops_after_max_attempts_with_backoff(service: Service) -> None:
    image_id = await service.upload(pictures.jpeg())
    slowly = msgspec.structs.replace(service.worker.timings, backoff_seconds=3600)
    faulty = service.with_worker(
        sandbox=Faulty(service.worker.sandbox, 99, DecoderFailed("it died by signal 11")), timings=slowly
    )
    await service.session.run("DELETE FROM outbox")

    assert (await faulty.process(image_id)).status == Status.PROCESSING
    waits = await service.session.rows(
        "SELECT due_at > now() AS later FROM renditions UNION ALL SELECT due_at > now() FROM outbox WHERE channel = 'fast'"
    )
    assert [row["later"] for row in waits] == [True, True]
    assert await service.worker.transitions.claim(Task(image_id, Lane.FAST)) is None  # not before it is due
    for _ in range(5):
        await service.make_due(image_id)
        await faulty.process(image_id)

    rendition = await service.rendition(image_id)
    assert (rendition.status, rendition.attempts) == (Status.FAILED, service.worker.timings.max_attempts)
    letters = await service.repository.dead_letters.of(image_id)
    assert [(letter.code, letter.attempts, letter.source) for letter in letters] == [("decoder_died", 3, ORIGIN.source)]
    exported = await service.session.rows("SELECT headers FROM outbox WHERE channel = 'dead_letters'")
    assert exported[0]["headers"]["dead-letter-code"] == "decoder_died"


async def test_a_lowered_maximum_leaves_nothing_waiting_for_ever(service: Service) -> None:
    image_id = await service.upload(pictures.jpeg())
    for _ in range(2):
        await service.make_due(image_id)
        await service.with_worker(sandbox=Faulty(service.worker.sandbox, 1, DecoderFailed())).process(image_id)
    await service.make_due(image_id)

    lowered = msgspec.structs.replace(service.worker.timings, max_attempts=1)
    worker = msgspec.structs.replace(service.worker, timings=lowered)
    image = await Service(service.door, worker, service.session).process(image_id)

    assert (image.status, image.renditions[0].attempts) == (Status.PROCESSED, 3)


async def test_a_retry_resets_the_attempts_but_not_the_generation(service: Service) -> None:
    image_id = await service.upload(pictures.jpeg())
    await service.with_worker(sandbox=Faulty(service.worker.sandbox, 1, DecoderFailed())).process(image_id)
    await service.make_due(image_id)
    await service.process(image_id)
    async with service.repository.transaction() as work:
        with pytest.raises(NothingToRetry):
            await retry_failed(work, service.policy, ANONYMOUS, image_id, NO_REQUEST)

    broken = await service.upload(pictures.cut(pictures.jpeg(200, 200)))
    await service.process(broken)
    async with service.repository.transaction() as work:
        image = await retry_failed(work, service.policy, ANONYMOUS, broken, NO_REQUEST)
    assert image.status == Status.PROCESSING
    assert (await service.rendition(broken)).attempts == 0

    await service.process(broken)
    assert (await service.rendition(broken)).generation == 2
    assert (await service.rendition(image_id)).generation == 2


async def test_a_crash_of_our_own_is_retried_and_never_shown(service: Service) -> None:
    image_id = await service.upload(pictures.jpeg())

    await service.with_worker(sandbox=Faulty(service.worker.sandbox, 1, RuntimeError("secret path /srv/x"))).process(image_id)
    assert (await service.rendition(image_id)).status == Status.UPLOADED
    await service.make_due(image_id)

    assert (await service.process(image_id)).status == Status.PROCESSED


async def test_an_outage_costs_no_attempt(service: Service) -> None:
    image_id = await service.upload(pictures.jpeg())
    sandbox = Faulty(service.worker.sandbox, 3, StoreUnavailable())

    image = await service.with_worker(sandbox=sandbox).process(image_id)

    assert image.status == Status.PROCESSED
    assert (image.renditions[0].generation, image.renditions[0].attempts) == (4, 1)


async def test_an_outage_that_outlasts_leases_costs_no_attempt(service: Service) -> None:
    """Housekeeping runs meanwhile, and must not take a claim that waits for the store for a dead worker's."""
    down, waiting = True, asyncio.Event()

    class Away:
        def get(self, key: str, byte_range: ByteRange | None = None) -> AbstractAsyncContextManager[ObjectStream]:
            if down:
                raise StoreUnavailable
            return service.store.get(key, byte_range)

        async def check(self) -> None:
            waiting.set()
            if down:
                raise StoreUnavailable

        async def put(self, key: str, content: AsyncIterator[bytes], *, content_type: str) -> ObjectInfo:
            return await service.store.put(key, content, content_type=content_type)

    worker = service.with_worker(store=Away()).worker
    image_id = await service.upload(pictures.jpeg())
    working = asyncio.create_task(worker.process(Task(image_id, Lane.FAST), ORIGIN))
    async with cancelled_at_end(working):
        await waiting.wait()
        await service.session.run("UPDATE renditions SET lease_until = now() - interval '1 s'")
        assert await requeue_stalled(worker.transitions) == 0
        down = False
        await asyncio.wait_for(working, 60)

    rendition = await service.rendition(image_id)
    assert (rendition.status, rendition.generation, rendition.attempts) == (Status.PROCESSED, 2, 1)


async def test_a_full_scratch_folder_is_an_outage(service: Service) -> None:
    room = service.worker.workspaces / "room"
    worker = service.with_worker(workspaces=room).worker
    image_id = await service.upload(pictures.jpeg())

    working = asyncio.create_task(worker.process(Task(image_id, Lane.FAST), ORIGIN))
    async with cancelled_at_end(working):  # the message stays in hand, and is tried again
        await eventually(lambda: _tried_again(service, image_id))
        room.mkdir()
        await asyncio.wait_for(working, 60)

    rendition = await service.rendition(image_id)
    assert (rendition.status, rendition.attempts) == (Status.PROCESSED, 1)


async def _tried_again(service: Service, image_id: UUID) -> bool:
    return (await service.rendition(image_id)).generation > 1


async def test_a_damaged_original_is_not_decoded(service: Service) -> None:
    image_id = await service.upload(pictures.jpeg())
    await service.session.run("UPDATE images SET sha256 = 'other'")

    for _ in range(3):
        await service.make_due(image_id)
        await service.process(image_id)

    failure = (await service.rendition(image_id)).failure
    assert failure is not None
    assert failure.code == "original_damaged"


async def test_a_result_that_comes_after_the_delete_is_dropped(service: Service) -> None:
    image_id = await service.upload(pictures.jpeg())
    claim = await service.claim(image_id)
    made = await service.make(claim)

    await service.delete(image_id)
    with pytest.raises(StaleClaim):
        await service.publish(claim, made)

    with pytest.raises(NotFound):
        await service.image(image_id)
    assert await service.keys() == await service.listed()
    assert (await service.event_types(image_id))[-1] == "image.deleted"


async def test_another_owner_sees_and_deletes_nothing(service: Service) -> None:
    from internal.library.delete import delete_image

    image_id = await service.upload(pictures.jpeg())

    assert await service.repository.images.find("somebody else", image_id) is None
    with pytest.raises(NotFound):
        await delete_image(service.repository, "somebody else", image_id)
    assert (await service.image(image_id)).id == image_id


async def test_a_further_rendition_makes_a_final_image_go_on(service: Service) -> None:
    image_id = await service.upload(pictures.jpeg())
    await service.process(image_id)

    async with service.repository.transaction() as work:
        asked = await service.ask(work, image_id, "small", "preset:small")
    assert asked.new
    assert asked.image.status == Status.PROCESSING

    async with service.repository.transaction() as work:
        assert not (await service.ask(work, image_id, "small", "resize:16x16")).new
        with pytest.raises(RenditionExists):
            await service.ask(work, image_id, "small", "resize:17x17")
    assert (await service.process(image_id)).status == Status.PROCESSED


async def test_the_worker_learns_a_size_that_the_header_hid(service: Service) -> None:
    image_id = await service.upload(pictures.jpeg(50, 30))
    await service.session.run("UPDATE images SET width = NULL, height = NULL")

    image = await service.process(image_id)

    assert (image.original.width, image.original.height) == (50, 30)
