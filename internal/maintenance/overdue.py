"""Overdue tasks: a task whose message may be lost, because it has been due for long, is sent again (G1).

    a rendition is overdue by `overdue_seconds`? → one worker looks, under a lease → how far has the queue been processed?
    → a message that was sent before that point is lost: send it again, at intervals that double

A long backlog is no loss: its messages are still in the queue. Therefore the end of the queue is noted from time to time. A task
counts as lost when the queue has processed everything up to the end that it had after the task's message was sent.
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
"""How long the worker that ran the chore last keeps it. Then another one can take over."""

PATIENCE = 10
"""After this many times `overdue_seconds` a task is sent again although the queue may still have it: the queue may be stuck."""

MARKS = 128
"""Marks of one lane that are kept: those of an hour, with one each half minute. The oldest are dropped first."""


class _Mark(Struct, frozen=True):
    """Where the queue of a lane ended at a time (the database's), when its outbox was not behind."""

    time: datetime
    positions: Positions


class OverdueTasks:
    """Finds and resends lost messages. A worker has one instance, which keeps its marks of the queue between rounds.

    INVARIANT: a backlog is not sent again, and after each resend the wait for the next one doubles
    (tests/integration/test_overdue.py::test_a_backlog_of_five_minutes_is_not_sent_again).
    """

    def __init__(self, repository: Repository, queue: Queue, *, overdue_seconds: float) -> None:
        self._repository = repository
        self._queue = queue
        self._seconds = overdue_seconds
        self._worker_id = uuid4()
        self._marks = {lane: deque[_Mark](maxlen=MARKS) for lane in Lane}
        self._quarantine = Quarantine[UUID](NAME)

    async def requeue(self) -> int:
        """Resend lost tasks, at most BATCH of each lane. Returns how many renditions wait for them."""
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
                exclude=self._quarantine.rows(),
            )
            for image_id in found:
                count += await self._resend(image_id, lane)
        metrics.REQUEUED.labels("overdue").inc(count)
        if count:
            log.warning("renditions.overdue", count=count)
        return count

    async def _passed(self, lane: Lane, now: datetime) -> datetime | None:
        """The latest time such that all messages published before it are processed; None if it is not known yet."""
        try:
            positions = await self._queue.positions(CHANNEL[lane])
        except QueueUnavailable as outage:  # perhaps its positions may not be read; the intervals bound the resends
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

    async def _resend(self, image_id: UUID, lane: Lane) -> int:
        """Send one message for all due renditions of the image in the lane. If it fails, the image is put in quarantine."""
        try:
            async with self._repository.transaction() as work:
                await work.images.hold(image_id)
                count = await work.renditions.resend(image_id, lane)
                if count:
                    await work.outbox.add(CHANNEL[lane], task_message(image_id, lane, NO_REQUEST))
        except Exception as error:
            self._quarantine.add(image_id, error)
            if isinstance(error, Unavailable):
                raise
            return 0
        return count
