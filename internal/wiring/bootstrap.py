"""`make migrate`: it creates the schema, the object store and its account, and the topics."""

import stamina
import uvloop

from internal.domain.errors import Unavailable
from internal.maintenance.store_identity import establish
from internal.postgres.migrations import migrate
from internal.settings.sections import Settings
from internal.wiring.operator import open_store_site


def bootstrap(settings: Settings) -> None:
    """Bring everything up to date. It may run again, after a run that was killed, and in several processes at once.

    It waits MIGRATE_WAIT_SECONDS for services that are still starting, and then raises their last error (Unavailable). Raises
    StoreRefused if the store is not the one that belongs to the database.
    """
    seconds = settings.migration.wait_seconds
    for attempt in stamina.retry_context(on=Unavailable, attempts=None if seconds else 1, timeout=seconds or None, wait_max=2.0):
        with attempt:
            migrate(settings.database, lock_seconds=settings.migration.lock_seconds)
            uvloop.run(_bootstrap_services(settings))


async def bootstrap_store(settings: Settings) -> None:
    """Find the store that belongs to the database; create it if the database has no image. Raises StoreRefused, Unavailable."""
    async with open_store_site(settings) as site:
        await establish(site)


async def _bootstrap_services(settings: Settings) -> None:
    """Create the store, its account and the topics that the configured adapters need, unless they exist."""
    await bootstrap_store(settings)
    if settings.storage.backend == "minio":
        from internal.objectstore.s3.account import create_account

        await create_account(settings.minio)
    if settings.queue.backend == "kafka":
        from internal.queue.kafka.queue import create_topics

        await create_topics(settings.kafka)
