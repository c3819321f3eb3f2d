"""The wiring of operators' commands: the tables, the object store, or both."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from msgspec.structs import replace

from internal.maintenance.store_identity import StoreSite
from internal.ports.object_store import ObjectStore
from internal.ports.repository.repository import Repository
from internal.postgres.pool import PooledSession, open_connection_pool
from internal.repository.references import PostgresReferences
from internal.repository.store_identity import PostgresStoreIdentity
from internal.repository.tables import PostgresRepository
from internal.runtime.secret import NO_SECRET
from internal.settings.sections import Settings
from internal.wiring.queue import exports_of
from internal.wiring.store import create_store, open_own_store, open_store, place_of


@asynccontextmanager
async def open_repository(settings: Settings) -> AsyncIterator[Repository]:
    """Open the tables while the block runs. Messages go to the outbox, and the relay of a running API publishes them."""
    async with open_connection_pool(settings.database) as pool:
        yield PostgresRepository(pool, exports_of(settings))


@asynccontextmanager
async def open_repository_and_store(settings: Settings) -> AsyncIterator[tuple[Repository, ObjectStore]]:
    """Open the tables and the object store that belongs to them while the block runs."""
    async with open_connection_pool(settings.database) as pool, open_own_store(settings, pool) as store:
        yield PostgresRepository(pool, exports_of(settings)), store


@asynccontextmanager
async def open_store_site(settings: Settings) -> AsyncIterator[StoreSite]:
    """Open the database and the store while the block runs, whether they belong together or not: for the commands that examine or
    create the store. They connect as MinIO's root if it is given, since the account of API and worker may not exist yet.
    """
    if settings.minio.root is not None:
        settings = replace(settings, minio=replace(settings.minio, access_key="", secret_key=NO_SECRET))
    async with open_connection_pool(settings.database) as pool, open_store(settings) as store:
        session = PooledSession(pool)
        yield StoreSite(
            PostgresStoreIdentity(session),
            PostgresReferences(session),
            store,
            partial(create_store, settings),
            place_of(settings),
        )
