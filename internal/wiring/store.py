"""The choice of the object store. An adapter is imported only if it is chosen."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from internal.objectstore.identified import IdentifiedStore
from internal.ports.object_store import IdentifiableStore, ObjectStore
from internal.postgres.pool import Pool, PooledSession
from internal.repository.store_identity import PostgresStoreIdentity
from internal.runtime.project import PROJECT
from internal.settings.sections import Settings


@asynccontextmanager
async def open_own_store(settings: Settings, pool: Pool) -> AsyncIterator[ObjectStore]:
    """Open the store while the block runs. Its calls fail unless it is the store that belongs to the database."""
    async with open_store(settings) as store:
        yield IdentifiedStore(store, PostgresStoreIdentity(PooledSession(pool)).find)


async def create_store(settings: Settings) -> None:
    """Create the store's folder or bucket unless it exists."""
    if settings.storage.backend == "filesystem":
        from internal.objectstore.filesystem.store import create_folder

        await create_folder(PROJECT / settings.storage.path)
    else:
        from internal.objectstore.s3.store import create_bucket

        await create_bucket(settings.minio)


def place_of(settings: Settings) -> str:
    """Where the store is, in words for people."""
    if settings.storage.backend == "filesystem":
        return str(PROJECT / settings.storage.path)
    return f"the bucket {settings.minio.bucket} on {settings.minio.host}:{settings.minio.port}"


def open_store(settings: Settings) -> AbstractAsyncContextManager[IdentifiableStore]:
    """Open the store of STORAGE_BACKEND while the block runs, whichever database it belongs to."""
    if settings.storage.backend == "filesystem":
        from internal.objectstore.filesystem.store import open_filesystem_store

        return open_filesystem_store(PROJECT / settings.storage.path)
    from internal.objectstore.s3.store import open_minio_store

    return open_minio_store(settings.minio)
