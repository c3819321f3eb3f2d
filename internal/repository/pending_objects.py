"""Objects that nothing refers to, yet or any more: the list that makes every object either referred to or listed (G4)."""

import time
from collections.abc import Sequence

from internal.postgres.lower_bound import LowerBounds
from internal.postgres.pool import Session

INTEND_OBJECT = """
    INSERT INTO unreferenced_objects (key, deadline) VALUES (%(key)s, now() + %(seconds)s * interval '1 s')
    ON CONFLICT (key) DO UPDATE SET deadline = EXCLUDED.deadline
"""

ABANDON_OBJECTS = """
    INSERT INTO unreferenced_objects (key, deadline)
    SELECT key, now() + %(seconds)s * interval '1 s' FROM unnest(%(keys)s::text[]) AS key
    ON CONFLICT (key) DO UPDATE SET deadline = EXCLUDED.deadline
"""

FORGET_OBJECT = """
    DELETE FROM unreferenced_objects WHERE key = %(key)s
"""

PUT_OFF_OBJECT = """
    -- To the end of the line, and never into the future: a deadline that has passed stays passed (G4).
    UPDATE unreferenced_objects SET deadline = now() - interval '1 ms' WHERE key = %(key)s
"""

HOLD_LONGER = """
    -- For this transaction only: a slow store takes longer than transactions may, and the row's lock must last as long. A process
    -- that stands still loses it all the same. Before version 17 PostgreSQL has no transaction_timeout.
    SELECT set_config('idle_in_transaction_session_timeout', '10min', true),
           CASE WHEN current_setting('transaction_timeout', true) IS NOT NULL
                THEN set_config('transaction_timeout', '0', true) END
"""

NEXT_OVERDUE_OBJECT = """
    SELECT key, extract(epoch FROM now() - deadline)::float8 AS age FROM unreferenced_objects
     WHERE deadline > now() - %(since)s * interval '1 s' AND deadline < now() - %(seconds)s * interval '1 s'
       AND key <> ALL (%(set_aside)s::text[])
     ORDER BY deadline LIMIT 1 FOR UPDATE SKIP LOCKED
"""


class PostgresPendingObjects:
    def __init__(self, session: Session, bounds: LowerBounds) -> None:
        self._session = session
        self._bounds = bounds

    async def intend(self, key: str, *, seconds: float) -> None:
        await self._session.run(INTEND_OBJECT, {"key": key, "seconds": seconds})

    async def abandon(self, keys: Sequence[str], *, seconds: float = 0) -> None:
        await self._session.run(ABANDON_OBJECTS, {"keys": list(keys), "seconds": seconds})

    async def forget(self, key: str) -> None:
        await self._session.run(FORGET_OBJECT, {"key": key})

    async def put_off(self, key: str) -> None:
        await self._session.run(PUT_OFF_OBJECT, {"key": key})

    async def next_overdue(self, *, seconds: float, set_aside: Sequence[str] = ()) -> str | None:
        await self._session.run(HOLD_LONGER)
        bound, began = self._bounds.of("unreferenced"), time.monotonic()
        parameters = {"seconds": seconds, "set_aside": list(set_aside), "since": bound.seconds()}
        rows = await self._session.rows(NEXT_OVERDUE_OBJECT, parameters)
        bound.passed(began, rows[0]["age"] if rows else seconds)
        return rows[0]["key"] if rows else None
