"""Kafka's additions to the queue contract: codecs, growing topics. The broker is real, or librdkafka's mock.

The mock knows no topic settings and adds no partitions: those tests are skipped there.
"""

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from confluent_kafka import Producer

from internal.domain.message import Channel, Message
from internal.ports.queue import Consumer, Delivery, Queue
from tests.contract.queue_brokers import PATIENT_SECONDS, KafkaBroker
from tests.services.kinds import KafkaService

CODECS = ("gzip", "snappy", "lz4", "zstd")
WITHIN = 120.0
NEW_PARTITION_SECONDS = 10.0


@pytest.fixture(autouse=True)
def patient_commits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without longer timeouts, a busy broker would deliver messages again."""
    monkeypatch.setattr("internal.queue.kafka.group_offsets.COMMIT_TIMEOUT_SECONDS", PATIENT_SECONDS)


@pytest.fixture
async def broker(kafka: KafkaService) -> AsyncIterator[KafkaBroker]:
    broker = KafkaBroker(kafka.brokers)
    async with broker.empty():
        yield broker


@pytest.fixture
async def queue(broker: KafkaBroker) -> AsyncIterator[Queue]:
    async with broker.open() as queue:
        yield queue


@pytest.fixture
async def admin(broker: KafkaBroker) -> AsyncIterator[AIOKafkaAdminClient]:
    if not broker.shares:
        pytest.skip("the mock broker has neither topic settings nor new partitions")
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.settings.brokers)
    await admin.start()
    yield admin
    await admin.close()


async def receive(consumer: Consumer, within: float = WITHIN) -> Delivery:
    async with asyncio.timeout(within):
        return await consumer.receive()


async def receive_bodies(consumer: Consumer, count: int) -> set[bytes]:
    """Acknowledge the next `count` messages, and return their bodies."""
    bodies = set()
    for _ in range(count):
        delivery = await receive(consumer)
        bodies.add(delivery.message.body)
        await consumer.acknowledge(delivery)
    return bodies


@pytest.mark.parametrize("codec", CODECS)
async def test_what_the_topic_compresses_is_received(
    codec: str, broker: KafkaBroker, queue: Queue, admin: AIOKafkaAdminClient
) -> None:
    """The broker recompresses our records. aiokafka 0.14.0 without cramjam reads gzip only, and hangs with other codecs."""
    await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, broker.settings.topic, {"compression.type": codec})])
    sent = {f"{number:03} {'x' * 200}".encode() for number in range(30)}
    for number, body in enumerate(sorted(sent)):
        await queue.publish(Channel.FAST, Message("image.process", f"key-{number}", body))

    async with queue.consume(Channel.FAST, slots=4) as consumer:
        assert await receive_bodies(consumer, len(sent)) == sent


@pytest.mark.parametrize("codec", CODECS)
async def test_what_a_foreign_producer_compresses_is_received(codec: str, broker: KafkaBroker, queue: Queue) -> None:
    """Many records in one batch with librdkafka's framing of each codec, followed by one of ours."""
    settings = {"bootstrap.servers": broker.settings.brokers, "compression.codec": codec, "linger.ms": 50, "log_level": 3}
    sent = {f"{number:03} {'x' * 200}".encode() for number in range(30)}
    producer = Producer(settings)
    for body in sorted(sent):
        producer.produce(broker.settings.topic, body, key=b"one", headers=[("type", b"image.process")])
    assert await asyncio.to_thread(producer.flush, PATIENT_SECONDS) == 0
    await queue.publish(Channel.FAST, Message("image.process", "one", b"ours"))

    async with queue.consume(Channel.FAST, slots=4) as consumer:
        assert await receive_bodies(consumer, len(sent) + 1) == sent | {b"ours"}


async def test_a_task_on_a_new_partition_is_received_soon(broker: KafkaBroker, queue: Queue, admin: AIOKafkaAdminClient) -> None:
    """With aiokafka's default of five minutes (0.14.0) it waited 297 s."""
    topic, new = broker.settings.topic, broker.settings.partitions
    async with queue.consume(Channel.FAST, slots=1) as consumer:
        await queue.publish(Channel.FAST, Message("image.process", "a", b"before"))
        await receive_bodies(consumer, 1)
        await admin.create_partitions({topic: NewPartitions(new + 1)})
        async with AIOKafkaProducer(bootstrap_servers=broker.settings.brokers, metadata_max_age_ms=200) as producer:
            async with asyncio.timeout(PATIENT_SECONDS):
                while new not in await producer.partitions_for(topic):
                    await producer.client.force_metadata_update()
            await producer.send_and_wait(topic, b"after", key=b"b", headers=[("type", b"image.process")], partition=new)

        delivery = await receive(consumer, within=5 * NEW_PARTITION_SECONDS)

        assert (delivery.message.body, delivery.source) == (b"after", f"{topic}/{new}/0")
        await consumer.acknowledge(delivery)
