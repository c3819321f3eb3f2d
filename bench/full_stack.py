"""A bucket and topics of one part's own in the full stack's services, removed again with what is in them."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from aiokafka.admin import AIOKafkaAdminClient
from minio import Minio
from minio.deleteobjects import DeleteObject

from internal.queue.kafka.topics import create_topics, has_controller, topics
from internal.settings.sections import Settings
from tests.services.kinds import KafkaService, S3Service


def values(s3: S3Service, kafka: KafkaService, word: str) -> dict[str, str]:
    """The settings that reach them; `word` makes the names this part's own."""
    return {
        "MINIO_HOST": s3.host,
        "MINIO_PORT": str(s3.port),
        "MINIO_ROOT_USER": s3.access_key,
        "MINIO_ROOT_PASSWORD": s3.secret_key,
        "MINIO_SSL": str(s3.secure).lower(),
        "S3_BUCKET_NAME": word,
        "KAFKA_BROKERS": kafka.brokers,
        "KAFKA_TOPIC": word,
        "KAFKA_SLOW_TOPIC": f"{word}-slow",
        "KAFKA_EVENTS_TOPIC": f"{word}-events",
        "KAFKA_DLQ_TOPIC": f"{word}-dlq",
        "KAFKA_GROUP_ID": word,
    }


@contextmanager
def prepared(settings: Settings) -> Iterator[None]:
    """Topics are there while the block runs, and the bucket is removed at its end."""
    asyncio.run(_create_topics(settings))
    try:
        yield
    finally:
        _remove_bucket(settings)
        with suppress(Exception):  # whatever a broker that is going away answers
            asyncio.run(_remove_topics(settings))


async def _create_topics(settings: Settings) -> None:
    if await _is_real(settings):
        await create_topics(settings.kafka)


async def _is_real(settings: Settings) -> bool:
    """librdkafka's mock makes topics when they are first asked for, and takes no order to."""
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka.brokers)
    await admin.start()
    try:
        return await has_controller(admin)
    finally:
        await admin.close()


async def _remove_topics(settings: Settings) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka.brokers)
    await admin.start()
    try:
        await admin.delete_topics(list(topics(settings.kafka).values()))
    finally:
        await admin.close()


def _remove_bucket(settings: Settings) -> None:
    minio = settings.minio
    client = Minio(f"{minio.host}:{minio.port}", *minio.key.reveal(), secure=minio.secure, region=minio.region)
    found = client.list_objects(minio.bucket, recursive=True)
    for failure in client.remove_objects(minio.bucket, (DeleteObject(item.object_name or "") for item in found)):
        raise RuntimeError(f"an object could not be removed: {failure.message}")
    client.remove_bucket(minio.bucket)
