"""What has to be there before a process can work: schema, bucket, its account, topics. It is what `make migrate` does."""

import stamina
import uvloop

from internal.errors import Unavailable
from internal.repository.migrations import migrate
from internal.settings import Settings


def provide(settings: Settings) -> None:
    """Bring all of it up to date. Again is harmless, also after a run that was killed, and by several at once.

    Services that only start are waited for, MIGRATE_WAIT_SECONDS long; then it raises what they said last (Unavailable).
    """
    seconds = settings.migration.wait_seconds
    for attempt in stamina.retry_context(on=Unavailable, attempts=None if seconds else 1, timeout=seconds or None, wait_max=2.0):
        with attempt:
            migrate(settings.database)
            uvloop.run(_prepare(settings))


async def _prepare(settings: Settings) -> None:
    """Create the bucket, its account and the topics that the configured adapters need; they may be there already."""
    if settings.storage.backend == "minio":
        from internal.objectstore.account import create_account
        from internal.objectstore.minio import create_bucket

        await create_bucket(settings.minio)
        await create_account(settings.minio)
    if settings.queue.backend == "kafka":
        from internal.queue.kafka import create_topics

        await create_topics(settings.kafka)
