"""Consuming a lane: a fixed number of slots, each doing one task at a time, until told to stop."""

import asyncio
from collections.abc import Mapping

import structlog

from internal.errors import Unavailable
from internal.images.ports import Workshop
from internal.queue.port import Channel, Consumer, Delivery, Queue
from internal.worker.dispatch import Handler, dispatch

log = structlog.get_logger(__name__)


class Lanes:
    """The lanes of one worker process. `stopping` lets every slot end after the task in its hands."""

    def __init__(self, queue: Queue, workshop: Workshop, known: Mapping[str, Handler], stopping: asyncio.Event) -> None:
        self._queue = queue
        self._workshop = workshop
        self._known = known
        self._stopping = stopping
        self.in_hand = 0

    async def consume(self, channel: Channel, slots: int) -> None:
        """Run `slots` slots until stopped, or cancelled: then what is in hand is given back (G3)."""
        async with self._queue.consume(channel, slots=slots) as consumer, asyncio.TaskGroup() as group:
            for number in range(slots):
                group.create_task(self._slot(consumer), name=f"{channel}-{number}")

    async def _slot(self, consumer: Consumer) -> None:
        while (delivery := await self._next(consumer)) is not None:
            self.in_hand += 1
            try:
                await self._handle(consumer, delivery)
            finally:
                self.in_hand -= 1

    async def _next(self, consumer: Consumer) -> Delivery | None:
        """The next message, or None when it is time to stop."""
        receiving = asyncio.ensure_future(consumer.receive())
        stopping = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait({receiving, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if self._stopping.is_set():
                if receiving.done():
                    await consumer.release(receiving.result())
                return None
            return receiving.result()
        finally:
            receiving.cancel()
            stopping.cancel()
            await asyncio.gather(receiving, stopping, return_exceptions=True)

    async def _handle(self, consumer: Consumer, delivery: Delivery) -> None:
        """INVARIANT: acknowledged only when its outcome is committed (tests/faults/test_worker_killed.py)."""
        while True:
            try:
                await dispatch(delivery, self._workshop, self._known)
            except Unavailable as outage:  # the message itself could not be put away: it stays in hand
                log.warning("message.waits", source=delivery.source, detail=outage.detail)
                await asyncio.sleep(self._workshop.schedule.pause_seconds)
            except asyncio.CancelledError:
                await asyncio.shield(consumer.release(delivery))
                raise
            else:
                await consumer.acknowledge(delivery)
                return
