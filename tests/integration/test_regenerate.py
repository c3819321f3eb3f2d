"""Renditions whose preset has changed: told as stale, made anew when they are asked for again, served as they are until then."""

import msgspec
import pytest

from internal.api.schemas import image_body
from internal.domain.errors import InvalidProcessing, RenditionExists
from internal.domain.identity import ANONYMOUS
from internal.domain.image import Image
from internal.domain.message import NO_REQUEST
from internal.domain.rendition import Lane, Rendition
from internal.domain.status import Status
from internal.library.lookup import result_of
from internal.library.renditions import AddedRendition, retry_failed
from internal.library.staleness import is_stale
from internal.pipeline.language.grammar import Grammar
from internal.rendering.lease import StaleClaim
from internal.rendering.transitions import REPLACED_GRACE_SECONDS
from tests import pictures
from tests.integration.service import Service

PRESET = "preset:small"


def configured(service: Service, **presets: str) -> Service:
    """The same service after a restart with other presets."""
    policy = msgspec.structs.replace(service.policy, grammar=Grammar(presets=presets))
    return Service(msgspec.structs.replace(service.door, policy=policy), service.worker, service.session)


async def ask(service: Service, before: Rendition, processing: str) -> AddedRendition:
    async with service.repository.transaction() as work:
        return await service.ask(work, before.image_id, before.name, processing)


async def made(service: Service, data: bytes = b"") -> Rendition:
    """A finished rendition by `preset:small`, which is 16 pixels wide."""
    image = await service.process(await service.upload(data or pictures.jpeg(), PRESET))
    assert image.status == Status.PROCESSED
    return image.renditions[0]


async def test_a_rendition_is_stale_when_its_preset_means_something_else(service: Service) -> None:
    rendition = await made(service)

    assert not is_stale(rendition, service.policy.grammar)
    assert is_stale(rendition, configured(service, small="resize:20x20").policy.grammar)
    assert not is_stale(
        rendition, configured(service, small="resize:16x16,enlarge=false").policy.grammar
    )  # another text, no more
    assert not is_stale(rendition, configured(service).policy.grammar)  # the preset is gone: there is nothing to make


async def test_attempts_are_counted_from_when_it_was_asked_for_and_are_not_the_generation(service: Service) -> None:
    before = await made(service)
    later = configured(service, small="resize:20x20")

    waiting = (await ask(later, before, PRESET)).image
    regenerated = await service.process(before.image_id)

    assert [image_body(image, later.policy.grammar).renditions[0].attempts for image in (waiting, regenerated)] == [0, 1]
    assert regenerated.renditions[0].generation == 3


async def test_a_retry_begins_with_no_attempts(service: Service) -> None:
    image_id = await service.upload(pictures.cut(pictures.jpeg(200, 150)))
    await service.process(image_id)

    async with service.repository.transaction() as work:
        retried = await retry_failed(work, service.policy, ANONYMOUS, image_id, NO_REQUEST)
    failed_again = await service.process(image_id)

    assert [image_body(image, service.policy.grammar).renditions[0].attempts for image in (retried, failed_again)] == [0, 1]
    assert failed_again.renditions[0].generation == 2


@pytest.mark.parametrize("text", [PRESET, "resize:20x20"])
async def test_a_stale_rendition_is_made_anew_while_the_old_one_is_served(service: Service, text: str) -> None:
    before = await made(service)
    later = configured(service, small="resize:20x20")

    asked = await ask(later, before, text)

    assert isinstance(asked.image, Image)
    waiting = asked.image.renditions[0]
    assert (asked.new, asked.image.status, waiting.status) == (True, Status.PROCESSING, Status.UPLOADED)
    assert (waiting.processing, waiting.pipeline, waiting.attempts) == (PRESET, "resize:20x20", 0)
    assert waiting.generation > before.generation
    assert (result_of(waiting), waiting.finished_at) == (result_of(before), before.finished_at)
    channels = await service.session.rows("SELECT channel FROM outbox WHERE channel <> 'events'")
    assert [row["channel"] for row in channels] == ["fast", "fast"]

    image = await later.process(before.image_id)

    after = image.renditions[0]
    assert (image.status, result_of(after).width) == (Status.PROCESSED, 20)
    assert not is_stale(after, later.policy.grammar)
    assert await service.keys() == {image.original.key, result_of(before).key, result_of(after).key}
    listed = await service.session.rows(
        "SELECT key, extract(epoch FROM deadline - now())::float AS seconds FROM unreferenced_objects"
    )
    assert [row["key"] for row in listed] == [result_of(before).key]
    assert listed[0]["seconds"] == pytest.approx(REPLACED_GRACE_SECONDS, abs=30)


