"""Topics of the channels, and their creation."""

import asyncio

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, NoError, TopicAlreadyExistsError, for_code

from internal.domain.errors import QueueUnavailable
from internal.domain.message import Channel
from internal.queue.kafka.connection import connection
from internal.queue.kafka.settings import KafkaSettings


def topics(settings: KafkaSettings) -> dict[Channel, str]:
    """Return the topic of each channel that has one."""
    named = {
        Channel.FAST: settings.topic,
        Channel.SLOW: settings.slow_topic,
        Channel.EVENTS: settings.events_topic,
        Channel.DEAD_LETTERS: settings.dlq_topic,
    }
    return {channel: topic for channel, topic in named.items() if topic}


async def create_topics(settings: KafkaSettings) -> None:
    """Create missing topics. Existing topics stay as they are; repeated and concurrent calls are safe.

    Raises QueueUnavailable if the brokers can't be reached, or refuse, within KAFKA_REQUEST_SECONDS.
    """
    admin = AIOKafkaAdminClient(**connection(settings, request_seconds=settings.request_seconds))
    try:
        async with asyncio.timeout(settings.request_seconds):
            await admin.start()
            if not await has_controller(admin):
                raise QueueUnavailable("Topics can't be created: the brokers have no controller yet")
            answer = await admin.create_topics([_new(topic, settings) for topic in topics(settings).values()])
    except (KafkaError, OSError) as error:  # TimeoutError is an OSError
        raise QueueUnavailable(f"Topics can't be created: {error!r}") from error
    finally:
        await admin.close()
    for topic, code, *reason in answer.topic_errors:
        if for_code(code) not in (NoError, TopicAlreadyExistsError):
            raise QueueUnavailable(f"Topic {topic} can't be created: {for_code(code).__name__} {' '.join(map(str, reason))}")


async def has_controller(admin: AIOKafkaAdminClient) -> bool:
    """True if the cluster has a controller, which creates topics. There is none during an election."""
    cluster = await admin.describe_cluster()
    return cluster["controller_id"] in {broker["node_id"] for broker in cluster["brokers"]}


def _new(topic: str, settings: KafkaSettings) -> NewTopic:
    new = NewTopic(topic, settings.partitions, 1)
    new.replication_factor = settings.replication  # the constructor refuses -1 (the broker's default); brokers accept it
    return new
