"""The intake without HTTP: uploads that have a row, from prepare through receive to complete, and what may come in between."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from types import SimpleNamespace
from uuid import UUID

import msgspec
import pytest

from internal.domain.errors import (
    DeadlinePassed,
    InvalidImage,
    InvalidProcessing,
    InvalidRequest,
    NotFound,
    NothingToRetry,
    NotReady,
    RenditionExists,
    StoreUnavailable,
)
from internal.domain.identity import ANONYMOUS
from internal.domain.image import Image, ListFilter, Original
from internal.domain.message import NO_REQUEST
from internal.domain.status import Status
from internal.domain.upload import Upload, UploadKind, UploadState
from internal.intake.metadata import read_metadata
from internal.intake.options import UploadOptions, parse_options
from internal.intake.upload import complete, listed_unless_committed, prepare, receive
from internal.library.lookup import find_image, find_image_or_upload, find_rendition, wait_for_rendition
from internal.library.renditions import retry_failed
from internal.maintenance.expired_uploads import NAME, expire_uploads
from internal.observability import metrics
from internal.ports.object_store import ObjectInfo, ObjectStore
from internal.postgres.listener import Listener
from tests import pictures
from tests.integration.housekeeping import housekeeping
from tests.integration.service import OWNER, Service

OTHER = "somebody else"
DATA = pictures.jpeg(60, 40)


class Bytes:
    """A source whose bytes are at hand, in pieces."""

    def __init__(self, data: bytes = DATA, piece: int = 2**16) -> None:
        self._data, self._piece = data, piece

    async def content(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self._data), self._piece):
            yield self._data[start : start + self._piece]

    async def finish(self) -> None:
        pass

    async def extend(self) -> None:
        pass


async def prepared(service: Service, *, owner: str = ANONYMOUS, processing: str = "resize:20x20", **options: object) -> Upload:
    parsed = parse_options(UploadOptions(processing=processing, **options), service.policy)  # type: ignore[arg-type]
    async with service.repository.transaction() as work:
        return await prepare(work, owner, UploadKind.URL, parsed, service.policy)


async def received(service: Service, upload: Upload, data: bytes = DATA) -> Original:
    return await receive(upload, Bytes(data), service.repository, service.store, service.policy)


async def completed(service: Service, upload: Upload, original: Original) -> Image:
    async with listed_unless_committed(original.key, service.repository), service.repository.transaction() as work:
        return await complete(work, upload, original, service.policy, NO_REQUEST)


async def row_of(service: Service, upload: Upload) -> Upload:
    found = await service.repository.uploads.find(upload.owner, upload.id)
    assert found is not None
    return found


async def let_expire(service: Service) -> None:
    await service.session.run("UPDATE uploads SET expires_at = now() - interval '1 s'")


async def assert_no_object_is_forgotten(service: Service) -> None:
    """G4: each object is referred to or listed."""
    referred = {row["original_key"] for row in await service.session.rows("SELECT original_key FROM images")}
    assert await service.keys() <= referred | await service.listed()


async def test_an_upload_becomes_the_image_of_its_id(service: Service) -> None:
    upload = await prepared(
        service, filename="picture.jpg", metadata=read_metadata('{"n": 1.0}'), renditions={"tiny": "preset:small|format:avif"}
    )
    assert await service.event_types(upload.id) == ["image.pending"]
    assert (upload.state, upload.received) == (UploadState.PENDING, 0)

    original = await received(service, upload)
    row = await row_of(service, upload)
    assert (row.state, row.received) == (UploadState.RECEIVED, len(DATA))
    image = await completed(service, upload, original)

    assert image.id == upload.id
    assert image == await service.image(upload.id)
    assert (image.original.filename, image.metadata, image.original.size) == ("picture.jpg", '{"n": 1.0}', len(DATA))
    assert [(r.id, r.name, r.processing, r.pipeline, r.lane) for r in image.renditions] == [
        (upload.options.renditions[0].id, "default", "resize:20x20", "resize:20x20", "fast"),
        (upload.options.renditions[1].id, "tiny", "preset:small|format:avif", "resize:16x16|format:avif", "slow"),
    ]
    assert image.created_at == upload.created_at  # its place in the list
    assert await service.count("uploads") == 0
    assert await service.listed() == set()
    assert await service.event_types(upload.id) == ["image.pending", "image.uploaded"]
    channels = await service.session.rows("SELECT channel FROM outbox WHERE channel <> 'events' ORDER BY channel")
    assert [row["channel"] for row in channels] == ["fast", "slow"]
    assert (await service.process(upload.id)).rendition("default").status == Status.PROCESSED  # type: ignore[union-attr]


async def test_bad_options_keep_nothing(service: Service) -> None:
    with pytest.raises(InvalidProcessing):
        await prepared(service, processing="resize:0x0")
    with pytest.raises(InvalidProcessing, match="There is no image"):
        await prepared(service, processing=f"watermark:{UUID(int=7)}")

    assert await service.count("uploads") == await service.count("events") == 0


async def test_bad_bytes_leave_the_upload_pending_and_no_object(service: Service) -> None:
    upload = await prepared(service)

    with pytest.raises(InvalidImage):
        await received(service, upload, b"")

    assert await service.keys() == await service.listed() == set()
    assert (await row_of(service, upload)).state == UploadState.PENDING
    await completed(service, upload, await received(service, upload))  # better bytes are taken


class Killed(Exception):
    """The process dies here: nothing behind this is run."""


class DyingStore:
    """Dies in the middle of a put, when the object is there."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def put(self, key: str, content: AsyncIterator[bytes], *, content_type: str) -> ObjectInfo:
        await self._service.store.put(key, content, content_type=content_type)
        raise StoreUnavailable  # what is done for a store that is away is nothing


