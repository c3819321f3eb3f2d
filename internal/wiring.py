"""Wiring: which adapter stands behind which port. Nothing else in the project names one.

Two functions, read from top to bottom: all that a process runs, in the order in which it starts; the stack closes it in reverse.
Adapters are imported where they are chosen: who keeps pictures in a folder need not load the clients of MinIO and Kafka.
"""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from internal.configured import configured_grammar
from internal.errors import DatabaseUnavailable, StoreUnavailable
from internal.gauges import Source, of_circuits, of_database, of_database_pool, of_queue, of_sandbox, of_tables
from internal.health import Dependency
from internal.images.inspect import HEIF_MEDIA_TYPES, MEDIA_TYPES
from internal.images.ports import Ports, Rules, Schedule, Workshop
from internal.images.store_identity import StoreSite
from internal.lifecycle import told_of_the_end
from internal.objectstore.guarded import GuardedStore
from internal.objectstore.identified import IdentifiedStore
from internal.objectstore.port import IdentifiableStore, ObjectStore
from internal.outbox.relay import Relay
from internal.pipeline.language.grammar import Grammar
from internal.queue.port import Channel, Queue
from internal.queue.postgres import PostgresQueue, open_postgres_queue
from internal.repository.listener import Listener, open_listener
from internal.repository.pool import Pool, PooledSession, connection_string, open_pool
from internal.repository.port import Repository, Signals
from internal.repository.postgres import PostgresRepository
from internal.repository.reconcile import PostgresReferences
from internal.repository.store_identity import PostgresStoreIdentity
from internal.runtime.circuit_breaker import CircuitBreaker
from internal.sandbox.pool import open_pool as open_sandbox
from internal.sandbox.port import RenderLimits
from internal.sandbox.scratch import private_held_folder
from internal.settings import PROJECT, Settings

API_SIGNALS = ("outbox", "image")
WORKER_SIGNALS = ("queue",)
"""What a process listens to: each notification costs every listener of its channel a moment."""

CANONICAL = 2**20
"""The worker's limit of a pipeline: none, for what was accepted is carried out, also when the limits are lower by then."""


class ApiParts(Struct, frozen=True):
    """What the API works with."""

    settings: Settings
    ports: Ports
    signals: Signals
    ending: asyncio.Event
    dependencies: dict[str, Dependency]
    measures: list[Source]


class WorkerParts(Struct, frozen=True):
    """What the worker works with."""

    workshop: Workshop
    queue: Queue
    dependencies: dict[str, Dependency]
    measures: list[Source]


@asynccontextmanager
async def open_api(settings: Settings) -> AsyncIterator[ApiParts]:
    """The API's parts, and the relay that runs beside it."""
    async with AsyncExitStack() as stack:
        ending = stack.enter_context(told_of_the_end())
        database = CircuitBreaker("database", DatabaseUnavailable, settings.breaker)
        pool = await stack.enter_async_context(open_pool(settings.database, database))
        listener = await stack.enter_async_context(open_listener(connection_string(settings.database), API_SIGNALS))
        reading = CircuitBreaker("object_store_reading", StoreUnavailable, settings.breaker)
        writing = CircuitBreaker("object_store_writing", StoreUnavailable, settings.breaker)
        own_store = await stack.enter_async_context(_open_own_store(settings, pool))
        store = GuardedStore(own_store, reading, writing)
        queue = await stack.enter_async_context(_open_queue(settings, pool, listener))
        repository = PostgresRepository(pool, queue.exports)
        relay = Relay(repository, queue, listener, lease_seconds=settings.queue.outbox_lease_seconds)
        await stack.enter_async_context(_running(relay.run()))
        yield ApiParts(
            settings=settings,
            ports=Ports(repository, store, configured_grammar(settings), _rules(settings)),
            signals=listener,
            ending=ending,
            dependencies=_dependencies(repository, store, queue, settings.health.seconds),
            measures=[
                of_tables(repository),
                of_database(repository),
                of_database_pool(pool.get_stats),
                of_circuits(database, reading, writing),
            ],
        )