async def test_both_files_are_replaced(service: Service) -> None:
    auto = "resize:200x200|format:auto"
    service = configured(service, small=auto)
    before = await made(service, pictures.photo_jpeg(400, 300))
    later = configured(service, small="resize:100x100|format:png")
    await ask(later, before, PRESET)

    after = (await later.process(before.image_id)).renditions[0]

    assert after.alternatives == ()
    assert await service.listed() == {result_of(before).key, before.alternatives[0].key}


async def test_asking_again_for_what_is_as_it_should_be_changes_nothing(service: Service) -> None:
    before = await made(service)
    later = configured(service, small="resize:20x20")

    assert not (await ask(service, before, PRESET)).new
    assert not (await ask(later, before, "resize:16x16")).new  # what it is made by, in so many words
    with pytest.raises(RenditionExists):
        await ask(later, before, "resize:21x21")
    with pytest.raises(InvalidProcessing):
        await ask(configured(service), before, PRESET)

    assert await service.rendition(before.image_id) == before


async def test_what_is_waiting_to_be_made_anew_is_not_asked_for_twice(service: Service) -> None:
    before = await made(service)
    later = configured(service, small="resize:20x20")

    assert (await ask(later, before, PRESET)).new
    assert not (await ask(later, before, PRESET)).new


async def test_an_attempt_at_the_old_chain_is_lost(service: Service) -> None:
    image_id = await service.upload(pictures.jpeg(), PRESET)
    claim = await service.claim(image_id)
    old = await service.make(claim)
    later = configured(service, small="resize:20x20")
    await ask(later, await service.rendition(image_id), PRESET)

    with pytest.raises(StaleClaim):
        await service.publish(claim, old)

    image = await later.process(image_id)
    assert (image.status, result_of(image.renditions[0]).width) == (Status.PROCESSED, 20)
    assert await service.listed() == {old.result.key}


async def test_one_that_can_not_be_made_anew_is_failed_and_its_old_bytes_are_served_on(service: Service) -> None:
    before = await made(service)
    later = configured(service, small="crop:9x9+5000+5000")
    await ask(later, before, PRESET)

    image = await later.process(before.image_id)

    failed = image.renditions[0]
    assert (image.status, failed.status) == (Status.FAILED, Status.FAILED)
    assert failed.failure is not None
    assert failed.failure.code == "invalid_processing"
    assert (result_of(failed), failed.finished_at) == (result_of(before), before.finished_at)
    async with service.repository.transaction() as work:
        again = (await retry_failed(work, service.policy, ANONYMOUS, before.image_id, NO_REQUEST)).renditions[0]
    assert (result_of(again), again.finished_at) == (result_of(before), before.finished_at)


async def test_another_chain_may_take_another_lane(service: Service) -> None:
    before = await made(service)
    later = configured(service, small="resize:16x16|format:avif")

    await ask(later, before, PRESET)

    assert (await service.rendition(before.image_id)).lane == Lane.SLOW

    assert (await later.process(before.image_id)).status == Status.PROCESSING  # nothing for the fast lane
    image = await later.process(before.image_id, Lane.SLOW)
    assert result_of(image.renditions[0]).content_type == "image/avif"
