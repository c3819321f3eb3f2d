"""Usage is counted in the transaction of each change, whatever changes it."""

import random
from collections.abc import Awaitable, Callable
from uuid import UUID, uuid4

import pytest

from internal.domain.errors import NothingToRetry, RenditionExists
from internal.domain.identity import ANONYMOUS
from internal.domain.image import Image
from internal.domain.message import NO_REQUEST
from internal.domain.owner import Usage
from internal.domain.status import Status
from internal.library.renditions import retry_failed
from tests.integration.service import Service
from tests.integration.usage import actual_usage, counted_usage
from tests.pictures import jpeg, png

ROUNDS = 40


async def test_an_upload_a_result_and_a_deletion_are_counted(service: Service) -> None:
    picture = jpeg(64, 48)

    image_id = await service.upload(picture, None, renditions={"one": "resize:32x32", "two": "grayscale"})
    assert await counted_usage(service) == Usage(1, len(picture), 2)

    image = await service.process(image_id)
    made = [rendition.result for rendition in image.renditions]
    assert await counted_usage(service) == Usage(1, len(picture) + sum(result.size for result in made if result), 0)

    await service.delete(image_id)
    assert await counted_usage(service) == Usage()


async def test_an_alternative_is_counted_and_a_regenerated_rendition_only_once(service: Service) -> None:
    picture = png(64, 48)
    image_id = await service.upload(picture, "resize:32x32|format:auto")
    rendition = (await service.process(image_id)).renditions[0]
    assert rendition.result
    assert rendition.alternatives
    size = rendition.result.size + rendition.alternatives[0].size
    assert await counted_usage(service) == Usage(1, len(picture) + size, 0)

    async with service.repository.transaction() as work:
        await work.images.hold(image_id)
        await work.renditions.regenerate(rendition.id, pipeline="resize:16x16", lane=rendition.lane)
    assert await counted_usage(service) == Usage(1, len(picture) + size, 1)  # the old result is still there

    again = (await service.process(image_id)).renditions[0]
    assert again.result
    assert again.alternatives == ()
    assert await counted_usage(service) == Usage(1, len(picture) + again.result.size, 0)


async def test_a_failed_rendition_leaves_the_queue_and_its_original_still_counts(service: Service) -> None:
    broken = jpeg(64, 48)[:-200]

    image = await service.process(await service.upload(broken))

    assert image.status is Status.FAILED
    assert await counted_usage(service) == Usage(1, len(broken), 0)


async def test_the_statements_of_older_code_are_counted(service: Service) -> None:
    """As commit bc72ca2 has them: it knows nothing of usage, and runs beside newer code during an upgrade."""
    image_id, rendition = UUID(int=1), UUID(int=2)
    values = {"id": image_id, "rendition": rendition, "key": "originals/old"}
    run = service.session.run
    await run(
        """
        WITH added AS (
            INSERT INTO images (id, owner, status, original_key, media_type, size, sha256, metadata)
            SELECT %(id)s, 'old', 'uploaded', %(key)s, 'image/jpeg', 1000, 'sha256', '{}' RETURNING id
        )
        INSERT INTO renditions (id, image_id, place, name, processing, pipeline, lane)
        SELECT %(rendition)s, id, 1, 'default', 'grayscale', 'grayscale', 'fast' FROM added
        """,
        values,
    )
    assert await counted_usage(service, "old") == Usage(1, 1000, 1)
    await run("UPDATE renditions SET status = 'processing', attempt = attempt + 1 WHERE id = %(rendition)s", values)
    assert await counted_usage(service, "old") == Usage(1, 1000, 1)
    await run(
        """
        UPDATE renditions SET status = 'processed', size = 20, alternatives = '[{"size": 3}, {"size": 4}]'
         WHERE id = %(rendition)s
        """,
        values,
    )
    assert await counted_usage(service, "old") == Usage(1, 1027, 0)
    await run("UPDATE renditions SET size = 21 WHERE id = %(rendition)s", values)
    assert await counted_usage(service, "old") == Usage(1, 1028, 0)
    await run("DELETE FROM renditions WHERE id = %(rendition)s", values)
    assert await counted_usage(service, "old") == Usage(1, 1000, 0)
    await run("DELETE FROM images WHERE id = %(id)s", values)
    assert await counted_usage(service, "old") == Usage()


async def test_what_is_rolled_back_is_not_counted(service: Service) -> None:
    image_id = await service.upload(jpeg(8, 8))
    before = await counted_usage(service)

    async def remove_and_fail() -> None:
        async with service.repository.transaction() as work:
            await work.images.hold(image_id)
            await work.images.remove(image_id)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await remove_and_fail()

    assert await counted_usage(service) == before


@pytest.mark.parametrize("seed", [1, 2])
async def test_usage_is_what_a_recount_finds_after_whatever_is_done(service: Service, seed: int) -> None:
    chance = random.Random(seed)
    images: list[UUID] = []

    async def upload() -> None:
        data = chance.choice([jpeg(32, 32), png(24, 24), jpeg(48, 48)[:-150]])
        chains = chance.choice([{"default": "preset:small"}, {"a": "grayscale", "b": "resize:8x8|format:auto"}])
        images.append(await service.upload(data, None, renditions=chains, key=chance.choice([None, uuid4().hex])))

    async def process() -> None:
        await service.process(chance.choice(images))

    async def add() -> None:
        try:
            async with service.repository.transaction() as work:
                await service.ask(work, chance.choice(images), "more", chance.choice(["blur:1", "sepia"]))
        except RenditionExists:
            pass

    async def regenerate() -> None:
        image = await service.image(chance.choice(images))
        rendition = chance.choice(image.renditions)
        async with service.repository.transaction() as work:
            await work.images.hold(image.id)
            await work.renditions.regenerate(rendition.id, pipeline="resize:4x4", lane=rendition.lane)

    async def retry() -> None:
        try:
            async with service.repository.transaction() as work:
                await retry_failed(work, service.policy, ANONYMOUS, chance.choice(images), NO_REQUEST)
        except NothingToRetry:
            pass

    async def delete() -> None:
        await service.delete(images.pop(chance.randrange(len(images))))

    async def fold() -> None:
        await service.repository.usage.fold(limit=chance.choice([1, 3, 1000]))

    operations: list[Callable[[], Awaitable[Image | None]]] = [upload, process, add, regenerate, retry, delete, fold]
    for _ in range(ROUNDS):
        operation = chance.choice(operations) if images else upload
        await operation()

        assert await counted_usage(service) == await actual_usage(service), operation
