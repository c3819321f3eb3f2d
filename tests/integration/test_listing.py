"""Lists and waiting: pages that miss nothing, and one listener for all who wait."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from internal.domain.errors import InvalidRequest, NotFound, NotReady, ProcessingFailed
from internal.domain.identity import ANONYMOUS
from internal.domain.image import ListFilter
from internal.domain.status import Status
from internal.library.lookup import choose_rendition, result_of, wait_for_rendition
from internal.postgres.listener import Listener
from tests import pictures
from tests.integration.service import OWNER, Service


async def test_pages_are_newest_first_and_miss_nothing(service: Service) -> None:
    made = [await service.upload(pictures.jpeg(8, 8)) for _ in range(7)]
    seen, after = [], None
    while True:
        found = await service.page(ListFilter(limit=3, after=after))
        seen += [image.id for image in found[:3]]
        if len(found) <= 3:
            break
        await service.upload(pictures.jpeg(8, 8))  # what comes in meanwhile shifts no page
        after = (found[2].created_at, found[2].id)

    assert seen == made[::-1]
    assert all(image.renditions for image in found)


async def test_lists_are_narrowed_by_status_time_and_owner(service: Service) -> None:
    done = await service.upload(pictures.jpeg(8, 8))
    await service.process(done)
    waiting = await service.upload(pictures.jpeg(8, 8))
    images = service.repository.images
    now = datetime.now(UTC)

    async def listed(wanted: ListFilter, owner: str = ANONYMOUS) -> list[object]:
        return [image.id for image in await images.page(owner, wanted)]

    assert await listed(ListFilter(status=Status.PROCESSED)) == [done]
    assert await listed(ListFilter(status=Status.UPLOADED)) == [waiting]
    assert await listed(ListFilter(created_after=now + timedelta(hours=1))) == []
    assert await listed(ListFilter(created_before=now - timedelta(hours=1))) == []
    assert await listed(ListFilter(created_after=now - timedelta(hours=1))) == [waiting, done]
    assert await listed(ListFilter(), owner="somebody else") == []


async def test_waiting_ends_when_the_rendition_is_final(service: Service, listener: Listener) -> None:
    image_id = await service.upload(pictures.jpeg())
    waiters = [
        asyncio.create_task(wait_for_rendition(service.repository, listener, asyncio.Event(), OWNER, image_id, None, 60))
        for _ in range(5)
    ]
    await asyncio.sleep(0)  # let them begin

    await service.process(image_id)

    for _, rendition in await asyncio.wait_for(asyncio.gather(*waiters), 30):
        assert rendition.status == Status.PROCESSED


async def test_waiting_ends_with_its_time(service: Service, listener: Listener) -> None:
    image_id = await service.upload(pictures.jpeg())

    _, rendition = await wait_for_rendition(service.repository, listener, asyncio.Event(), OWNER, image_id, None, 0.1)

    assert rendition.status == Status.UPLOADED
    with pytest.raises(NotReady):
        result_of(rendition)


async def test_waiting_ends_with_the_process(service: Service, listener: Listener) -> None:
    image_id = await service.upload(pictures.jpeg())
    ending = asyncio.Event()
    waiter = asyncio.create_task(wait_for_rendition(service.repository, listener, ending, OWNER, image_id, None, 600))
    await asyncio.wait({waiter}, timeout=0.2)
    assert not waiter.done()

    ending.set()

    _, rendition = await asyncio.wait_for(waiter, 30)
    assert rendition.status == Status.UPLOADED
    _, late = await wait_for_rendition(service.repository, listener, ending, OWNER, image_id, None, 600)
    assert late.status == Status.UPLOADED


async def test_waiting_for_one_that_is_deleted_ends_at_once(service: Service, listener: Listener) -> None:
    image_id = await service.upload(pictures.jpeg())
    waiter = asyncio.create_task(wait_for_rendition(service.repository, listener, asyncio.Event(), OWNER, image_id, None, 60))
    await asyncio.sleep(0.05)  # it should be waiting; were it not, it would raise the same

    await service.delete(image_id)

    with pytest.raises(NotFound):
        await asyncio.wait_for(waiter, 30)


async def test_the_rendition_is_chosen_by_name_or_is_the_only_one(service: Service) -> None:
    several = await service.image(await service.upload(pictures.jpeg(), None, renditions={"a": "resize:9x9", "b": "blur:2"}))
    only = await service.image(await service.upload(pictures.jpeg(), None, renditions={"a": "resize:9x9"}))

    assert choose_rendition(only, None).name == "a"
    assert choose_rendition(several, "b").name == "b"
    with pytest.raises(InvalidRequest, match="a, b"):
        choose_rendition(several, None)
    with pytest.raises(NotFound):
        choose_rendition(several, "c")


async def test_a_failed_rendition_says_why(service: Service) -> None:
    image = await service.process(await service.upload(pictures.cut(pictures.png(200, 200))))

    with pytest.raises(ProcessingFailed, match="picture"):
        result_of(choose_rendition(image, None))
