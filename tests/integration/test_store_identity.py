"""Store identity: a store is used only if it belongs to the database, in a folder, in MinIO and on rclone."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, LiteralString
from uuid import UUID, uuid4

import pytest
import stamina
from structlog.testing import capture_logs

from internal.domain.errors import DatabaseUnavailable, ObjectNotFound, StoreMissing, StoreRefused, StoreUnavailable, WrongStore
from internal.domain.keys import STORE_ID_KEY
from internal.maintenance.reconcile import Comparison, reconcile
from internal.maintenance.store_identity import StoreSite, adopt, establish, look
from internal.objectstore import identified
from internal.objectstore.filesystem.store import create_folder, open_filesystem_store
from internal.objectstore.identified import IdentifiedStore
from internal.objectstore.s3.store import create_bucket, open_minio_store
from internal.ports.object_store import IdentifiableStore
from internal.repository.references import PostgresReferences
from internal.repository.store_identity import PostgresStoreIdentity
from tests import pictures
from tests.contract.contents import JPEG, chunks, read
from tests.integration.service import Service
from tests.services.kinds import S3Service


class Place:
    """A store's folder or bucket, which a test removes, empties and restores."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.root = folder / "objects"

    def open(self) -> AbstractAsyncContextManager[IdentifiableStore]:
        return open_filesystem_store(self.root)

    async def create(self) -> None:
        await create_folder(self.root)

    async def take_away(self) -> None:
        self.root.rename(self._folder / "elsewhere")

    async def put_back(self) -> None:
        if self.root.exists():
            shutil.rmtree(self.root)
        (self._folder / "elsewhere").rename(self.root)

    def remove(self) -> None:
        shutil.rmtree(self._folder)

    async def names(self) -> set[str]:
        """Return everything in it, folders too; empty if it does not exist."""
        return {str(path.relative_to(self.root)) for path in self.root.rglob("*")}


class Bucket(Place):
    def __init__(self, s3: S3Service) -> None:
        self._s3, self._client = s3, s3.client()
        self._names = [f"identity-{uuid4().hex[:12]}" for _ in range(2)]

    def open(self) -> AbstractAsyncContextManager[IdentifiableStore]:
        return open_minio_store(self._s3.settings(self._names[0]))

    async def create(self) -> None:
        await create_bucket(self._s3.settings(self._names[0]))

    async def take_away(self) -> None:
        await self._move(0, 1)

    async def put_back(self) -> None:
        self._remove(0)
        await self._move(1, 0)

    async def _move(self, here: int, there: int) -> None:
        await create_bucket(self._s3.settings(self._names[there]))
        for found in list(self._client.list_objects(self._names[here], recursive=True)):
            name = found.object_name or ""
            with self._client.get_object(self._names[here], name) as answer:
                content = answer.read()
            self._client._put_object(self._names[there], name, content)
            self._client.remove_object(self._names[here], name)
        self._client.remove_bucket(self._names[here])

    async def names(self) -> set[str]:
        if not self._client.bucket_exists(self._names[0]):
            return set()
        return {found.object_name or "" for found in self._client.list_objects(self._names[0], recursive=True)}

    def remove(self) -> None:
        for which in range(2):
            self._remove(which)

    def _remove(self, which: int) -> None:
        if self._client.bucket_exists(self._names[which]):
            for found in list(self._client.list_objects(self._names[which], recursive=True)):
                self._client.remove_object(self._names[which], found.object_name or "")
            self._client.remove_bucket(self._names[which])


class Site(StoreSite, frozen=True):
    bare: Place


@pytest.fixture(params=["filesystem", "minio", "rclone"])
async def site(request: pytest.FixtureRequest, service: Service, tmp_path: Path) -> AsyncIterator[Site]:
    """A database without an id, and a folder or bucket without a store."""
    if request.param == "filesystem":
        place = Place(tmp_path / "disk")
    else:
        place = Bucket(request.getfixturevalue("s3" if request.param == "minio" else "rclone"))
    async with open_site(place, service) as site:
        yield site
    place.remove()


