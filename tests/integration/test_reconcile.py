"""Reconciliation of the object store with the tables, in both directions (G4)."""

import errno
import json
from argparse import Namespace
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime

import pytest
from structlog.testing import capture_logs

from internal.cli.reconcile import _compare
from internal.domain.errors import StoreUnavailable
from internal.domain.events import EventType, new_event
from internal.domain.identity import ANONYMOUS
from internal.domain.ids import new_id
from internal.domain.image import Image, Original
from internal.domain.keys import original_key, result_key
from internal.domain.status import Status
from internal.maintenance import reconcile as reconciling
from internal.maintenance.reconcile import Comparison, EmptyDatabase, Finding, FindingKind, reconcile
from internal.ports.object_store import ByteRange, ObjectInfo, ObjectStore, ObjectStream
from internal.ports.repository.repository import Repository
from internal.settings.loader import load_settings
from internal.settings.sections import Settings
from tests import pictures
from tests.integration.service import Service


class Meanwhile:
    """A real store that runs a callback when one object is asked for, and that lists `ghosts`, which are gone by then."""

    def __init__(self, store: ObjectStore, happen: Callable[[], Awaitable[object]] | None = None, *ghosts: str) -> None:
        self._store, self._happen, self._ghosts = store, happen, ghosts

    async def put(self, key: str, content: AsyncIterable[bytes], *, content_type: str) -> ObjectInfo:
        return await self._store.put(key, content, content_type=content_type)

    def get(self, key: str, byte_range: ByteRange | None = None) -> AbstractAsyncContextManager[ObjectStream]:
        return self._store.get(key, byte_range)

    async def delete(self, key: str) -> None:
        await self._store.delete(key)

    async def stat(self, key: str) -> ObjectInfo:
        if self._happen is not None:
            happen, self._happen = self._happen, None
            await happen()
        return await self._store.stat(key)

    async def keys(self) -> AsyncIterator[ObjectInfo]:
        async for stored in self._store.keys():
            yield stored
        for key in self._ghosts:
            yield ObjectInfo(key, 1, datetime(2026, 1, 1, tzinfo=UTC))

    async def check(self) -> None:
        await self._store.check()


async def found(
    service: Service, *, older_seconds: float = 0, mend: bool = False, store: ObjectStore | None = None
) -> list[Finding]:
    ignored: list[int] = []
    compared = Comparison(service.repository, store or service.store, older_seconds, mend, ignored.append, ignored.append)
    return [finding async for finding in reconcile(compared)]


STRANGE = b"bytes that nobody knows"


async def content() -> AsyncIterator[bytes]:
    yield STRANGE


async def an_orphan(service: Service) -> str:
    key = result_key(new_id(), new_id(), 1)
    await service.store.put(key, content(), content_type="image/jpeg")
    return key


async def test_a_healthy_service_has_no_findings(service: Service) -> None:
    chains = {"auto": "resize:9x9|format:auto", "plain": "resize:8x8"}
    await service.process(await service.upload(pictures.jpeg(), None, renditions=chains))
    deleted = await service.upload(pictures.jpeg())
    await service.delete(deleted)
    await service.upload(pictures.jpeg())  # not processed yet

    assert await found(service) == []
    assert await found(service, mend=True) == []


class ReadOnly(Meanwhile):
    async def check(self) -> None:
        raise StoreUnavailable from OSError(errno.EROFS, "Read-only file system")