@asynccontextmanager
async def open_worker(settings: Settings, children: int) -> AsyncIterator[WorkerParts]:
    """The worker's parts. `children`: decoder processes.

    No circuit breaker: an attempt waits through an outage by itself, and its lease must be renewed as soon as that is over.
    """
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(open_pool(settings.database))
        listener = await stack.enter_async_context(open_listener(connection_string(settings.database), WORKER_SIGNALS))
        store = await stack.enter_async_context(_open_own_store(settings, pool))
        queue = await stack.enter_async_context(_open_queue(settings, pool, listener))
        repository = PostgresRepository(pool, queue.exports)
        scratch = stack.enter_context(private_held_folder(_scratch_parent(settings.sandbox.scratch)))
        sandbox = await stack.enter_async_context(
            open_sandbox(
                size=children,
                memory_bytes=settings.sandbox.memory_bytes,
                cpu_seconds=settings.sandbox.cpu_seconds,
                wall_seconds=settings.sandbox.wall_seconds,
                max_pictures=settings.sandbox.max_pictures,
                scratch=scratch,
                heif_input=settings.limits.heif_input,
                required=frozenset(name.strip() for name in settings.sandbox.require.split(",") if name.strip()),
            )
        )
        grammar = Grammar(max_operations=CANONICAL, max_text=CANONICAL)
        workshop = Workshop(repository, store, sandbox, _render_limits(settings), _schedule(settings), scratch, grammar)
        seconds = settings.health.seconds
        dependencies = _dependencies(repository, store, queue, seconds) | {"sandbox": Dependency(sandbox.check, seconds)}
        measures = [
            of_tables(repository),
            of_database(repository),
            of_queue(queue),
            of_database_pool(pool.get_stats),
            of_sandbox(sandbox.use),
        ]
        yield WorkerParts(workshop, queue, dependencies, measures)


class OperatorParts(Struct, frozen=True):
    """What an operator's command works with that compares both."""

    repository: Repository
    store: ObjectStore


@asynccontextmanager
async def open_repository(settings: Settings) -> AsyncIterator[Repository]:
    """The tables, for an operator's command. What it has to send goes into the outbox: the relay of a running API sends it."""
    async with open_pool(settings.database) as pool:
        yield PostgresRepository(pool, _exports(settings))


@asynccontextmanager
async def open_operator(settings: Settings) -> AsyncIterator[OperatorParts]:
    """Repository and store."""
    async with open_pool(settings.database) as pool, _open_own_store(settings, pool) as store:
        yield OperatorParts(PostgresRepository(pool, _exports(settings)), store)


@asynccontextmanager
async def open_store_site(settings: Settings) -> AsyncIterator[StoreSite]:
    """Database and store, whether they belong together or not: for whoever finds out, or makes them. As MinIO's root, where that
    is given: the account of API and worker may not be there yet.
    """
    if settings.minio.root is not None:
        settings = replace(settings, minio=replace(settings.minio, access_key="", secret_key=""))
    async with open_pool(settings.database) as pool, _open_store(settings) as store:
        session = PooledSession(pool)
        yield StoreSite(
            PostgresStoreIdentity(session),
            PostgresReferences(session),
            store,
            partial(_create_store, settings),
            place_of(settings),
        )


@asynccontextmanager
async def _open_own_store(settings: Settings, pool: Pool) -> AsyncIterator[ObjectStore]:
    """The store, as long as it is the one that the database belongs to."""
    async with _open_store(settings) as store:
        yield IdentifiedStore(store, PostgresStoreIdentity(PooledSession(pool)).find)


async def _create_store(settings: Settings) -> None:
    """Make the store's folder or bucket unless it is there."""
    if settings.storage.backend == "filesystem":
        from internal.objectstore.filesystem import create_folder

        await create_folder(PROJECT / settings.storage.path)
    else:
        from internal.objectstore.minio import create_bucket

        await create_bucket(settings.minio)


