"""Consuming a lane: a fixed number of slots, each doing one task at a time, until told to stop."""

import asyncio
from collections.abc import Mapping
from typing import cast

import structlog

from internal.domain.errors import Unavailable
from internal.domain.message import Channel
from internal.ports.queue import Consumer, Delivery, Queue
from internal.rendering.workshop import Workshop
from internal.runtime.failpoints import failpoint
from internal.worker.dispatch import Handler, dispatch

log = structlog.get_logger(__name__)


class Lanes:
    """The lanes of one worker process. `stopping` lets every slot end after the task in its hands."""

    def __init__(self, queue: Queue, workshop: Workshop, known: Mapping[str, Handler], stopping: asyncio.Event) -> None:
        self._queue = queue
        self._workshop = workshop
        self._known = known
        self._stopping = stopping
        self._idle: set[asyncio.Task[None]] = set()
        self.in_hand = 0

    async def consume(self, channel: Channel, slots: int) -> None:
        """Run `slots` slots until stopped, or cancelled: then what is in hand is given back (G3)."""
        async with self._queue.consume(channel, slots=slots) as consumer, asyncio.TaskGroup() as group:
            running = [group.create_task(self._slot(consumer), name=f"{channel}-{number}") for number in range(slots)]
            await self._stopping.wait()
            for slot in self._idle.intersection(running):
                slot.cancel()  # it waits for a message; should one be on its way to it, the consumer gives that back

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
        """INVARIANT: acknowledged only when its outcome is committed (tests/faults/test_worker_killed.py)."""
        try:
            while not await self._settled(delivery):  # noqa: ASYNC110 - nobody tells that an outage is over
                await asyncio.sleep(self._workshop.schedule.pause_seconds)
        except asyncio.CancelledError:
            await asyncio.shield(consumer.release(delivery))
            raise
        failpoint("before-ack")
        await consumer.acknowledge(delivery)

    async def _settled(self, delivery: Delivery) -> bool:
        """Whether its outcome is committed. Nothing else is raised: a slot that ended would end the process, and all its work."""
        try:
            await dispatch(delivery, self._workshop, self._known)
        except Unavailable as outage:  # the message itself could not be put away
            log.warning("message.waits", source=delivery.source, detail=outage.detail)
        except Exception:
            log.exception("message.waits", source=delivery.source)
        else:
            return True
        return False
