"""Housekeeping over the core's tables, with a queue whose positions a test moves."""

from internal.domain.errors import QueueUnavailable
from internal.domain.message import Channel
from internal.maintenance.housekeeping import Housekeeping
from internal.maintenance.overdue import OverdueTasks
from internal.ports.queue import Positions
from internal.rendering.task import TaskProcessor


class Progress:
    """What a queue says of itself: `published` and `done` messages of each channel. While it is `down` it says nothing."""

    def __init__(self, published: int = 0, done: int = 0) -> None:
        self.published = dict.fromkeys((Channel.FAST, Channel.SLOW), published)
        self.done = dict.fromkeys((Channel.FAST, Channel.SLOW), done)
        self.down = False
        self.asked = 0

    async def positions(self, channel: Channel) -> Positions:
        self.asked += 1
        if self.down:
            raise QueueUnavailable
        return Positions({"0": self.published[channel]}, {"0": self.done[channel]})


def housekeeping(worker: TaskProcessor, queue: Progress | None = None) -> Housekeeping:
    return Housekeeping(
        worker.repository,
        worker.store,
        queue or Progress(),  # type: ignore[arg-type]
        worker.timings,
        events_days=30,
        dead_letters_days=90,
    )


def overdue_tasks(worker: TaskProcessor, queue: Progress | None = None) -> OverdueTasks:
    """One worker's. Without a queue: of one that has done everything."""
    return OverdueTasks(worker.repository, queue or Progress(), overdue_seconds=worker.timings.overdue_seconds)  # type: ignore[arg-type]
