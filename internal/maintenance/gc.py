"""Garbage collection: objects that no row refers to, and old idempotency keys.

Any number of workers may run it at once: each row is claimed by one.
"""

import asyncio

import structlog

from internal.domain.errors import DatabaseUnavailable, StoreUnavailable, Unavailable
from internal.intake.idempotency import KEPT_SECONDS
from internal.maintenance.chores import run_batch
from internal.maintenance.quarantine import Quarantine
from internal.observability import metrics
from internal.ports.object_store import ObjectStore
from internal.ports.repository.repository import Repository

log = structlog.get_logger(__name__)

OBJECTS = "sweep_unreferenced"
"""The chore's name in metrics and logs."""

BATCH = 100
"""Objects of one round."""

KEYS = 1000
"""Idempotency keys that one statement removes."""

DELETE_SECONDS = 30.0
"""Time limit of one delete, including the wait for a thread of the store's pool."""


async def purge_idempotency_keys(repository: Repository) -> int:
    """Remove all idempotency keys that are older than KEPT_SECONDS, in batches. Returns how many."""
    purged = 0
    while True:
        batch = await repository.idempotency.purge(older_seconds=KEPT_SECONDS, limit=KEYS)
        purged += batch
        if batch < KEYS:
            return purged


async def collect_garbage(
    repository: Repository, store: ObjectStore, *, overdue_seconds: float, quarantine: Quarantine[str] | None = None
) -> int:
    """Delete objects whose key is `overdue_seconds` past its deadline, one at a time, under the row's lock (G4).

    Returns how many. Raises the store's first outage; the key is then deferred, so that the next round begins with another. A
    key that fails in any other way is put in quarantine.

    INVARIANT: an object that a transaction refers to is never deleted. Either its key is off the list, or this holds the row's
    lock for as long as the delete runs, and the transaction finds the deadline passed
    (tests/integration/test_gc.py::test_a_commit_that_meets_gc_loses, and test_gc_slow_store.py for the lock).
    """
    collector = _Collector(repository, store, overdue_seconds, quarantine or Quarantine(OBJECTS))
    return await run_batch(collector.delete_next, BATCH)


class _Collector:
    def __init__(self, repository: Repository, store: ObjectStore, overdue_seconds: float, quarantine: Quarantine[str]) -> None:
        self._repository, self._store = repository, store
        self._overdue_seconds = overdue_seconds
        self._quarantine = quarantine

    async def delete_next(self) -> bool | None:
        """Delete one object. False: it could not be deleted, and others come first now. None: no key is overdue."""
        key: str | None = None
        failure: Exception | None = None
        try:
            async with self._repository.transaction() as work:
                pending = work.pending_objects
                key = await pending.next_overdue(seconds=self._overdue_seconds, exclude=self._quarantine.rows())
                if key is None:
                    return None
                failure = await self._delete(key)
                await (pending.defer(key) if failure else pending.unmark(key))
        except DatabaseUnavailable:
            if key is None:
                raise
            await self._repository.pending_objects.defer(key)  # else every round would begin with it, and block the others
            if failure is None:
                raise
        except Exception as error:
            if key is None:
                raise
            self._quarantine.add(key, error)
            return False
        if failure is None:
            metrics.GC_DELETED.inc()
            log.info("object.swept", key=key)
        elif isinstance(failure, Unavailable):
            raise failure
        elif not isinstance(failure, ValueError):
            self._quarantine.add(key, failure)
        return failure is None

    async def _delete(self, key: str) -> Exception | None:
        """Delete the object. Returns the error, which may be of this object only: the others get their turn before it is retried.

        When this returns, no thread of this process can delete the object any more: a call that has begun is awaited, also past
        DELETE_SECONDS (internal/objectstore/threads.py), and one that waits for a thread never begins.
        """
        failure: Exception
        try:
            async with asyncio.timeout(DELETE_SECONDS):
                await self._store.delete(key)
                return None
        except TimeoutError:
            failure = StoreUnavailable(f"The object store has not deleted an object within {DELETE_SECONDS:g} seconds.")
        except Exception as error:
            failure = error
        log.warning("object.not_swept", key=key, error=repr(failure))
        return failure
