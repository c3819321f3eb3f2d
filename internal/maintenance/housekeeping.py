"""Housekeeping of one worker: two rounds of chores. Any number of workers may run them at once.

A round runs its chores one after the other. No chore blocks the next: each does a bounded part of its work in statements or
transactions of its own, and runs even if a chore before it failed.
"""

from functools import partial
from uuid import UUID

from internal.maintenance import expired_uploads, gc, overdue, requeue, revoked_tokens, upload_buckets, usage
from internal.maintenance.chores import Chore, register, run_round
from internal.maintenance.overdue import OverdueTasks
from internal.maintenance.quarantine import Quarantine
from internal.maintenance.retention import retentions
from internal.maintenance.upload_buckets import UploadBucketsCleanup
from internal.maintenance.usage import UsageFolding
from internal.ports.object_store import ObjectStore
from internal.ports.queue import Queue
from internal.ports.repository.repository import Repository
from internal.rendering.timings import WorkerTimings
from internal.rendering.transitions import Transitions


class Housekeeping:
    """The chores of one worker: requeue what dead workers left, remove what is no longer needed."""

    def __init__(
        self,
        repository: Repository,
        store: ObjectStore,
        queue: Queue,
        timings: WorkerTimings,
        *,
        events_days: int,
        dead_letters_days: int,
    ) -> None:
        transitions = Transitions(repository, timings)
        overdue_tasks = OverdueTasks(repository, queue, overdue_seconds=timings.overdue_seconds)
        stalled, objects = Quarantine[UUID](requeue.STALLED), Quarantine[str](gc.OBJECTS)
        uploads = Quarantine[UUID](expired_uploads.NAME)
        self._requeue = (
            Chore(requeue.STALLED, partial(requeue.requeue_stalled, transitions, stalled)),
            Chore(overdue.NAME, overdue_tasks.requeue),
        )
        self._cleanup = (
            Chore("purge_keys", partial(gc.purge_idempotency_keys, repository)),
            *(
                Chore(retention.name, retention.run)
                for retention in retentions(repository, events_days=events_days, dead_letters_days=dead_letters_days)
            ),
            Chore(upload_buckets.NAME, UploadBucketsCleanup(repository).run),
            Chore(usage.NAME, UsageFolding(repository).run),
            Chore(revoked_tokens.NAME, partial(revoked_tokens.purge_revoked_tokens, repository)),
            Chore(expired_uploads.NAME, partial(expired_uploads.expire_uploads, repository, uploads)),
            Chore(
                gc.OBJECTS,
                partial(gc.collect_garbage, repository, store, overdue_seconds=timings.sweep_seconds, quarantine=objects),
            ),
        )
        register(self._requeue + self._cleanup)

    async def requeue(self) -> None:
        """Requeue renditions whose lease ran out, then overdue ones."""
        await run_round(self._requeue)

    async def cleanup(self) -> None:
        """Remove old idempotency keys, events, dead letters, revocations, buckets; fold usage; remove expired uploads, objects.

        Takes long if the store is slow.
        """
        await run_round(self._cleanup)
