"""Object stores under test, each with an inspector that looks at the bare folder or bucket."""

import threading
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from uuid import uuid4

import psutil  # type: ignore[import-untyped]
import pytest
from msgspec.structs import replace

from internal.domain.keys import STORE_ID_KEY
from internal.objectstore.filesystem.store import create_folder, open_filesystem_store
from internal.objectstore.s3.settings import MinioSettings
from internal.objectstore.s3.store import create_bucket, open_minio_store
from internal.ports.object_store import IdentifiableStore
from tests.services.accounts import own_account
from tests.services.folders import files_below
from tests.services.kinds import S3Service
from tests.services.reachable import free_port
from tests.services.uploads import unfinished_uploads
from tests.services.waiting import eventually


class Place(ABC):
    """Bare folder or bucket of a store. `keys` are those that a test used, because unfinished uploads are listed by key only."""

    threads: str
    store: IdentifiableStore

    def __init__(self) -> None:
        self.keys: list[str] = []

    def new_key(self) -> str:
        self.keys.append(f"originals/{uuid4()}")
        return self.keys[-1]

    @abstractmethod
    def open(self) -> AbstractAsyncContextManager[IdentifiableStore]: ...

    @abstractmethod
    def open_unreachable(self) -> AbstractAsyncContextManager[IdentifiableStore]:
        """A store whose folder or bucket does not exist."""

    @abstractmethod
    def objects(self) -> list[str]: ...

    @abstractmethod
    def forget_id(self) -> None:
        """Remove the store's id, if it has one."""

    @abstractmethod
    def unfinished(self) -> list[str]: ...

    @abstractmethod
    def held(self) -> list[object]:
        """Return the files or connections that this process has open there."""


class FolderPlace(Place):
    threads = "filesystem-store"

    def __init__(self, root: Path) -> None:
        super().__init__()
        self.root = root

    @asynccontextmanager
    async def open(self) -> AsyncIterator[IdentifiableStore]:
        for _ in range(2):  # creating it is idempotent
            await create_folder(self.root)
        async with open_filesystem_store(self.root) as store:
            yield store

    def open_unreachable(self) -> AbstractAsyncContextManager[IdentifiableStore]:
        return open_filesystem_store(self.root.with_name("unmounted"))

    def objects(self) -> list[str]:
        return [path.name for path in files_below(self.root) if path.parent.name != "tmp"]

    def forget_id(self) -> None:
        (self.root / STORE_ID_KEY).unlink(missing_ok=True)

    def unfinished(self) -> list[str]:
        return [path.name for path in (self.root / "tmp").iterdir()]

    def held(self) -> list[object]:
        return [file for file in psutil.Process().open_files() if Path(file.path).is_relative_to(self.root)]


class BucketPlace(Place):
    threads = "minio-store"

    def __init__(self, s3: S3Service, bucket: str, settings: MinioSettings | None = None) -> None:
        super().__init__()
        self._s3 = s3
        self._settings = settings or s3.settings(bucket)
        self._bucket = bucket
        self._client = s3.client()
        self._of_others = self._connections()

    def open(self) -> AbstractAsyncContextManager[IdentifiableStore]:
        return self._open_at(self._s3.port)

    def open_unreachable(self) -> AbstractAsyncContextManager[IdentifiableStore]:
        return self._open_at(free_port())

    def _open_at(self, port: int) -> AbstractAsyncContextManager[IdentifiableStore]:
        return open_minio_store(replace(self._settings, port=port))

    def objects(self) -> list[str]:
        return [found.object_name or "" for found in self._client.list_objects(self._bucket, recursive=True)]

    def forget_id(self) -> None:
        self._client.remove_object(self._bucket, STORE_ID_KEY)

    def unfinished(self) -> list[str]:
        uploads = (unfinished_uploads(self._client, self._bucket, key) for key in self.keys)
        return [upload.upload_id or "" for of_key in uploads for upload in of_key]

    def held(self) -> list[object]:
        self._client._http.clear()
        return [port for port in self._connections() if port not in self._of_others]

    def _connections(self) -> list[int]:
        """Return the process's connections to the server."""
        connections = psutil.Process().net_connections("tcp")
        to_it = (found for found in connections if found.raddr and found.raddr.port == self._s3.port)
        return [found.laddr.port for found in to_it if found.status == "ESTABLISHED"]


@pytest.fixture(scope="session")
async def own_bucket(s3: S3Service) -> str:
    """A bucket for this suite, created twice, because creation is idempotent."""
    name = f"contract-{uuid4().hex[:12]}"
    for _ in range(2):
        await create_bucket(s3.settings(name))
    return name


@pytest.fixture(scope="session")
async def account(s3: S3Service, own_bucket: str) -> MinioSettings:
    """Settings of API and worker in the full stack: an account with minimal rights."""
    return await own_account(s3, own_bucket)


@pytest.fixture(params=["filesystem", "minio", "minio-account"])
def bare_place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "filesystem":
        return FolderPlace(tmp_path / "store")
    s3, bucket = request.getfixturevalue("s3"), request.getfixturevalue("own_bucket")
    return BucketPlace(s3, bucket, request.getfixturevalue("account") if request.param == "minio-account" else None)


@pytest.fixture
async def place(bare_place: Place) -> AsyncIterator[Place]:
    """A place with its open store. Fails a test that leaves unfinished writes, or objects that `delete` does not remove."""
    async with _opened(bare_place) as opened:
        yield opened


@asynccontextmanager
async def _opened(place: Place) -> AsyncIterator[Place]:
    of_others = set(threading.enumerate())
    async with place.open() as place.store:
        yield place
        assert place.unfinished() == []
        async for stored in place.store.keys():
            await place.store.delete(stored.key)
        assert set(place.objects()) <= {STORE_ID_KEY}
    place.forget_id()
    left = set(threading.enumerate()) - of_others
    assert [thread.name for thread in left if thread.name.startswith(place.threads)] == []
    await eventually(lambda: place.held() == [])


@pytest.fixture
def store(place: Place) -> IdentifiableStore:
    return place.store
