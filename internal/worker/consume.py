"""Consuming the lanes: a fixed number of slots each. A slot handles one message at a time, until the worker stops."""

import asyncio
from collections.abc import Mapping
from typing import cast

import structlog

from internal.domain.errors import Unavailable
from internal.domain.message import Channel
from internal.ports.queue import Consumer, Delivery, Queue
from internal.ports.repository.dead_letters import DeadLetters
from internal.runtime.failpoints import failpoint
from internal.worker.dispatch import Handler, dispatch

log = structlog.get_logger(__name__)


class Lanes:
    """The lanes of one worker process. When `stopping` is set, each slot ends after its current message.

    A message that met an outage is handled again every `pause_seconds`.
    """

    def __init__(
        self,
        queue: Queue,
        known: Mapping[str, Handler],
        dead_letters: DeadLetters,
        stopping: asyncio.Event,
        *,
        pause_seconds: float,
    ) -> None:
        self._queue = queue
        self._known = known
        self._dead_letters = dead_letters
        self._pause_seconds = pause_seconds
        self._stopping = stopping
        self._idle: set[asyncio.Task[None]] = set()
        self.in_hand = 0

    async def consume(self, channel: Channel, slots: int) -> None:
        """Run `slots` slots until stopped. Cancelled, it releases the messages in hand (G3)."""
        async with self._queue.consume(channel, slots=slots) as consumer, asyncio.TaskGroup() as group:
            running = [group.create_task(self._slot(consumer), name=f"{channel}-{number}") for number in range(slots)]
            await self._stopping.wait()
            for slot in self._idle.intersection(running):
                slot.cancel()  # it waits for a message; the consumer releases one that arrives now

    async def _slot(self, consumer: Consumer) -> None:
        slot = cast("asyncio.Task[None]", asyncio.current_task())
        while not self._stopping.is_set():
            self._idle.add(slot)
            try:
                delivery = await consumer.receive()
            finally:
                self._idle.discard(slot)
            self.in_hand += 1
            try:
                await self._handle(consumer, delivery)
            finally:
                self.in_hand -= 1

    async def _handle(self, consumer: Consumer, delivery: Delivery) -> None:
        """INVARIANT: a message is acknowledged only when its outcome is committed (tests/faults/test_worker_killed.py)."""
        try:
            while not await self._dispatched(delivery):  # noqa: ASYNC110 - nothing signals the end of an outage
                await asyncio.sleep(self._pause_seconds)
        except asyncio.CancelledError:
            await asyncio.shield(consumer.release(delivery))
            raise
        failpoint("before-ack")
        await consumer.acknowledge(delivery)

    async def _dispatched(self, delivery: Delivery) -> bool:
        """Whether the outcome is committed. Raises nothing: an error in one slot would end the process, with all its work."""
        try:
            await dispatch(delivery, self._known, self._dead_letters)
        except Unavailable as outage:  # the dead letter could not be written
            log.warning("message.waits", source=delivery.source, detail=outage.detail)
        except Exception:
            log.exception("message.waits", source=delivery.source)
        else:
            return True
        return False
