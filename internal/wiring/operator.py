"""The wiring of operators' commands."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from msgspec import Struct
from msgspec.structs import replace

from internal.maintenance.store_identity import StoreSite
from internal.ports.object_store import ObjectStore
from internal.ports.repository.repository import Repository
from internal.postgres.pool import PooledSession, open_connection_pool
from internal.repository.references import PostgresReferences
from internal.repository.store_identity import PostgresStoreIdentity
from internal.repository.tables import PostgresRepository
from internal.settings.sections import Settings
from internal.wiring.queue import exports_of
from internal.wiring.store import create_store, open_own_store, open_store, place_of


class OperatorParts(Struct, frozen=True):
    """What an operator's command works with that compares both."""

    repository: Repository
    store: ObjectStore


@asynccontextmanager
async def open_repository(settings: Settings) -> AsyncIterator[Repository]:
    """The tables, for an operator's command. What it has to send goes into the outbox: the relay of a running API sends it."""
    async with open_connection_pool(settings.database) as pool:
        yield PostgresRepository(pool, exports_of(settings))


@asynccontextmanager
async def open_operator(settings: Settings) -> AsyncIterator[OperatorParts]:
    """Repository and store."""
    async with open_connection_pool(settings.database) as pool, open_own_store(settings, pool) as store:
        yield OperatorParts(PostgresRepository(pool, exports_of(settings)), store)


@asynccontextmanager
async def open_store_site(settings: Settings) -> AsyncIterator[StoreSite]:
    """Database and store, whether they belong together or not: for whoever finds out, or makes them. As MinIO's root, where that
    is given: the account of API and worker may not be there yet.
    """
    if settings.minio.root is not None:
        settings = replace(settings, minio=replace(settings.minio, access_key="", secret_key=""))
    async with open_connection_pool(settings.database) as pool, open_store(settings) as store:
        session = PooledSession(pool)
        yield StoreSite(
            PostgresStoreIdentity(session),
            PostgresReferences(session),
            store,
            partial(create_store, settings),
            place_of(settings),
        )
