"""The choice of the queue. An adapter is imported only if it is chosen."""

from contextlib import AbstractAsyncContextManager

from internal.domain.message import Channel
from internal.ports.queue import Queue
from internal.postgres.listener import Listener
from internal.postgres.pool import Pool
from internal.queue.postgres.queue import PostgresQueue, open_postgres_queue
from internal.settings.sections import Settings


def open_queue(settings: Settings, pool: Pool, listener: Listener) -> AbstractAsyncContextManager[Queue]:
    """Open the queue of QUEUE_BACKEND while the block runs."""
    if settings.queue.backend == "postgres":
        return open_postgres_queue(pool, listener, settings.queue)
    from internal.queue.kafka.queue import open_kafka_queue

    return open_kafka_queue(settings.kafka, look_seconds=settings.health.seconds)


def exports_of(settings: Settings) -> frozenset[Channel]:
    """The channels that the queue of QUEUE_BACKEND carries."""
    if settings.queue.backend == "postgres":
        return PostgresQueue.exports
    from internal.queue.kafka.topics import topics

    return frozenset(topics(settings.kafka))
