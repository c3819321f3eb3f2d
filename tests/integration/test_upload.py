"""Accepting uploads: what is kept, and that nothing is when something is wrong (G1, G4)."""

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator

import msgspec
import pytest

from internal.domain.errors import (
    ClientGone,
    DatabaseUnavailable,
    ImageTooLarge,
    InvalidImage,
    InvalidProcessing,
    InvalidRequest,
    PayloadTooLarge,
    RequestTimeout,
    ServiceError,
    StoreUnavailable,
    UnsupportedMediaType,
)
from internal.domain.image import Image
from internal.domain.status import Status
from internal.intake.inspect import HEIF_MEDIA_TYPES, MEDIA_TYPES
from internal.intake.metadata import read_metadata
from internal.intake.options import UploadOptions
from internal.ports.object_store import ObjectInfo, ObjectStore
from internal.sandbox.pool import open_pool as open_sandbox
from tests import pictures, tiffs
from tests.apngs import moving_png
from tests.integration.service import FormAtHand, Service, cancelled_at_end
from tests.raws import RAWS, preview, sensor


async def test_an_upload_is_an_image_with_its_task_event_and_object(service: Service) -> None:
    data = pictures.jpeg(60, 40)

    image_id = await service.upload(
        data, "resize:20x20", metadata=read_metadata('{"album": "summer"}'), renditions={"tiny": "preset:small"}
    )

    image = await service.image(image_id)
    assert image.status == Status.UPLOADED
    assert (image.original.width, image.original.height, image.original.size) == (60, 40, len(data))
    assert image.original.sha256 == hashlib.sha256(data).hexdigest()
    assert (image.original.media_type, image.original.filename) == ("image/jpeg", "picture.jpg")
    assert image.metadata == '{"album": "summer"}'
    assert [(r.name, r.processing, r.pipeline) for r in image.renditions] == [
        ("default", "resize:20x20", "resize:20x20"),
        ("tiny", "preset:small", "resize:16x16"),
    ]
    assert await service.keys() == {image.original.key}
    assert await service.listed() == set()
    assert await service.event_types(image_id) == ["image.uploaded"]
    channels = await service.session.rows("SELECT channel FROM outbox ORDER BY channel")
    assert [row["channel"] for row in channels] == ["events", "fast"]


@pytest.mark.parametrize(
    ("data", "processing", "error"),
    [
        (b"", "resize:20x20", InvalidImage),
        (b"just a text that is called photo.jpg", "resize:20x20", UnsupportedMediaType),
        (b"%PDF-1.7 not a picture", None, UnsupportedMediaType),
        (pictures.huge_header_png(19_999, 19_999), None, ImageTooLarge),
        (pictures.jpeg() + bytes(9 * 2**20), None, PayloadTooLarge),
        (pictures.jpeg(), "resize:0x0", InvalidProcessing),
        (pictures.jpeg(), "resize:99999999x1", InvalidProcessing),
        (pictures.jpeg(), "resise:20x20", InvalidProcessing),
    ],
)
async def test_a_refused_upload_leaves_nothing(
    service: Service, data: bytes, processing: str | None, error: type[ServiceError]
) -> None:
    with pytest.raises(error):
        await service.upload(data, processing)

    await _assert_nothing_left(service)


async def test_a_raw_file_is_refused_and_named(service: Service) -> None:
    for name, data in RAWS.items():
        with pytest.raises(
            UnsupportedMediaType, match=re.escape(f"This is a camera raw file: {name}. Develop it, and send a JPEG")
        ):
            await service.upload(data)

    await _assert_nothing_left(service)


async def test_a_raw_file_whose_directories_lie_far_in_ends_failed_and_named(service: Service) -> None:
    """The first bytes say TIFF. It is tried once."""
    far = tiffs.written(preview(b"NIKON CORPORATION", sensor()), padding=70_000)
    image = await service.process(await service.upload(far))

    [rendition] = image.renditions
    assert (image.status, rendition.attempts) == (Status.FAILED, 1)
    assert rendition.failure is not None
    assert rendition.failure.code == "unsupported_media_type"
    assert rendition.failure.detail == "This is a camera raw file: Nikon raw (NEF). Develop it, and send the result."


