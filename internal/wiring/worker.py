"""The wiring of the worker: everything that it opens, in order."""

import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from msgspec import Struct

from internal.observability.gauges import (
    GaugeSource,
    database_gauges,
    database_pool_gauges,
    queue_gauges,
    sandbox_gauges,
    table_gauges,
)
from internal.observability.health import Dependency
from internal.pipeline.language.grammar import Grammar
from internal.ports.object_store import ObjectStore
from internal.ports.queue import Queue
from internal.ports.repository.repository import Repository
from internal.ports.sandbox import RenderLimits
from internal.postgres.listener import open_listener
from internal.postgres.pool import connection_string, open_connection_pool
from internal.rendering.task import TaskProcessor
from internal.rendering.timings import WorkerTimings
from internal.repository.tables import PostgresRepository
from internal.sandbox.locked_tempdir import private_locked_tempdir
from internal.sandbox.pool import open_pool as open_sandbox
from internal.settings.sections import Settings
from internal.wiring.dependencies import dependencies_of
from internal.wiring.queue import open_queue
from internal.wiring.store import open_own_store

WORKER_SIGNALS = ("queue",)
"""The channels that it listens to. Each notification costs every listener of its channel some time."""

CANONICAL = 2**20
"""The worker accepts pipelines of any length: what was accepted is rendered, also if the limits are lower by then."""


class WorkerState(Struct, frozen=True):
    """The open dependencies of the worker. Each of its parts takes those that it uses."""

    repository: Repository
    store: ObjectStore
    queue: Queue
    tasks: TaskProcessor
    dependencies: dict[str, Dependency]
    gauges: list[GaugeSource]


@asynccontextmanager
async def open_worker(settings: Settings, children: int) -> AsyncIterator[WorkerState]:
    """Open what the worker uses while the block runs. `children`: decoder processes.

    There is no circuit breaker: an attempt waits through an outage, and its lease must be renewed as soon as that is over.
    """
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(open_connection_pool(settings.database))
        listener = await stack.enter_async_context(open_listener(connection_string(settings.database), WORKER_SIGNALS))
        store = await stack.enter_async_context(open_own_store(settings, pool))
        queue = await stack.enter_async_context(open_queue(settings, pool, listener))
        repository = PostgresRepository(pool, queue.exports)
        scratch = stack.enter_context(private_locked_tempdir(scratch_parent(settings.sandbox.scratch)))
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
        limits, timings = render_limits(settings), worker_timings(settings)
        tasks = TaskProcessor(repository, store, sandbox, limits, timings, scratch, grammar)
        seconds = settings.health.seconds
        dependencies = dependencies_of(repository, store, queue, seconds) | {"sandbox": Dependency(sandbox.check, seconds)}
        gauges = [
            table_gauges(repository),
            database_gauges(repository),
            queue_gauges(queue),
            database_pool_gauges(pool.get_stats),
            sandbox_gauges(sandbox.use),
        ]
        yield WorkerState(repository, store, queue, tasks, dependencies, gauges)


def render_limits(settings: Settings) -> RenderLimits:
    limits = settings.limits
    return RenderLimits(
        max_width=limits.max_width,
        max_height=limits.max_height,
        max_pixels=limits.max_pixels,
        max_frames=limits.max_frames,
        max_output_pixels=limits.max_output_pixels,
        max_output_bytes=limits.max_output_bytes,
    )


def worker_timings(settings: Settings) -> WorkerTimings:
    worker = settings.worker
    return WorkerTimings(
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


def scratch_parent(configured: str) -> Path:
    """Where the folder of workspaces is created: in memory if the system has such a folder."""
    if configured:
        Path(configured).mkdir(parents=True, exist_ok=True)
        return Path(configured)
    memory = Path("/dev/shm")  # noqa: S108 - the folder that is created there is private and removed
    return memory if os.access(memory, os.W_OK) else Path(tempfile.gettempdir())
