"""Pending objects: keys that no row refers to, yet or any more. Every stored object is referred to or listed here (G4)."""

import time
from collections.abc import Sequence
from typing import LiteralString

from internal.domain.rates import UploadCost, UploadLevels
from internal.postgres.lower_bound import LowerBounds
from internal.postgres.pool import Session
from internal.repository.upload_buckets import COUNT_UPLOAD, UNLESS_TOO_MUCH, cost_parameters

RESERVE_OBJECT = """
    INSERT INTO unreferenced_objects (key, deadline) VALUES (%(key)s, now() + %(seconds)s * interval '1 s')
    ON CONFLICT (key) DO UPDATE SET deadline = EXCLUDED.deadline
"""

RESERVE_COUNTED_OBJECT: LiteralString = (
    "WITH counted AS ("
    + COUNT_UPLOAD
    + UNLESS_TOO_MUCH
    + """), listed AS (
        INSERT INTO unreferenced_objects (key, deadline) SELECT %(key)s, now() + %(seconds)s * interval '1 s' FROM counted
    )
    SELECT uploads, upload_bytes FROM counted
"""
)

MARK_OBJECTS = """
    INSERT INTO unreferenced_objects (key, deadline)
    SELECT key, now() + %(seconds)s * interval '1 s' FROM unnest(%(keys)s::text[]) AS key
    ON CONFLICT (key) DO UPDATE SET deadline = EXCLUDED.deadline
"""

UNMARK_OBJECT = """
    DELETE FROM unreferenced_objects WHERE key = %(key)s
"""

DEFER_OBJECT = """
    -- Moved to the end of the queue, but never into the future: a deadline that has passed stays passed (G4).
    UPDATE unreferenced_objects SET deadline = now() - interval '1 ms' WHERE key = %(key)s
"""

EXTEND_TRANSACTION = """
    -- For this transaction only: deleting from a slow store may take longer than a transaction is allowed, and the row's lock
    -- must last as long. A process that stands still loses the lock all the same. transaction_timeout is new in PostgreSQL 17.
    SELECT set_config('idle_in_transaction_session_timeout', '10min', true),
           CASE WHEN current_setting('transaction_timeout', true) IS NOT NULL
                THEN set_config('transaction_timeout', '0', true) END
"""

NEXT_OVERDUE_OBJECT = """
    SELECT key, extract(epoch FROM now() - deadline)::float8 AS age FROM unreferenced_objects
     WHERE deadline > now() - %(since)s * interval '1 s' AND deadline < now() - %(seconds)s * interval '1 s'
       AND key <> ALL (%(exclude)s::text[])
     ORDER BY deadline LIMIT 1 FOR UPDATE SKIP LOCKED
"""


class PostgresPendingObjects:
    def __init__(self, session: Session, bounds: LowerBounds) -> None:
        self._session = session
        self._bounds = bounds

    async def reserve(self, key: str, *, seconds: float) -> None:
        await self._session.run(RESERVE_OBJECT, {"key": key, "seconds": seconds})

    async def reserve_counted(self, key: str, cost: UploadCost, *, seconds: float) -> UploadLevels | None:
        parameters = {"key": key, "seconds": seconds, **cost_parameters(cost)}
        rows = await self._session.rows(RESERVE_COUNTED_OBJECT, parameters)
        return UploadLevels(**rows[0]) if rows else None

    async def mark(self, keys: Sequence[str], *, seconds: float = 0) -> None:
        await self._session.run(MARK_OBJECTS, {"keys": list(keys), "seconds": seconds})

    async def unmark(self, key: str) -> None:
        await self._session.run(UNMARK_OBJECT, {"key": key})

    async def defer(self, key: str) -> None:
        await self._session.run(DEFER_OBJECT, {"key": key})

    async def next_overdue(self, *, seconds: float, exclude: Sequence[str] = ()) -> str | None:
        await self._session.run(EXTEND_TRANSACTION)
        bound, began = self._bounds.of("unreferenced"), time.monotonic()
        parameters = {"seconds": seconds, "exclude": list(exclude), "since": bound.seconds()}
        rows = await self._session.rows(NEXT_OVERDUE_OBJECT, parameters)
        bound.passed(began, rows[0]["age"] if rows else seconds)
        return rows[0]["key"] if rows else None