async def test_a_fault_behind_the_picture_leaves_nothing(service: Service) -> None:
    with pytest.raises(InvalidRequest):
        await service.upload(pictures.jpeg(), broken=InvalidRequest("a doubled part"))

    await _assert_nothing_left(service)


@pytest.mark.parametrize("wishes", [{f"r{n}": "resize:9x9" for n in range(9)}, {"../x": "resize:9x9"}, {"default": "blur:2"}])
async def test_renditions_that_can_not_be_are_refused(service: Service, wishes: dict[str, str]) -> None:
    with pytest.raises(InvalidRequest):
        await service.upload(pictures.jpeg(), renditions=wishes)

    await _assert_nothing_left(service)


class Endless:
    """Sends a beginning, and no end."""

    least_bytes = 0

    def __init__(self) -> None:
        self._data = pictures.jpeg() + bytes(70_000)
        self.waits = asyncio.Event()

    async def content(self) -> AsyncIterator[bytes]:
        yield self._data
        self.waits.set()
        await asyncio.Event().wait()

    def options(self) -> UploadOptions:
        return UploadOptions()


async def test_a_slow_upload_ends(service: Service) -> None:
    with pytest.raises(RequestTimeout):
        await service.accept(Endless(), seconds=0.2)

    assert await service.keys() == set()
    assert await service.count("images") == 0


async def test_an_upload_that_is_cut_off_stays_listed(service: Service) -> None:
    """Its last put may still arrive at the store, when nobody waits for it any more."""
    endless = Endless()
    task = asyncio.create_task(service.accept(endless))
    async with cancelled_at_end(task):
        await endless.waits.wait()

    assert await service.keys() == set()
    assert len(await service.listed()) == 1


async def test_a_failed_commit_leaves_the_object_listed(service: Service) -> None:
    """INVARIANT of internal/intake/upload.py: what is stored and not referred to is listed."""

    class Leaving:
        """A database that goes away between the put and the commit."""

        pending_objects, upload_buckets = service.repository.pending_objects, service.repository.upload_buckets

        @property
        def images(self) -> object:
            raise DatabaseUnavailable

    door = msgspec.structs.replace(service.door, repository=Leaving())
    with pytest.raises(DatabaseUnavailable):
        await Service(door, service.worker, service.session).upload(pictures.jpeg())

    assert await service.count("images") == 0
    assert await service.keys() == await service.listed() != set()


async def test_a_commit_that_the_database_refuses_leaves_the_object_listed(service: Service) -> None:
    await service.session.run("ALTER TABLE events RENAME TO events_away")
    try:
        with pytest.raises(Exception, match="events"):
            await service.upload(pictures.jpeg())
    finally:
        await service.session.run("ALTER TABLE events_away RENAME TO events")

    assert await service.count("images") == 0
    assert await service.keys() == await service.listed() != set()


@pytest.mark.parametrize("key", [None, "a key"])
async def test_an_error_of_ours_after_the_commit_costs_no_picture(service: Service, key: str | None) -> None:
    def broken(_: Image) -> bytes:
        raise RuntimeError("an answer that can't be made")

    with pytest.raises(RuntimeError):
        await service.accept(FormAtHand(pictures.jpeg(), UploadOptions(filename="picture.jpg")), key=key, render=broken)

    referred = {row["original_key"] for row in await service.session.rows("SELECT original_key FROM images")}
    assert await service.keys() == referred | await service.listed() != set()


async def test_a_store_that_is_down_leaves_the_key_listed(service: Service) -> None:
    class Down:
        async def put(self, key: str, content: AsyncIterator[bytes], *, content_type: str) -> ObjectInfo:
            raise StoreUnavailable

    door = msgspec.structs.replace(service.door, store=_as_store(Down()))
    with pytest.raises(StoreUnavailable):
        await Service(door, service.worker, service.session).upload(pictures.jpeg())

    assert await service.count("images") == 0
    assert len(await service.listed()) == 1


async def test_what_a_broken_upload_left_stays_listed_when_it_can_not_be_deleted(service: Service) -> None:
    """A client that hangs up while the store is down: parts of the picture may be there, and nobody else would know."""

    class Stalled:
        async def put(self, key: str, content: AsyncIterator[bytes], *, content_type: str) -> ObjectInfo:
            raise ClientGone

        async def delete(self, key: str) -> None:
            raise StoreUnavailable

    door = msgspec.structs.replace(service.door, store=_as_store(Stalled()))
    with pytest.raises(ClientGone):
        await Service(door, service.worker, service.session).upload(pictures.jpeg())

    assert len(await service.listed()) == 1


