"""Consuming the lanes: a fixed number of slots each. A slot handles one message at a time, until the worker stops.

A message says that there is work; which task is done for it, the claim decides. So a slot that has no message looks now and then
whether a task waits all the same: because messages were lost, or were taken by workers of an older version.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import cast

import structlog

from internal.domain.errors import Unavailable
from internal.domain.message import Channel
from internal.domain.rendition import Lane
from internal.ports.queue import Consumer, Delivery, Queue
from internal.ports.repository.dead_letters import DeadLetters
from internal.runtime.failpoints import failpoint
from internal.worker.dispatch import Handler, dispatch

log = structlog.get_logger(__name__)


LOOK_SECONDS = 1.0
"""How often a lane's idle slots look for a task that waits without a message. After one was found they look again at once."""

Look = Callable[[Lane], Awaitable[bool]]
"""Does a task that waits in the lane; False if none waits."""


class Lanes:
    """The lanes of one worker process. When `stopping` is set, each slot ends after its current message.

    A message that met an outage is handled again every `pause_seconds`.

    INVARIANT: no task waits for a message while slots are idle
    (tests/integration/test_fair_messages.py::test_a_task_whose_message_was_lost_is_found_by_an_idle_slot).
    """

    def __init__(
        self,
        queue: Queue,
        known: Mapping[str, Handler],
        dead_letters: DeadLetters,
        stopping: asyncio.Event,
        look: Look,
        *,
        pause_seconds: float,
    ) -> None:
        self._queue = queue
        self._known = known
        self._dead_letters = dead_letters
        self._pause_seconds = pause_seconds
        self._stopping = stopping
        self._look = look
        self._look_at = dict.fromkeys(Lane, 0.0)
        self._idle: set[asyncio.Task[None]] = set()
        self.in_hand = 0

    async def consume(self, channel: Channel, slots: int) -> None:
        """Run `slots` slots until stopped. Cancelled, it releases the messages in hand (G3)."""
        async with self._queue.consume(channel, slots=slots) as consumer, asyncio.TaskGroup() as group:
            running = [
                group.create_task(self._slot(consumer, Lane(channel)), name=f"{channel}-{number}") for number in range(slots)
            ]
            await self._stopping.wait()
            for slot in self._idle.intersection(running):
                slot.cancel()  # it waits for a message; the consumer releases one that arrives now

    async def _slot(self, consumer: Consumer, lane: Lane) -> None:
        while not self._stopping.is_set():
            delivery = await self._received(consumer, lane)
            self.in_hand += 1
            try:
                if delivery is None:
                    await self._looked(lane)
                else:
                    await self._handle(consumer, delivery)
            finally:
                self.in_hand -= 1

    async def _received(self, consumer: Consumer, lane: Lane) -> Delivery | None:
        """The next message; None when it is time to look."""
        slot = cast("asyncio.Task[None]", asyncio.current_task())
        self._idle.add(slot)
        try:
            while True:
                within = self._look_at[lane] - time.monotonic()
                try:
                    async with asyncio.timeout(max(0.0, min(within, LOOK_SECONDS))):
                        return await consumer.receive()
                except TimeoutError:
                    if time.monotonic() >= self._look_at[lane]:  # no other slot has looked meanwhile
                        self._look_at[lane] = time.monotonic() + LOOK_SECONDS
                        return None
        finally:
            self._idle.discard(slot)

    async def _looked(self, lane: Lane) -> None:
        """Do a task that waits without a message. Raises nothing except cancellation."""
        try:
            if await self._look(lane):
                self._look_at[lane] = 0.0
        except Unavailable as outage:
            log.warning("lane.not_looked", lane=lane, detail=outage.detail)
        except Exception:
            log.exception("lane.not_looked", lane=lane)

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