def place_of(settings: Settings) -> str:
    """Where the store is, for people."""
    if settings.storage.backend == "filesystem":
        return str(PROJECT / settings.storage.path)
    return f"the bucket {settings.minio.bucket} on {settings.minio.host}:{settings.minio.port}"


def _open_store(settings: Settings) -> AbstractAsyncContextManager[IdentifiableStore]:
    if settings.storage.backend == "filesystem":
        from internal.objectstore.filesystem import open_filesystem_store

        return open_filesystem_store(PROJECT / settings.storage.path)
    from internal.objectstore.minio import open_minio_store

    return open_minio_store(settings.minio)


def _open_queue(settings: Settings, pool: Pool, listener: Listener) -> AbstractAsyncContextManager[Queue]:
    if settings.queue.backend == "postgres":
        return open_postgres_queue(pool, listener, settings.queue)
    from internal.queue.kafka import open_kafka_queue

    return open_kafka_queue(settings.kafka, look_seconds=settings.health.seconds)


def _exports(settings: Settings) -> frozenset[Channel]:
    """The channels that the configured queue carries."""
    if settings.queue.backend == "postgres":
        return PostgresQueue.exports
    from internal.queue.kafka_topics import topics

    return frozenset(topics(settings.kafka))


def _dependencies(repository: Repository, store: ObjectStore, queue: Queue, seconds: float) -> dict[str, Dependency]:
    """A queue that is down is no reason to refuse uploads: G6."""
    return {
        "database": Dependency(repository.check, seconds),
        "object_store": Dependency(store.check, seconds),
        "queue": Dependency(queue.check, seconds, essential=False),
    }


def _rules(settings: Settings) -> Rules:
    limits = settings.limits
    return Rules(
        media_types=MEDIA_TYPES | HEIF_MEDIA_TYPES if limits.heif_input else MEDIA_TYPES,
        max_upload_bytes=limits.max_upload_bytes,
        max_width=limits.max_width,
        max_height=limits.max_height,
        max_pixels=limits.max_pixels,
        max_renditions=limits.max_renditions,
        max_metadata_bytes=limits.max_metadata_bytes,
        slow_pixels=limits.slow_pixels,
        slow_animation_bytes=limits.slow_animation_bytes,
        default_processing=settings.processing.default,
        intent_seconds=settings.storage.intent_seconds,
    )


def _render_limits(settings: Settings) -> RenderLimits:
    limits = settings.limits
    return RenderLimits(
        max_width=limits.max_width,
        max_height=limits.max_height,
        max_pixels=limits.max_pixels,
        max_frames=limits.max_frames,
        max_output_pixels=limits.max_output_pixels,
        max_output_bytes=limits.max_output_bytes,
    )


def _schedule(settings: Settings) -> Schedule:
    worker = settings.worker
    return Schedule(
        intent_seconds=settings.storage.intent_seconds,
        lease_seconds=worker.lease_seconds,
        renew_seconds=worker.renew_seconds,
        backoff_seconds=worker.backoff_seconds,
        overdue_seconds=worker.overdue_seconds,
        sweep_seconds=settings.storage.sweep_seconds,
        pause_seconds=worker.pause_seconds,
        defer_seconds=worker.defer_seconds,
        max_attempts=worker.max_attempts,
    )


def _scratch_parent(configured: str) -> Path:
    """Where the folder of pictures in work is made: in memory where there is a place for it."""
    if configured:
        Path(configured).mkdir(parents=True, exist_ok=True)
        return Path(configured)
    memory = Path("/dev/shm")  # noqa: S108 - what is made there is private and cleared away
    return memory if os.access(memory, os.W_OK) else Path(tempfile.gettempdir())


@asynccontextmanager
async def _running(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run `work` in the background while the block runs."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