async def test_a_read_only_store_can_be_compared(
    service: Service, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Like a backup that is mounted read-only."""
    await service.process(await service.upload(pictures.jpeg()))

    @asynccontextmanager
    async def opened(_: Settings) -> AsyncIterator[tuple[Repository, ObjectStore]]:
        yield service.repository, ReadOnly(service.store)

    monkeypatch.setattr("internal.cli.reconcile.open_repository_and_store", opened)
    capsys.readouterr()  # what the worker logged
    for read in (False, True):
        typed = Namespace(older_than=0, fix=False, read=read, json=True)
        assert await _compare(typed, load_settings()) == 0
        counts = json.loads(capsys.readouterr().out)
        assert (counts["objects"], counts["rows"], counts["bytes_read"] > 0) == (2, 2, read)


async def test_an_unreferenced_object_is_reported_and_kept(service: Service) -> None:
    await service.upload(pictures.jpeg())
    key = await an_orphan(service)

    with capture_logs() as lines:
        assert await found(service) == [Finding(FindingKind.UNREFERENCED, key, mended=False)]

    assert [(line["event"], line["key"]) for line in lines] == [("reconcile.found", key)]
    assert await service.listed() == set()
    assert await found(service, older_seconds=3600) == []


async def test_an_orphan_is_mended_by_listing_it(service: Service) -> None:
    image_id = await service.upload(pictures.jpeg())
    await service.process(image_id)
    kept = await service.keys()
    key = await an_orphan(service)

    assert await found(service, mend=True) == [Finding(FindingKind.UNREFERENCED, key, mended=True)]

    assert await service.listed() == {key}
    await service.session.run("UPDATE unreferenced_objects SET deadline = deadline - interval '500 s'")
    assert await service.collect_garbage() == 0  # there is time to see that it was a mistake
    assert await found(service) == []
    await service.session.run("UPDATE unreferenced_objects SET deadline = deadline - interval '200 s'")
    assert await service.collect_garbage() == 1
    assert await service.keys() == kept


async def test_a_missing_result_is_reported_and_can_be_made_again(service: Service) -> None:
    image_id = await service.upload(pictures.jpeg())
    first = (await service.process(image_id)).renditions[0].result
    assert first is not None
    await service.store.delete(first.key)
    await service.session.run("DELETE FROM outbox")
    finding = Finding(FindingKind.MISSING_RENDITION, first.key, False, image_id, "default")

    assert await found(service) == [finding]
    assert (await service.rendition(image_id)).status == Status.PROCESSED
    assert await found(service, older_seconds=3600) == []
    assert await found(service, mend=True) == [Finding(FindingKind.MISSING_RENDITION, first.key, True, image_id, "default")]

    image = await service.image(image_id)
    assert (image.status, image.renditions[0].status) == (Status.PROCESSING, Status.UPLOADED)
    assert await service.count("outbox") == 1
    assert await found(service) == []  # it is on its way
    second = (await service.process(image_id)).renditions[0].result
    assert second is not None
    assert (second.sha256, second.key in await service.keys()) == (first.sha256, True)
    assert await found(service) == []


async def test_a_missing_alternative_is_reported_and_can_be_made_again(service: Service) -> None:
    image_id = await service.upload(pictures.jpeg(), "resize:9x9|format:auto")
    [second] = (await service.process(image_id)).renditions[0].alternatives
    await service.store.delete(second.key)

    assert await found(service, mend=True) == [Finding(FindingKind.MISSING_RENDITION, second.key, True, image_id, "default")]

    assert len((await service.process(image_id)).renditions[0].alternatives) == 1
    assert await found(service) == []


async def test_a_missing_original_can_only_be_reported(service: Service) -> None:
    image_id = await service.upload(pictures.jpeg())
    image = await service.process(image_id)
    result = image.renditions[0].result
    assert result is not None
    await service.store.delete(image.original.key)
    original = Finding(FindingKind.MISSING_ORIGINAL, image.original.key, False, image_id)

    assert await found(service, mend=True) == [original]
    await service.store.delete(result.key)
    lost = Finding(FindingKind.MISSING_RENDITION, result.key, False, image_id, "default")

    assert await found(service, mend=True) == [original, lost]
    assert (await service.rendition(image_id)).status == Status.PROCESSED  # without its original it would only fail


async def test_an_object_that_is_deleted_meanwhile_is_not_reported(service: Service) -> None:
    image_id = await service.upload(pictures.jpeg())
    await service.process(image_id)

    async def delete() -> None:
        await service.delete(image_id)
        for key in await service.keys():
            await service.store.delete(key)

    assert await found(service, store=Meanwhile(service.store, delete)) == []
    assert await service.count("images") == 0
    assert await found(service, store=Meanwhile(service.store, None, original_key(new_id()))) == []


async def test_an_object_that_a_row_comes_to_refer_to_meanwhile_is_kept(service: Service) -> None:
    await service.upload(pictures.jpeg())
    image_id, now = new_id(), datetime.now(UTC)
    original = Original(original_key(image_id), "image/jpeg", len(STRANGE), "0", 1, 1, None)
    image = Image(image_id, ANONYMOUS, Status.UPLOADED, original, "{}", now, now)
    await service.store.put(original.key, content(), content_type="image/jpeg")

    async def wake_up() -> None:
        """A writer that stood still since yesterday goes on."""
        await service.repository.pending_objects.reserve(original.key, seconds=60)
        await service.repository.images.add(image, [], new_event(EventType.IMAGE_UPLOADED, image_id, ANONYMOUS))

    assert await found(service, mend=True, store=Meanwhile(service.store, wake_up)) == []
    assert await service.listed() == set()


async def test_nothing_is_mended_against_an_empty_database(service: Service) -> None:
    key = await an_orphan(service)

    with pytest.raises(EmptyDatabase):
        await found(service, mend=True)

    assert await service.listed() == set()
    assert await found(service) == [Finding(FindingKind.UNREFERENCED, key, mended=False)]


async def test_everything_is_compared_once_in_batches(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconciling, "OBJECTS", 3)
    monkeypatch.setattr(reconciling, "IMAGES", 2)
    originals = [(await service.image(await service.upload(pictures.jpeg()))).original.key for _ in range(5)]
    missing, kept = originals[:3], originals[3:]  # fewer than a batch: there is an orphan in every one
    for key in missing:
        await service.store.delete(key)
    orphans = [await an_orphan(service) for _ in range(7)]
    objects: list[int] = []
    rows: list[int] = []

    compared = Comparison(service.repository, service.store, 0, False, objects.append, rows.append)
    told = [(finding.kind, finding.key) async for finding in reconcile(compared)]

    expected = [(FindingKind.UNREFERENCED, key) for key in orphans] + [(FindingKind.MISSING_ORIGINAL, key) for key in missing]
    assert sorted(told) == sorted(expected)
    assert (sum(objects), sum(rows)) == (len(kept) + len(orphans), len(originals))