STEPS = ("prepare", "after-intent", "put", "after-put", "receive", "complete", "commit")


@pytest.mark.parametrize("last", STEPS)
async def test_nothing_is_left_unlisted_whatever_step_is_the_last(
    service: Service, last: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """INVARIANT of internal/intake/upload.py. Afterwards the upload expires, and nothing at all is left of it."""

    def failpoint(point: str) -> None:
        if point == last:
            raise Killed

    async def act() -> None:
        upload = await prepared(service)
        if last == "prepare":
            raise Killed
        store: ObjectStore = DyingStore(service) if last == "put" else service.store  # type: ignore[assignment]
        original = await receive(upload, Bytes(), service.repository, store, service.policy)
        if last == "receive":
            raise Killed
        async with service.repository.transaction() as work:
            await complete(work, upload, original, service.policy, NO_REQUEST)
            if last == "complete":
                raise Killed

    monkeypatch.setattr("internal.intake.upload.failpoint", failpoint)
    with contextlib.suppress(Killed, StoreUnavailable):
        await act()

    assert (await service.count("images"), await service.count("uploads")) == ((1, 0) if last == "commit" else (0, 1))
    await assert_no_object_is_forgotten(service)
    await let_expire(service)
    await expire_uploads(service.repository)
    await service.session.run("UPDATE unreferenced_objects SET deadline = now() - interval '1 h'")
    await housekeeping(service.worker).cleanup()
    assert len(await service.keys()) == (last == "commit")
    assert await service.count("uploads") == await service.count("unreferenced_objects") == 0


class Meeting(Bytes):
    """A source during which something else happens, once."""

    def __init__(self, at: str, meets: Callable[[], Awaitable[object]]) -> None:
        super().__init__(DATA + bytes(200_000))
        self._at, self._meets = at, meets

    async def _meet(self, at: str) -> None:
        if at == self._at:
            self._at = ""
            await self._meets()

    async def extend(self) -> None:
        await self._meet("extend")

    async def finish(self) -> None:
        await self._meet("finish")


@pytest.mark.parametrize("at", ["extend", "finish"])
async def test_a_receive_that_meets_a_complete_leaves_the_image_alone(
    service: Service, at: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two receive the same upload, and one is completed: the other is refused before its last byte, or after its put."""
    hours = itertools.count()
    monkeypatch.setattr("internal.intake.upload.time", SimpleNamespace(monotonic=lambda: 3600 * next(hours)))
    upload, data = await prepared(service), pictures.jpeg(80, 30)

    async def complete_another() -> None:
        await completed(service, upload, await received(service, upload, data))

    with pytest.raises(NotFound):
        await receive(upload, Meeting(at, complete_another), service.repository, service.store, service.policy)

    async with service.store.get((await service.image(upload.id)).original.key) as stream:
        assert b"".join([chunk async for chunk in stream.chunks]) == data
    await assert_no_object_is_forgotten(service)
    assert (await service.process(upload.id)).status == Status.PROCESSED


async def test_bytes_that_come_again_take_the_place_of_the_first(service: Service) -> None:
    upload = await prepared(service)
    first = await received(service, upload)

    async def complete_the_first() -> None:
        with pytest.raises(NotReady):
            await completed(service, upload, first)

    again = Meeting("finish", complete_the_first)
    second = await receive(upload, again, service.repository, service.store, service.policy)

    assert await service.count("unreferenced_objects WHERE deadline <= now()") == 1  # the first one's
    await assert_no_object_is_forgotten(service)
    assert (await completed(service, upload, second)).original.key == second.key
    assert await service.listed() == {first.key}


async def test_an_object_that_comes_after_delete_and_gc_is_listed(service: Service) -> None:
    upload = await prepared(service)

    async def delete() -> None:
        await service.delete(upload.id)
        await service.session.run("DELETE FROM unreferenced_objects")  # as gc does

    with pytest.raises(NotFound):
        await receive(upload, Meeting("finish", delete), service.repository, service.store, service.policy)

    assert len(await service.keys()) == 1
    await assert_no_object_is_forgotten(service)


async def test_a_second_complete_makes_no_second_image(service: Service) -> None:
    upload = await prepared(service)
    original = await received(service, upload)
    await completed(service, upload, original)

    with pytest.raises(NotFound):
        await completed(service, upload, original)

    assert await service.count("images") == 1
    assert await service.event_types(upload.id) == ["image.pending", "image.uploaded"]


async def test_of_two_completes_at_once_one_makes_the_image(service: Service) -> None:
    upload = await prepared(service)
    original = await received(service, upload)

    outcomes = await asyncio.gather(*(completed(service, upload, original) for _ in range(4)), return_exceptions=True)

    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Image", "NotFound", "NotFound", "NotFound"]
    assert await service.count("images") == 1
    await assert_no_object_is_forgotten(service)


async def test_a_deleted_upload_makes_no_image(service: Service) -> None:
    upload = await prepared(service)
    original = await received(service, upload)

    await service.delete(upload.id)

    with pytest.raises(NotFound):
        await completed(service, upload, original)
    with pytest.raises(NotFound):
        await service.delete(upload.id)
    assert await service.count("images") == await service.count("uploads") == 0
    assert await service.keys() == await service.listed() == {original.key}
    assert await service.count("unreferenced_objects WHERE deadline <= now()") == 1
    assert await service.event_types(upload.id) == ["image.pending", "image.deleted"]


async def test_bytes_that_come_after_the_delete_are_refused(service: Service) -> None:
    upload = await prepared(service)
    await service.delete(upload.id)

    with pytest.raises(NotFound):
        await received(service, upload)

    assert await service.keys() == set()


async def test_a_delete_that_meets_a_complete_deletes_the_image(service: Service) -> None:
    """It finds no image, waits for the upload's row, and looks again when the complete has it."""
    upload = await prepared(service)
    original = await received(service, upload)
    async with service.repository.transaction() as work:
        await complete(work, upload, original, service.policy, NO_REQUEST)
        deleting = asyncio.create_task(service.delete(upload.id))
        await asyncio.wait([deleting], timeout=0.3)
        assert not deleting.done()

    await deleting

    assert await service.count("images") == await service.count("uploads") == 0
    assert await service.event_types(upload.id) == ["image.pending", "image.uploaded", "image.deleted"]
    assert await service.listed() == {original.key}


async def test_an_expired_upload_is_gone_and_makes_no_image(service: Service) -> None:
    upload = await prepared(service)
    original = await received(service, upload)
    await let_expire(service)

    for late in (
        completed(service, upload, original),
        find_image_or_upload(service.repository, ANONYMOUS, upload.id),
        service.delete(upload.id),
    ):
        with pytest.raises(NotFound):
            await late
    with pytest.raises(NotFound):
        await received(service, upload)
    assert await service.repository.images.page(ANONYMOUS, ListFilter()) == ()

    purged = metrics.PURGED.labels(NAME)._value.get()
    await housekeeping(service.worker).cleanup()

    assert metrics.PURGED.labels(NAME)._value.get() == purged + 1
    assert await service.count("uploads") == 0
    [_, deleted] = await service.repository.events.of(upload.id)
    assert (deleted.type, deleted.data) == ("image.deleted", {"reason": "expired"})
    assert await service.listed() == {original.key}
    assert await service.count("unreferenced_objects WHERE deadline <= now()") == 1


async def test_uploads_expire_in_batches_and_one_that_is_locked_is_skipped(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("internal.maintenance.expired_uploads.BATCH", 2)
    for _ in range(4):
        await prepared(service)
    await let_expire(service)

    async with service.repository.transaction() as work:
        assert await work.uploads.take_expired() is not None
        assert [await expire_uploads(service.repository) for _ in range(2)] == [2, 1]

    assert await service.count("uploads") == 0


async def test_one_that_can_not_be_expired_spoils_no_other(service: Service) -> None:
    bad, good = await prepared(service), await prepared(service)
    await let_expire(service)
    await service.session.run("UPDATE uploads SET expires_at = expires_at - interval '1 s' WHERE id = %(id)s", {"id": bad.id})
    await service.session.run(f"ALTER TABLE events ADD CONSTRAINT bad CHECK (image_id <> '{bad.id}') NOT VALID")
    try:
        failed = metrics.CHORE_ROWS_FAILED.labels(NAME)._value.get()
        assert await expire_uploads(service.repository) == 1
        assert metrics.CHORE_ROWS_FAILED.labels(NAME)._value.get() == failed + 1
    finally:
        await service.session.run("ALTER TABLE events DROP CONSTRAINT bad")

    assert [row["id"] for row in await service.session.rows("SELECT id FROM uploads")] == [bad.id]
    assert await service.event_types(good.id) == ["image.pending", "image.deleted"]


async def test_bytes_that_come_keep_upload_and_key_alive(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    upload = await prepared(service)
    hours = itertools.count()
    monkeypatch.setattr("internal.intake.upload.time", SimpleNamespace(monotonic=lambda: 3600 * next(hours)))
    seen: list[tuple[object, object, int]] = []
    look = "SELECT expires_at, received, deadline FROM uploads JOIN unreferenced_objects USING (key)"

    class Slow(Bytes):
        async def extend(self) -> None:
            [row] = await service.session.rows(look)
            seen.append((row["expires_at"], row["deadline"], row["received"]))

    await receive(upload, Slow(DATA + bytes(200_000)), service.repository, service.store, service.policy)

    assert len(seen) > 2
    assert seen == sorted(seen)
    assert len(set(seen)) == len(seen)
    [row] = await service.session.rows("SELECT deadline >= expires_at AS kept FROM uploads JOIN unreferenced_objects USING (key)")
    assert row["kept"]  # what is received waits for its completion as long as the upload does


async def test_what_is_received_is_kept_as_long_as_its_upload(service: Service) -> None:
    """Also if uploads expire sooner by now than when this one began."""
    upload = await prepared(service)
    await service.session.run("UPDATE uploads SET expires_at = now() + interval '30 days'")

    await received(service, upload)

    look = "SELECT deadline, expires_at FROM uploads JOIN unreferenced_objects USING (key)"
    [row] = await service.session.rows(look)
    assert row["deadline"] == row["expires_at"]


async def test_a_key_that_was_collected_rolls_back_and_is_listed_again(service: Service) -> None:
    upload = await prepared(service)
    original = await received(service, upload)
    await service.session.run("DELETE FROM unreferenced_objects")

    with pytest.raises(DeadlinePassed):
        await completed(service, upload, original)

    assert await service.keys() == await service.listed() == {original.key}
    assert (await row_of(service, upload)).id == upload.id
    await completed(service, upload, await received(service, upload))


async def test_another_owner_sees_deletes_and_completes_nothing(service: Service) -> None:
    upload = await prepared(service)
    original = await received(service, upload)
    stranger = msgspec.structs.replace(upload, owner=OTHER)

    with pytest.raises(NotFound) as other:
        await find_image_or_upload(service.repository, OTHER, upload.id)
    with pytest.raises(NotFound) as nobody:
        await find_image_or_upload(service.repository, OTHER, UUID(int=1))
    assert other.value.detail == nobody.value.detail
    with pytest.raises(NotFound):
        await completed(service, stranger, original)
    async with service.repository.transaction() as work:
        assert await work.uploads.lock(OTHER, upload.id) is None
    assert await service.repository.images.page(OTHER, ListFilter()) == ()
    assert (await row_of(service, upload)).id == upload.id


async def test_lists_show_it_in_its_place_and_by_its_status(service: Service) -> None:
    first = await service.upload(pictures.jpeg())
    upload = await prepared(service)
    last = await service.upload(pictures.jpeg())
    images = service.repository.images

    async def listed(wanted: ListFilter) -> list[UUID]:
        return [found.id for found in await images.page(ANONYMOUS, wanted)]

    assert await listed(ListFilter()) == [last, upload.id, first]
    assert await listed(ListFilter(status=Status.PENDING)) == [upload.id]
    assert await listed(ListFilter(status=Status.UPLOADED)) == [last, first]
    assert await listed(ListFilter(limit=1)) == [last, upload.id]
    assert await listed(ListFilter(after=(upload.created_at, upload.id))) == [first]
    assert await listed(ListFilter(created_before=upload.created_at)) == [first]
    [_, found, _] = await images.page(ANONYMOUS, ListFilter())
    assert found == await row_of(service, upload)

    await completed(service, upload, await received(service, upload))
    assert await listed(ListFilter()) == [last, upload.id, first]


async def test_a_binary_is_not_ready(service: Service, listener: Listener) -> None:
    upload = await prepared(service, processing="resize:20x20", renditions={"tiny": "resize:9x9"})

    for name in (None, "tiny"):
        with pytest.raises(NotReady):
            await find_rendition(service.repository, OWNER, upload.id, name)
    with pytest.raises(NotReady):
        await find_image(service.repository, ANONYMOUS, upload.id)
    with pytest.raises(NotFound, match="no rendition of this name"):
        await find_rendition(service.repository, OWNER, upload.id, "other")
    with pytest.raises(NotReady):
        await wait_for_rendition(service.repository, listener, asyncio.Event(), OWNER, upload.id, None, 0.05)


async def test_who_waits_is_woken_by_the_completion(service: Service, listener: Listener) -> None:
    upload = await prepared(service)
    waiting = asyncio.create_task(wait_for_rendition(service.repository, listener, asyncio.Event(), OWNER, upload.id, None, 60))
    await asyncio.sleep(0)  # let it begin

    await completed(service, upload, await received(service, upload))
    await service.process(upload.id)

    _, rendition = await asyncio.wait_for(waiting, 30)
    assert rendition.status == Status.PROCESSED


async def test_who_waits_is_woken_by_the_delete(service: Service, listener: Listener) -> None:
    upload = await prepared(service)
    waiting = asyncio.create_task(wait_for_rendition(service.repository, listener, asyncio.Event(), OWNER, upload.id, None, 60))
    await asyncio.wait([waiting], timeout=0.2)

    await service.delete(upload.id)

    with pytest.raises(NotFound):
        await asyncio.wait_for(waiting, 30)


async def test_a_rendition_may_be_added_before_the_bytes_come(service: Service) -> None:
    upload = await prepared(service)
    original = await received(service, upload)

    async with service.repository.transaction() as work:
        added = await service.ask(work, upload.id, "tiny", "preset:small")
        assert (added.new, [request.name for request in added.image.options.renditions]) == (True, ["default", "tiny"])  # type: ignore[union-attr]
        assert not (await service.ask(work, upload.id, "tiny", "resize:16x16")).new
        with pytest.raises(RenditionExists):
            await service.ask(work, upload.id, "tiny", "resize:17x17")
        for number in range(service.policy.max_renditions - 2):
            await service.ask(work, upload.id, f"r{number}", "blur:2")
        with pytest.raises(InvalidRequest, match="at most"):
            await service.ask(work, upload.id, "too-many", "blur:2")

    image = await completed(service, upload, original)  # what it was prepared with is older than its row
    assert len(image.renditions) == service.policy.max_renditions


async def test_there_is_nothing_to_retry(service: Service) -> None:
    upload = await prepared(service)

    async with service.repository.transaction() as work:
        with pytest.raises(NothingToRetry):
            await retry_failed(work, service.policy, ANONYMOUS, upload.id, NO_REQUEST)
