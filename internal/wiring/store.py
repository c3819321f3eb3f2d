"""Which object store stands behind the port. An adapter is imported where it is chosen."""

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
    """The store, as long as it is the one that the database belongs to."""
    async with open_store(settings) as store:
        yield IdentifiedStore(store, PostgresStoreIdentity(PooledSession(pool)).find)


async def create_store(settings: Settings) -> None:
    """Make the store's folder or bucket unless it is there."""
    if settings.storage.backend == "filesystem":
        from internal.objectstore.filesystem.store import create_folder

        await create_folder(PROJECT / settings.storage.path)
    else:
        from internal.objectstore.s3.store import create_bucket

        await create_bucket(settings.minio)


def place_of(settings: Settings) -> str:
    """Where the store is, for people."""
    if settings.storage.backend == "filesystem":
        return str(PROJECT / settings.storage.path)
    return f"the bucket {settings.minio.bucket} on {settings.minio.host}:{settings.minio.port}"


def open_store(settings: Settings) -> AbstractAsyncContextManager[IdentifiableStore]:
    if settings.storage.backend == "filesystem":
        from internal.objectstore.filesystem.store import open_filesystem_store

        return open_filesystem_store(PROJECT / settings.storage.path)
    from internal.objectstore.s3.store import open_minio_store

    return open_minio_store(settings.minio)
