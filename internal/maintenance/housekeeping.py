"""Housekeeping of one worker: two rounds of chores. Any number of workers may run them at once.

A round's chores are done one after the other, and none stands still behind another: each does a bounded piece of its work in
statements or transactions of its own, and is begun also when those before it failed.
"""

from functools import partial
from uuid import UUID

from internal.maintenance import overdue
from internal.maintenance.chores import Chore, announce, run_round
from internal.maintenance.gc import purge_keys, sweep_unreferenced
from internal.maintenance.overdue import OverdueTasks
from internal.maintenance.quarantine import Quarantine
from internal.maintenance.requeue import requeue_abandoned
from internal.maintenance.retention import retentions
from internal.ports.queue import Queue
from internal.rendering.workshop import Workshop


class Housekeeping:
    """What dies is found again, and what nobody needs is removed."""

    def __init__(self, workshop: Workshop, queue: Queue, *, events_days: int, dead_letters_days: int) -> None:
        overdue_tasks = OverdueTasks(workshop.repository, queue, overdue_seconds=workshop.schedule.overdue_seconds)
        abandoned, objects = Quarantine[UUID]("requeue_abandoned"), Quarantine[str]("sweep_unreferenced")
        self._requeue = (
            Chore("requeue_abandoned", partial(requeue_abandoned, workshop, abandoned)),
            Chore(overdue.NAME, overdue_tasks.requeue),
        )
        self._clean_up = (
            Chore("purge_keys", partial(purge_keys, workshop)),
            *(
                Chore(retention.name, retention.run)
                for retention in retentions(workshop.repository, events_days=events_days, dead_letters_days=dead_letters_days)
            ),
            Chore("sweep_unreferenced", partial(sweep_unreferenced, workshop, objects)),
        )
        announce(self._requeue + self._clean_up)

    async def requeue(self) -> None:
        """Queue again what nobody works on, in this order: leases that ran out, overdue renditions."""
        await run_round(self._requeue)

    async def clean_up(self) -> None:
        """Remove what nobody needs any more: old idempotency keys, events and dead letters, unreferenced objects.

        A slow store makes this one long.
        """
        await run_round(self._clean_up)