async def test_a_deadline_that_passed_rolls_back_and_lists_again(service: Service) -> None:
    """Gc has run while the upload slept: it must not refer to an object that may be gone."""

    class Overtaken:
        async def put(self, key: str, content: AsyncIterator[bytes], *, content_type: str) -> ObjectInfo:
            stored = await service.store.put(key, content, content_type=content_type)
            await service.session.run("DELETE FROM unreferenced_objects")
            return stored

    door = msgspec.structs.replace(service.door, store=_as_store(Overtaken()))
    with pytest.raises(ServiceError) as raised:
        await Service(door, service.worker, service.session).upload(pictures.jpeg())

    assert raised.value.code == "unavailable"
    assert await service.count("images") == 0
    assert await service.keys() == await service.listed()


class Clock:
    now = 0.0

    def monotonic(self) -> float:
        return self.now


async def test_a_long_upload_moves_its_deadline(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    deadlines: list[object] = []
    clock = Clock()
    monkeypatch.setattr("internal.intake.upload.time", clock)

    class Slow:
        least_bytes = 0

        async def content(self) -> AsyncIterator[bytes]:
            yield pictures.jpeg() + bytes(70_000)
            deadlines.append((await service.session.rows("SELECT deadline FROM unreferenced_objects"))[0]["deadline"])
            clock.now += 3600
            yield b"x"
            deadlines.append((await service.session.rows("SELECT deadline FROM unreferenced_objects"))[0]["deadline"])

        def options(self) -> UploadOptions:
            return UploadOptions()

    await service.accept(Slow())

    assert deadlines[1] > deadlines[0]  # type: ignore[operator]


async def test_no_database_is_unavailable_at_once(service: Service) -> None:
    class Away:
        def __getattr__(self, _: str) -> object:
            raise DatabaseUnavailable

    door = msgspec.structs.replace(service.door, repository=Away())
    with pytest.raises(DatabaseUnavailable):
        await Service(door, service.worker, service.session).upload(pictures.jpeg())

    assert await service.keys() == set()


async def test_huge_pictures_and_long_animations_take_the_slow_lane(service: Service) -> None:
    much = bytes(2**20)
    slow = [await service.upload(data + much) for data in (pictures.animated_gif(), pictures.animated_webp(), moving_png())]
    fast = [
        await service.upload(data)
        for data in (pictures.jpeg(), pictures.webp() + much, pictures.png() + much, pictures.animated_webp())
    ]

    assert [(await service.rendition(image)).lane for image in slow] == ["slow"] * 3
    assert [(await service.rendition(image)).lane for image in fast] == ["fast"] * 4


async def test_avif_is_refused_or_taken_as_it_is_configured(service: Service) -> None:
    data = pictures.avif(60, 40)
    with pytest.raises(UnsupportedMediaType):
        await service.upload(data)

    policy = msgspec.structs.replace(service.policy, media_types=MEDIA_TYPES | HEIF_MEDIA_TYPES)
    scratch = service.worker.workspaces / "heif"
    async with open_sandbox(
        size=1, memory_bytes=2**31, cpu_seconds=10, wall_seconds=20, max_pictures=9, scratch=scratch, heif_input=True
    ) as sandbox:
        worker = msgspec.structs.replace(service.worker, sandbox=sandbox)
        heif = Service(msgspec.structs.replace(service.door, policy=policy), worker, service.session)
        image = await heif.process(await heif.upload(data))

    assert (image.status, image.original.media_type) == (Status.PROCESSED, "image/avif")
    assert (image.original.width, image.original.height) == (60, 40)
    assert image.renditions[0].result is not None
    assert image.renditions[0].result.content_type == "image/jpeg"


async def _assert_nothing_left(service: Service) -> None:
    assert await service.keys() == set()
    for table in ("images", "renditions", "outbox", "events", "unreferenced_objects"):
        assert await service.count(table) == 0, table


def _as_store(double: object) -> ObjectStore:
    return double  # type: ignore[return-value]
