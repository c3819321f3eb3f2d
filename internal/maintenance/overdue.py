"""Overdue tasks: a task whose message may be lost, because it has been due for long, is sent again (G1).

    a rendition is overdue by `overdue_seconds`? → one worker looks, under a lease → has the queue processed every message?
    → then the message is lost: send it again, at intervals that double

A long backlog is no loss: its messages are still in the queue, and whichever of them comes first takes the task whose turn it is.
A task that waits without a message while others have theirs is taken by an idle slot (internal/worker/consume.py).
"""

from uuid import UUID, uuid4

import structlog

from internal.domain.errors import QueueUnavailable, Unavailable
from internal.domain.message import NO_REQUEST
from internal.domain.rendition import Lane
from internal.domain.tasks import CHANNEL, task_message
from internal.maintenance.quarantine import Quarantine
from internal.observability import metrics
from internal.ports.queue import Queue
from internal.ports.repository.repository import Repository

log = structlog.get_logger(__name__)

NAME = "requeue_overdue"
BATCH = 100
LEASE_SECONDS = 15.0
"""How long the worker that ran the chore last keeps it. Then another one can take over."""

PATIENCE = 10
"""After this many times `overdue_seconds` a task is sent again although the queue may still have it: the queue may be stuck."""


class OverdueTasks:
    """Finds and resends lost messages. A worker has one instance.

    INVARIANT: a backlog is not sent again, and after each resend the wait for the next one doubles
    (tests/integration/test_overdue.py::test_a_backlog_of_five_minutes_is_not_sent_again).
    """

    def __init__(self, repository: Repository, queue: Queue, *, overdue_seconds: float) -> None:
        self._repository = repository
        self._queue = queue
        self._seconds = overdue_seconds
        self._worker_id = uuid4()
        self._quarantine = Quarantine[UUID](NAME)

    async def requeue(self) -> int:
        """Resend lost tasks, at most BATCH of each lane. Returns how many renditions wait for them."""
        lanes = await self._repository.renditions.overdue_lanes(seconds=self._seconds)
        if not lanes or not await self._repository.chore_leases.take(NAME, self._worker_id, seconds=LEASE_SECONDS):
            return 0
        count = 0
        for lane in lanes:
            found = await self._repository.renditions.overdue(
                lane,
                seconds=self._seconds if await self._is_processed(lane) else PATIENCE * self._seconds,
                limit=BATCH,
                exclude=self._quarantine.rows(),
            )
            for image_id in found:
                count += await self._resend(image_id, lane)
        metrics.REQUEUED.labels("overdue").inc(count)
        if count:
            log.warning("renditions.overdue", count=count)
        return count

    async def _is_processed(self, lane: Lane) -> bool:
        """Whether the queue has processed every message of the lane."""
        try:
            positions = await self._queue.positions(CHANNEL[lane])
        except QueueUnavailable as outage:  # perhaps its positions may not be read; the intervals bound the resends
            log.info("overdue.queue_not_asked", lane=lane, detail=outage.detail)
            return True
        return positions.have_passed(positions)

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
