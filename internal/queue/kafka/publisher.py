"""Kafka producer of this process. It starts while Kafka is down, reconnects by itself, and bounds each publish in time.

acks=all. The producer is not idempotent: aiokafka's idempotent batches never expire, so a send would hang for as long as the
broker is down. Other batches expire after the publish timeout. Consumers tolerate the duplicates that this can cause.
"""

import asyncio

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from internal.domain.errors import QueueUnavailable
from internal.domain.message import Message
from internal.queue.kafka.connection import connection
from internal.queue.kafka.records import headers_of
from internal.queue.kafka.settings import KafkaSettings

log = structlog.get_logger(__name__)

RECONNECT_SECONDS = 0.5


class Publisher:
    """Publishes while `run` runs."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._seconds = settings.publish_seconds
        self._producer: asyncio.Future[AIOKafkaProducer] = asyncio.get_running_loop().create_future()
        self._broken = asyncio.Event()

    async def publish(self, topic: str, message: Message) -> None:
        """Publish a message, as the port says. Raises QueueUnavailable after `publish_seconds`."""
        try:
            async with asyncio.timeout(self._seconds):
                producer = await asyncio.shield(self._producer)
                sent = await producer.send(topic, message.body, key=message.key.encode(), headers=headers_of(message))
                await sent
        except MessageSizeTooLargeError as error:
            raise ValueError(f"the message is too large for the queue: {len(message.body)} bytes") from error
        except (KafkaError, OSError) as error:  # TimeoutError is an OSError
            self._replace_if_broken(error)
            raise QueueUnavailable from error

    async def check(self) -> None:
        """Request topic metadata from a broker. Raises QueueUnavailable if there is no answer within `publish_seconds`."""
        try:
            async with asyncio.timeout(self._seconds):
                producer = await asyncio.shield(self._producer)
                answered = await producer.client.force_metadata_update()
        except (KafkaError, OSError) as error:
            raise QueueUnavailable from error
        if not answered:
            raise QueueUnavailable

    async def run(self) -> None:
        """Keep a producer running until cancelled. A producer that can't start or breaks is closed and replaced."""
        while True:
            producer = AIOKafkaProducer(acks="all", **connection(self._settings, request_seconds=self._seconds))
            try:
                await producer.start()
                self._broken.clear()
                self._producer.set_result(producer)
                await self._broken.wait()
            except (KafkaError, OSError) as error:
                log.warning("queue.producer_waits", error=repr(error))
            except Exception:
                log.exception("queue.producer_waits")
            finally:
                if self._producer.done():
                    self._producer = asyncio.get_running_loop().create_future()
                await _stop(producer)
            await asyncio.sleep(RECONNECT_SECONDS)

    def _replace_if_broken(self, error: Exception) -> None:
        """Request a new producer after a fatal error.

        aiokafka reconnects by itself. But if its sender task has died, every later send fails.
        """
        if isinstance(error, KafkaError) and not error.retriable:
            self._broken.set()


async def _stop(producer: AIOKafkaProducer) -> None:
    """Stop a producer; it sends its queued messages for at most `publish_seconds`. Never raises: the producer is replaced."""
    try:
        await producer.stop()
    except Exception as error:
        log.warning("queue.producer_not_stopped", error=repr(error))
