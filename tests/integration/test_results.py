"""What an attempt stores: facts about the original, and one or two files whose keys are pending all the while (G2, G4)."""

from collections.abc import AsyncIterator

import msgspec
import pytest

from internal.domain.errors import DeadlinePassed
from internal.domain.keys import alternative_key, result_key
from internal.domain.status import Status
from internal.ports.object_store import ObjectInfo, ObjectStore
from internal.ports.sandbox import Rendered, RenderJob, Sandbox
from tests import pictures
from tests.integration.service import Service

TWO_FILES = "resize:200x200|format:auto"


class Watched:
    """A store that checks at each put whether the key is a pending object."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self.unlisted: list[str] = []
        self.written: list[str] = []

    def __getattr__(self, name: str) -> object:
        return getattr(self._service.store, name)

    async def put(self, key: str, content: AsyncIterator[bytes], *, content_type: str) -> ObjectInfo:
        self.written.append(key)
        self.unlisted += [key] if key not in await self._service.listed() else []
        return await self._service.store.put(key, content, content_type=content_type)


class RecordingSandbox:
    """A sandbox that records its jobs."""

    def __init__(self, real: Sandbox) -> None:
        self._real = real
        self.jobs: list[RenderJob] = []

    async def render(self, job: RenderJob) -> Rendered:
        self.jobs.append(job)
        return await self._real.render(job)

    async def check(self) -> None: ...


def bent(service: Service, **parts: object) -> Service:
    return Service(service.door, msgspec.structs.replace(service.worker, **parts), service.session)


async def test_every_key_is_pending_before_it_is_written(service: Service) -> None:
    store = Watched(service)
    image_id = await service.upload(pictures.photo_jpeg(400, 300), TWO_FILES, renditions={"plain": "resize:9x9"})

    image = await bent(service, store=store).process(image_id)

    assert image.status == Status.PROCESSED
    assert len(store.written) == 3
    assert store.unlisted == []


async def test_a_claim_lists_the_key_of_its_result(service: Service) -> None:
    image_id = await service.upload(pictures.jpeg())

    claim = await service.claim(image_id)

    assert claim.result_key == result_key(image_id, claim.rendition_id, 1)
    assert await service.listed() == {claim.result_key}


async def test_format_auto_makes_two_files_of_one_picture(service: Service) -> None:
    image = await service.process(await service.upload(pictures.photo_jpeg(400, 300), TWO_FILES))

    rendition = image.renditions[0]
    assert rendition.result is not None
    (other,) = rendition.alternatives
    assert (rendition.result.content_type, other.content_type) == ("image/jpeg", "image/webp")
    assert (other.width, other.height, other.frames) == (rendition.result.width, rendition.result.height, 1) == (200, 150, 1)
    assert other.size < rendition.result.size
    assert other.key == alternative_key(rendition.result.key, "image/webp")
    assert await service.keys() == {image.original.key, rendition.result.key, other.key}
    assert await service.listed() == set()


async def test_a_delete_lists_every_file(service: Service) -> None:
    image_id = await service.upload(pictures.photo_jpeg(400, 300), TWO_FILES)
    await service.process(image_id)

    await service.delete(image_id)

    assert len(await service.listed()) == 3
    assert await service.listed() == await service.keys()


@pytest.mark.parametrize("lost", ["result", "alternative"])
async def test_a_key_that_is_not_pending_rolls_everything_back(service: Service, lost: str) -> None:
    """Gc took one of the two files while the worker was stopped: no row may refer to either."""
    image_id = await service.upload(pictures.photo_jpeg(400, 300), TWO_FILES)
    claim = await service.claim(image_id)
    made = await service.make(claim)
    key = made.result.key if lost == "result" else made.alternatives[0].key
    await service.repository.pending_objects.unmark(key)

    with pytest.raises(DeadlinePassed):
        await service.publish(claim, made)

    rendition = await service.rendition(image_id)
    assert (rendition.status, rendition.result, rendition.alternatives) == (Status.PROCESSING, None, ())
    assert await service.listed() == {made.result.key, made.alternatives[0].key}


async def test_a_long_attempt_keeps_its_keys_listed(service: Service) -> None:
    claim = await service.claim(await service.upload(pictures.jpeg()))
    renditions = service.repository.renditions
    deadline = "SELECT extract(epoch FROM deadline - now()) AS seconds FROM unreferenced_objects"
    await service.session.run("UPDATE unreferenced_objects SET deadline = now() + interval '45 s'")
    assert await renditions.renew(claim, lease_seconds=6, intent_seconds=60)
    assert (await service.session.rows(deadline))[0]["seconds"] <= 45  # more than half the time is left: not worth a write

    await service.session.run("UPDATE unreferenced_objects SET deadline = now() + interval '15 s'")
    assert await renditions.renew(claim, lease_seconds=6, intent_seconds=60)
    assert (await service.session.rows(deadline))[0]["seconds"] > 30

    await service.session.run("UPDATE unreferenced_objects SET deadline = now() + interval '1 s'")
    await service.delete(claim.image_id)
    assert not await renditions.renew(claim, lease_seconds=6, intent_seconds=60)
    assert claim.result_key in await service.listed()
    left = await service.session.rows(deadline + " WHERE key = %(key)s", {"key": claim.result_key})
    assert left[0]["seconds"] < 2  # not ours any more


async def test_the_first_attempt_finds_the_facts_and_no_later_one_looks_again(service: Service) -> None:
    sandbox = RecordingSandbox(service.worker.sandbox)
    image_id = await service.upload(pictures.alpha_png(60, 40), "resize:20x20", renditions={"other": "resize:9x9"})
    original = (await service.image(image_id)).original
    assert (original.frames, original.has_alpha, original.dominant_colour, original.thumbhash) == (None, None, None, None)

    original = (await bent(service, sandbox=sandbox).process(image_id)).original

    assert [job.want_facts for job in sandbox.jobs] == [True, False]
    assert (original.width, original.height, original.frames, original.has_alpha) == (60, 40, 1, True)
    assert original.dominant_colour is not None
    assert original.dominant_colour.startswith("#")
    assert original.thumbhash


async def test_a_decode_finds_the_sides_that_the_upload_has_found(service: Service) -> None:
    image_id = await service.upload(pictures.animated_gif())
    before = (await service.image(image_id)).original

    after = (await service.process(image_id)).original

    assert (after.width, after.height) == (before.width, before.height)
    assert after.frames is not None
    assert after.frames > 1


async def test_avif_takes_the_slow_lane_and_the_rest_of_the_upload_does_not(service: Service) -> None:
    wishes = {"avif": "resize:9x9|format:avif", "auto": "resize:9x9|format:auto,modern=avif"}
    image_id = await service.upload(pictures.jpeg(), "resize:9x9", renditions=wishes)

    lanes = {rendition.name: rendition.lane for rendition in (await service.image(image_id)).renditions}
    assert lanes == {"default": "fast", "avif": "slow", "auto": "slow"}
    channels = await service.session.rows("SELECT channel FROM outbox WHERE channel <> 'events' ORDER BY channel")
    assert [row["channel"] for row in channels] == ["fast", "slow"]


class Counting:
    """A store that counts what is got from it."""

    def __init__(self, real: ObjectStore) -> None:
        self._real = real
        self.got: list[str] = []

    def __getattr__(self, name: str) -> object:
        return getattr(self._real, name)

    def get(self, key: str, *more: object) -> object:
        self.got.append(key)
        return self._real.get(key, *more)  # type: ignore[arg-type]


async def test_many_renditions_fetch_the_original_once_and_fail_each_by_itself(service: Service) -> None:
    store = Counting(service.store)
    wishes = {"bad": "crop:9x9+5000+5000", **{f"r{side}": f"resize:{side}x{side}" for side in (8, 16, 24, 32)}}
    image_id = await service.upload(pictures.jpeg(), None, renditions=wishes)

    image = await bent(service, store=store).process(image_id)

    assert store.got == [image.original.key]
    assert image.status == Status.FAILED
    bad, *good = image.renditions
    assert bad.failure is not None
    assert bad.failure.code == "invalid_processing"
    assert [(rendition.status, rendition.result and rendition.result.width) for rendition in good] == [
        (Status.PROCESSED, side) for side in (8, 16, 24, 32)
    ]
    assert {rendition.result.key for rendition in good if rendition.result} < await service.keys()
