"""Overdue tasks: what is due and has waited so long that its message may be lost is sent again (G1).

    something waits longer than `overdue_seconds`? → one worker looks, under a lease → how far is the queue?
    → what was sent before everything that the queue has done is lost: send it again, at intervals that double

A long backlog is no loss: its messages are in the queue. So the end of the queue is noted now and then, and a task that waits is
taken for lost when the queue has done all that was there when its message must have been.
"""

from collections import deque
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import structlog
from msgspec import Struct

from internal.domain.errors import QueueUnavailable, Unavailable
from internal.domain.message import NO_REQUEST
from internal.domain.rendition import Lane
from internal.domain.tasks import CHANNEL, task_message
from internal.maintenance.quarantine import Quarantine
from internal.observability import metrics
from internal.ports.queue import Positions, Queue
from internal.ports.repository.repository import Repository

log = structlog.get_logger(__name__)

NAME = "requeue_overdue"
BATCH = 100
LEASE_SECONDS = 15.0
"""How long the worker that looked last keeps the chore; another takes it over when that one is gone."""

PATIENCE = 10
"""A task that the queue should still have is sent again after so many times `overdue_seconds`: should the queue stand still."""

MARKS = 128
"""Notes of one lane's end. With one each half minute, those of an hour; a longer backlog forgets the oldest."""


class _Mark(Struct, frozen=True):
    """Where a lane's queue ended at a time (the database's), when its outbox was not behind."""

    time: datetime
    positions: Positions


class OverdueTasks:
    """Finds lost messages. One of it a worker: what it has noted of the queue is kept from round to round.

    INVARIANT: a backlog is not sent again, and what is sent again waits twice as long for the next time
    (tests/integration/test_overdue.py::test_a_backlog_of_five_minutes_is_not_sent_again).
    """

    def __init__(self, repository: Repository, queue: Queue, *, overdue_seconds: float) -> None:
        self._repository = repository
        self._queue = queue
        self._seconds = overdue_seconds
        self._worker_id = uuid4()
        self._marks = {lane: deque[_Mark](maxlen=MARKS) for lane in Lane}
        self._set_aside = Quarantine[UUID](NAME)

    async def requeue(self) -> int:
        """Send again what is lost, BATCH tasks of each lane at most; returns how many renditions wait for them."""
        look = await self._repository.renditions.overdue_lanes(seconds=self._seconds)
        if look is None or not await self._repository.chore_leases.take(NAME, self._worker_id, seconds=LEASE_SECONDS):
            return 0
        count = 0
        for lane in look.published:
            passed = await self._passed(lane, look.now)
            found = await self._repository.renditions.overdue(
                lane,
                sent_before=passed - timedelta(seconds=self._seconds) if passed else None,
                seconds=self._seconds,
                patience_seconds=PATIENCE * self._seconds,
                limit=BATCH,
                set_aside=self._set_aside.rows(),
            )
            for image_id in found:
                count += await self._send_again(image_id, lane)
        metrics.REQUEUED.labels("overdue").inc(count)
        if count:
            log.warning("renditions.overdue", count=count)
        return count

    async def _passed(self, lane: Lane, now: datetime) -> datetime | None:
        """The latest time for which everything that was published before it is done; None: not known yet."""
        try:
            positions = await self._queue.positions(CHANNEL[lane])
        except QueueUnavailable as outage:  # perhaps it may not be asked at all: the intervals bound what is sent again
            log.info("overdue.queue_not_asked", lane=lane, detail=outage.detail)
            return now
        if positions.have_passed(positions):
            return now
        marks = self._marks[lane]
        if not marks or (now - marks[-1].time).total_seconds() >= self._seconds / 2:
            marks.append(_Mark(now, positions))
        passed = None
        while marks and positions.have_passed(marks[0].positions):
            passed = marks.popleft()
        if passed is None:
            return None
        marks.appendleft(passed)
        return passed.time

    async def _send_again(self, image_id: UUID, lane: Lane) -> int:
        """One message for all of the image's renditions of the lane that are due. A failure sets the image aside."""
        try:
            async with self._repository.transaction() as work:
                await work.images.hold(image_id)
                count = await work.renditions.resend(image_id, lane)
                if count:
                    await work.outbox.add(CHANNEL[lane], task_message(image_id, lane, NO_REQUEST))
        except Exception as error:
            self._set_aside.add(image_id, error)
            if isinstance(error, Unavailable):
                raise
            return 0
        return count
