"""What has to be there before a process can work: schema, store, its account, topics. It is what `make migrate` does."""

import stamina
import uvloop

from internal.domain.errors import Unavailable
from internal.maintenance.store_identity import establish
from internal.postgres.migrations import migrate
from internal.settings.sections import Settings
from internal.wiring.operator import open_store_site


def bootstrap(settings: Settings) -> None:
    """Bring all of it up to date. Again is harmless, also after a run that was killed, and by several at once.

    Services that only start are waited for, MIGRATE_WAIT_SECONDS long; then it raises what they said last (Unavailable). Raises
    StoreRefused when the store is not the one that the database belongs to.
    """
    seconds = settings.migration.wait_seconds
    for attempt in stamina.retry_context(on=Unavailable, attempts=None if seconds else 1, timeout=seconds or None, wait_max=2.0):
        with attempt:
            migrate(settings.database, lock_seconds=settings.migration.lock_seconds)
            uvloop.run(_prepare(settings))


async def bootstrap_store(settings: Settings) -> None:
    """The store that belongs to the database, made if the database has no image yet. Raises StoreRefused, Unavailable."""
    async with open_store_site(settings) as site:
        await establish(site)


async def _prepare(settings: Settings) -> None:
    """Create the store, its account and the topics that the configured adapters need; they may be there already."""
    await bootstrap_store(settings)
    if settings.storage.backend == "minio":
        from internal.objectstore.s3.account import create_account

        await create_account(settings.minio)
    if settings.queue.backend == "kafka":
        from internal.queue.kafka.queue import create_topics

        await create_topics(settings.kafka)