@pytest.fixture
async def folder(service: Service, tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(Place(tmp_path / "disk"), service) as site:
        yield site


@asynccontextmanager
async def open_site(place: Place, service: Service) -> AsyncIterator[Site]:
    async with place.open() as store:
        session = service.session
        yield Site(PostgresStoreIdentity(session), PostgresReferences(session), store, place.create, "the test's place", place)


def own(site: Site) -> IdentifiedStore:
    return IdentifiedStore(site.store, site.identity.find)


async def upload(service: Service, site: Site, count: int = 1) -> list[str]:
    """Upload pictures with a service without ids, as in older versions. Returns the keys of their originals, oldest first."""
    await site.create()
    return [f"originals/{await service.with_store(site.store).upload(pictures.jpeg())}" for _ in range(count)]


async def assert_unavailable(store: IdentifiedStore, key: str) -> None:
    """Every call fails with an outage, and none looks like a loss."""
    calls = (
        store.get(key).__aenter__(),
        store.stat(key),
        store.put(f"originals/{uuid4()}", chunks(b"1"), content_type=JPEG),
        store.delete(key),
        anext(store.keys()),
        store.check(),
    )
    for call in calls:
        with pytest.raises(StoreUnavailable):
            await call


# Which store it is: migrate


async def test_a_new_store_and_a_new_database_get_one_id(site: Site) -> None:
    assert not (await look(site)).is_there
    assert await site.identity.find() is None

    await establish(site)

    pairing = await look(site)
    assert (pairing.fits, pairing.is_there) == (True, True)
    assert STORE_ID_KEY in await site.bare.names()
    await establish(site)
    assert await look(site) == pairing


async def test_an_older_installation_gets_an_id_and_keeps_all_it_has(site: Site, service: Service) -> None:
    originals = await upload(service, site, 2)
    before = await site.bare.names()

    await establish(site)

    assert (await look(site)).fits
    assert await site.bare.names() == before | {STORE_ID_KEY}
    assert [await read(own(site), key) for key in originals] == [pictures.jpeg()] * 2


async def test_a_killed_migrate_is_continued(site: Site) -> None:
    await site.create()
    chosen = await site.identity.choose(uuid4())
    await establish(site)  # it was killed before the store had the id
    assert (await look(site)).expected == chosen
    await site.identity.replace(uuid4())
    await bend(site, "UPDATE store_identity SET established = false")
    chosen = await site.identity.choose(uuid4())
    await site.store.write_id(chosen)

    await establish(site)  # it was killed before the database was told

    assert ((await look(site)).expected, (await look(site)).held) == (chosen, chosen)


async def bend(site: Site, statement: LiteralString) -> None:
    identity = site.identity
    assert isinstance(identity, PostgresStoreIdentity)
    await identity._session.run(statement)


async def test_several_at_once_agree(site: Site) -> None:
    async def migrate() -> None:
        """As bootstrap does: rclone shows a file while it is written."""
        async for attempt in stamina.retry_context(on=StoreUnavailable, attempts=None, timeout=30, wait_max=0.1):
            with attempt:
                await establish(site)

    await asyncio.gather(*(migrate() for _ in range(4)))

    assert (await look(site)).fits


async def emptied(site: Site) -> None:
    """The right store has the pictures and no id. An older version has created an empty store in its place."""
    await site.bare.take_away()
    await site.create()


async def taken_away(site: Site) -> None:
    await site.bare.take_away()


async def of_another(site: Site) -> None:
    """Another database used this store first."""
    await site.store.write_id(uuid4())


async def established_and_emptied(site: Site) -> None:
    await establish(site)
    await emptied(site)


async def established_and_taken_away(site: Site) -> None:
    await establish(site)
    await taken_away(site)


async def established_and_of_another(site: Site) -> None:
    await establish(site)
    await of_another(site)


async def first_original_lost(site: Site) -> None:
    [reference] = await site.references.page(after=None, older_seconds=0, limit=1)
    await site.store.delete(reference.key)


WRONG = [
    emptied,
    taken_away,
    of_another,
    established_and_emptied,
    established_and_taken_away,
    established_and_of_another,
    first_original_lost,
]


@pytest.mark.parametrize("become", WRONG)
async def test_a_store_that_is_not_the_databases_own_is_refused(
    site: Site, service: Service, become: Callable[[Site], Awaitable[None]]
) -> None:
    await upload(service, site, 2)
    await become(site)
    names, expected = await site.bare.names(), await site.identity.find()

    for _ in range(2):
        with pytest.raises(StoreRefused, match="Nothing was made"):
            await establish(site)

    assert await site.bare.names() == names
    assert await site.identity.find() == expected
    assert (await service.count("images"), await service.count("dead_letters")) == (2, 0)


async def test_a_database_without_images_takes_no_other_databases_store(site: Site) -> None:
    await site.create()
    await of_another(site)
    with pytest.raises(StoreRefused, match="belongs to another database"):
        await establish(site)
    assert await site.identity.chosen() is None


async def test_the_first_ten_originals_decide(folder: Site, service: Service) -> None:
    originals = await upload(service, folder, 11)
    await folder.store.delete(originals[9])
    with pytest.raises(StoreRefused, match="9 of its first 10 originals"):
        await establish(folder)
    await folder.store.put(originals[9], chunks(b"1"), content_type=JPEG)
    await folder.store.delete(originals[10])

    await establish(folder)


# Adopting


async def test_a_refused_store_can_be_adopted_and_then_the_former_store_is_refused(site: Site, service: Service) -> None:
    await upload(service, site)
    await established_and_taken_away(site)
    former = await site.identity.find()

    adopted = await adopt(site)

    pairing = await look(site)
    assert (pairing.expected, pairing.held, pairing.fits) == (adopted, adopted, True)
    assert adopted != former
    await own(site).check()
    await site.bare.put_back()
    with pytest.raises(WrongStore) as wrong:
        await own(site).check()
    assert wrong.value.found == former


async def test_a_running_process_follows_an_adoption(site: Site, service: Service) -> None:
    [key] = await upload(service, site)
    await establish(site)
    store = own(site)
    assert await read(store, key) == pictures.jpeg()

    await adopt(site)

    await store.check()
    assert await read(store, key) == pictures.jpeg()
    await store.put(f"originals/{uuid4()}", chunks(b"1"), content_type=JPEG)


# While it is used


async def test_another_store_is_an_outage(site: Site, service: Service) -> None:
    [key] = await upload(service, site)
    await establish(site)
    store = own(site)
    assert await read(store, key) == pictures.jpeg()
    await emptied(site)
    names = await site.bare.names()

    with capture_logs() as lines:
        await assert_unavailable(store, key)
        await assert_unavailable(own(site), key)  # of a process that starts now

    assert await site.bare.names() == names
    told = [line for line in lines if line["event"] == "store.wrong"]
    assert [(line["log_level"], line["found"]) for line in told] == [("error", "None")] * 2  # once for each, not at every call
    await site.bare.put_back()
    with capture_logs() as lines:
        await store.check()
    assert [line["event"] for line in lines] == ["store.right_again"]
    assert await read(store, key) == pictures.jpeg()
    await store.put(f"originals/{uuid4()}", chunks(b"1"), content_type=JPEG)


async def test_a_store_of_another_database_is_an_outage(site: Site, service: Service) -> None:
    [key] = await upload(service, site)
    await established_and_of_another(site)
    names = await site.bare.names()

    await assert_unavailable(own(site), key)

    assert await site.bare.names() == names
    with pytest.raises(WrongStore):
        await own(site).check()


async def test_a_missing_store_is_an_outage_and_is_not_created(site: Site, service: Service) -> None:
    [key] = await upload(service, site)
    await established_and_taken_away(site)
    await assert_unavailable(own(site), key)
    with pytest.raises(StoreMissing):
        await own(site).stat(key)
    assert await site.bare.names() == set()
    await site.bare.put_back()
    assert await read(own(site), key) == pictures.jpeg()


async def test_without_the_databases_id_no_store_is_used(site: Site, service: Service) -> None:
    [key] = await upload(service, site)
    await assert_unavailable(own(site), key)

    async def down() -> UUID:
        raise DatabaseUnavailable

    await establish(site)
    store = IdentifiedStore(site.store, down)
    with pytest.raises(StoreUnavailable, match="database does not answer"):
        await store.stat(key)


async def nothing(_: Site) -> None:
    """The store is unmounted, and the folder below is empty."""


async def an_empty_store(site: Site) -> None:
    """The store is unmounted, and an older version had created another store in the folder below."""
    await site.create()


async def a_store_of_another(site: Site) -> None:
    await site.create()
    await site.store.write_id(uuid4())


@pytest.mark.parametrize("below", [nothing, an_empty_store, a_store_of_another])
@pytest.mark.parametrize("bytes_before", [0, 1, 3 * 2**20])
async def test_a_folder_that_vanishes_is_noticed_by_the_next_call(
    folder: Site, service: Service, below: Callable[[Site], Awaitable[None]], bytes_before: int
) -> None:
    """The store disappears before a put, or in the middle of one."""
    [key] = await upload(service, folder)
    await establish(folder)
    store = own(folder)
    assert await read(store, key) == pictures.jpeg()
    names: set[str] = set()

    async def content() -> AsyncIterator[bytes]:
        nonlocal names
        yield bytes(bytes_before)
        await folder.bare.take_away()
        await below(folder)
        names = await folder.bare.names()
        yield b"1"

    with pytest.raises(StoreUnavailable):
        await store.put(f"originals/{uuid4()}", content(), content_type=JPEG)
    await assert_unavailable(store, key)

    assert await folder.bare.names() == names
    await folder.bare.put_back()
    assert await read(store, key) == pictures.jpeg()
    await store.delete(key)
    with pytest.raises(ObjectNotFound):
        await store.stat(key)


async def test_a_store_that_was_restored_from_a_copy_is_the_same(folder: Site, service: Service) -> None:
    [key] = await upload(service, folder)
    await establish(folder)
    store = own(folder)
    assert await read(store, key) == pictures.jpeg()
    copy = folder.bare.root.with_name("copy")
    shutil.copytree(folder.bare.root, copy)
    shutil.rmtree(folder.bare.root)
    copy.rename(folder.bare.root)

    await store.check()

    assert await read(store, key) == pictures.jpeg()


@pytest.mark.parametrize("content", ["", "no id", "x" * 1000])
async def test_an_invalid_id_is_an_outage(folder: Site, service: Service, content: str) -> None:
    await upload(service, folder)
    await establish(folder)
    (folder.bare.root / STORE_ID_KEY).write_text(content)

    with pytest.raises(WrongStore, match="no valid id"):
        await own(folder).check()


async def test_the_id_is_read_now_and_then_only(folder: Site, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    [key] = await upload(service, folder)
    await establish(folder)
    asked: list[UUID] = []
    confirm = folder.store.confirm

    async def counted(store_id: UUID) -> None:
        asked.append(store_id)
        await confirm(store_id)

    monkeypatch.setattr(folder.store, "confirm", counted)
    store = own(folder)
    for _ in range(20):
        assert (await store.stat(key)).size == len(pictures.jpeg())
    assert len(asked) == 1
    monkeypatch.setattr(identified, "CONFIRMED_SECONDS", 0.0)
    await store.check()
    await store.stat(key)
    await store.stat(key)
    assert len(asked) == 4


async def test_a_worker_waits_for_its_store_and_counts_no_attempt(site: Site, service: Service) -> None:
    await establish(site)
    with_own = service.with_store(own(site))
    image_id = await with_own.upload(pictures.jpeg())
    await emptied(site)
    names = await site.bare.names()
    with capture_logs() as lines:
        working = asyncio.create_task(with_own.process(image_id))
        await until_paused(lines)
        assert await site.bare.names() == names
        await site.bare.put_back()
        image = await asyncio.wait_for(working, 60)
    assert image.renditions[0].result is not None
    assert image.renditions[0].attempts == 1


async def until_paused(lines: list[Any]) -> None:
    async with asyncio.timeout(30):
        while not any(line["event"] == "processing.paused" for line in lines):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_reconcile_refuses_another_store_and_ignores_the_id(site: Site, service: Service) -> None:
    await upload(service, site)
    await establish(site)
    ignored: list[int] = []
    told = ignored.append
    compared = Comparison(service.repository, own(site), 0, True, told, told, told)
    assert [found async for found in reconcile(compared)] == []
    await emptied(site)

    with pytest.raises(StoreUnavailable):
        [found async for found in reconcile(compared)]

    assert await service.listed() == set()
