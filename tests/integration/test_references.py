"""Watermarks: images that a chain names by their id, which must be the owner's (G8), and are there when they are needed (G6)."""

from uuid import UUID

import pytest

from internal.domain.errors import InvalidProcessing
from internal.domain.ids import new_id
from internal.domain.status import Status
from internal.intake.rendition_request import MAX_REFERENCES
from internal.ports.sandbox import Rendered, RenderJob
from tests import pictures
from tests.integration.service import Service
from tests.integration.test_results import Counting, RecordingSandbox, bent


def over(*image_ids: UUID) -> str:
    return "|".join(["resize:40x40", *(f"watermark:{image_id},scale=0.5" for image_id in image_ids)])


async def a_mark(service: Service) -> UUID:
    return await service.upload(pictures.alpha_png(20, 10))


async def test_another_image_is_laid_over_this_one(service: Service) -> None:
    mark = await a_mark(service)
    image_id = await service.upload(pictures.jpeg(), over(mark))
    sandbox = RecordingSandbox(service.worker.sandbox)

    image = await bent(service, sandbox=sandbox).process(image_id)

    assert image.status == Status.PROCESSED
    (job,) = sandbox.jobs
    assert [(name, overlay.media_type) for name, overlay in job.overlays.items()] == [(str(mark), "image/png")]


async def test_another_owners_image_is_not_there(service: Service) -> None:
    theirs, nobodys = await a_mark(service), new_id()
    await service.session.run("UPDATE images SET owner = 'somebody else'")
    told = []
    for image_id in (theirs, nobodys):
        with pytest.raises(InvalidProcessing, match=str(image_id)) as raised:
            await service.upload(pictures.jpeg(), over(image_id))
        told.append(raised.value.detail.replace(str(image_id), "ID"))

    assert told[0] == told[1]
    assert await service.count("images") == 1
    assert len(await service.keys()) == 1


async def test_a_further_rendition_is_looked_at_as_well(service: Service) -> None:
    mark, image_id = await a_mark(service), await service.upload(pictures.jpeg())

    async with service.repository.transaction() as work:
        with pytest.raises(InvalidProcessing, match="Rendition 'marked'"):
            await service.ask(work, image_id, "marked", over(new_id()))
    async with service.repository.transaction() as work:
        assert (await service.ask(work, image_id, "marked", over(mark))).new

    assert (await service.process(image_id)).status == Status.PROCESSED


async def test_the_rendition_whose_image_is_missing_is_named(service: Service) -> None:
    with pytest.raises(InvalidProcessing, match="Rendition 'b'"):
        await service.upload(pictures.jpeg(), renditions={"a": over(await a_mark(service)), "b": over(new_id())})


async def test_a_chain_names_only_so_many(service: Service) -> None:
    marks = [await a_mark(service) for _ in range(MAX_REFERENCES + 1)]

    with pytest.raises(InvalidProcessing, match=f"at most {MAX_REFERENCES}"):
        await service.upload(pictures.jpeg(), over(*marks))
    await service.upload(pictures.jpeg(), over(*marks[1:]))


async def test_an_image_is_fetched_once_for_all_renditions_of_a_task(service: Service) -> None:
    mark = await a_mark(service)
    wishes = {name: f"resize:{side}x{side}|watermark:{mark}" for name, side in (("a", 40), ("b", 30), ("c", 20))}
    image_id = await service.upload(pictures.jpeg(), None, renditions=wishes)
    store = Counting(service.store)

    image = await bent(service, store=store).process(image_id)

    assert image.status == Status.PROCESSED
    assert sorted(store.got) == sorted([image.original.key, (await service.image(mark)).original.key])


async def test_what_the_next_rendition_does_not_name_is_let_go(service: Service) -> None:
    """However many renditions there are, a task holds no more originals than one chain can name."""
    marks = [await a_mark(service) for _ in range(3)]
    wishes = {f"r{number}": over(mark) for number, mark in enumerate(marks)}
    image_id = await service.upload(pictures.jpeg(), None, renditions=wishes)
    held: list[int] = []

    class Looking(RecordingSandbox):
        async def render(self, job: RenderJob) -> Rendered:
            held.append(len(list(job.source.parent.glob("overlay-*"))))
            return await super().render(job)

    await bent(service, sandbox=Looking(service.worker.sandbox)).process(image_id)

    assert held == [1, 1, 1]


async def test_one_that_is_gone_meanwhile_fails_the_rendition_at_once(service: Service) -> None:
    mark = await a_mark(service)
    image_id = await service.upload(pictures.jpeg(), over(mark), renditions={"plain": "resize:9x9"})
    await service.delete(mark)

    image = await service.process(image_id)

    marked, plain = image.renditions
    assert (marked.status, marked.attempts, plain.status) == (Status.FAILED, 1, Status.PROCESSED)
    assert marked.failure is not None
    assert marked.failure.code == "invalid_processing"
    assert marked.failure.detail == f"The image {mark} of the watermark is gone."


async def test_one_that_is_damaged_is_not_decoded(service: Service) -> None:
    mark = await a_mark(service)
    image_id = await service.upload(pictures.jpeg(), over(mark))
    await service.session.run("UPDATE images SET sha256 = 'other' WHERE id = %(id)s", {"id": mark})
    sandbox = RecordingSandbox(service.worker.sandbox)

    await bent(service, sandbox=sandbox).process(image_id)

    assert sandbox.jobs == []
    assert (await service.rendition(image_id)).status == Status.UPLOADED  # tried again, with a coded reason at the end
