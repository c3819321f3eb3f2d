"""Idempotency keys: locked before the body is read, completed in the transaction of the use case, kept for a day.

The column `holder` holds the lock's id.
"""

import time
from uuid import UUID

from internal.ports.repository.idempotency import StoredAnswer
from internal.postgres.lower_bound import LowerBounds
from internal.postgres.pool import Session

TAKE_KEY = """
    -- An expired lease belongs to a request that died. A key with an answer is never taken over. Its age counts from the
    -- takeover, so that the answer is kept as long as any other.
    INSERT INTO idempotency_keys (owner, route, key, holder, lease_until)
    VALUES (%(owner)s, %(route)s, %(key)s, %(holder)s, now() + %(lease)s * interval '1 s')
    ON CONFLICT (owner, route, key) DO UPDATE
       SET holder = EXCLUDED.holder, lease_until = EXCLUDED.lease_until, created_at = now()
     WHERE idempotency_keys.answer IS NULL AND idempotency_keys.lease_until < now()
    RETURNING holder
"""

READ_KEY = """
    SELECT fingerprint, answer FROM idempotency_keys WHERE owner = %(owner)s AND route = %(route)s AND key = %(key)s
"""

EXTEND_KEY = """
    UPDATE idempotency_keys SET lease_until = now() + %(lease)s * interval '1 s'
     WHERE owner = %(owner)s AND route = %(route)s AND key = %(key)s AND holder = %(holder)s
"""

COMPLETE_KEY = """
    UPDATE idempotency_keys SET fingerprint = %(fingerprint)s, answer = %(answer)s
     WHERE owner = %(owner)s AND route = %(route)s AND key = %(key)s AND holder = %(holder)s AND answer IS NULL
    RETURNING key
"""

RELEASE_KEY = """
    DELETE FROM idempotency_keys
     WHERE owner = %(owner)s AND route = %(route)s AND key = %(key)s AND holder = %(holder)s AND answer IS NULL
"""

PURGE_KEYS = """
    -- In batches, so that the statement ends in time however many keys there are. Rows that another purge has locked are skipped.
    DELETE FROM idempotency_keys
     WHERE ctid = ANY (ARRAY (
           SELECT ctid FROM idempotency_keys
            WHERE created_at > now() - %(since)s * interval '1 s' AND created_at < now() - %(seconds)s * interval '1 s'
              AND lease_until < now()
            ORDER BY created_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED))
    RETURNING extract(epoch FROM now() - created_at)::float8 AS age
"""

REMOVE_OWNERS_KEYS = """
    DELETE FROM idempotency_keys WHERE owner = %(owner)s RETURNING 1 AS removed
"""


class PostgresIdempotencyKeys:
    def __init__(self, session: Session, bounds: LowerBounds) -> None:
        self._session = session
        self._bounds = bounds

    async def begin(self, owner: str, route: str, key: str, *, lock_id: UUID, lease_seconds: float) -> StoredAnswer | None:
        known = {"owner": owner, "route": route, "key": key}
        if await self._session.rows(TAKE_KEY, {**known, "holder": lock_id, "lease": lease_seconds}):
            return None
        rows = await self._session.rows(READ_KEY, known)
        if not rows:  # released between the two statements: the next request locks it
            return StoredAnswer(None, None)
        answer = rows[0]["answer"]
        return StoredAnswer(rows[0]["fingerprint"], bytes(answer) if answer is not None else None)

    async def extend(self, owner: str, route: str, key: str, *, lock_id: UUID, lease_seconds: float) -> None:
        await self._session.run(
            EXTEND_KEY, {"owner": owner, "route": route, "key": key, "holder": lock_id, "lease": lease_seconds}
        )

    async def complete(self, owner: str, route: str, key: str, *, lock_id: UUID, fingerprint: str, answer: bytes) -> bool:
        parameters = {
            "owner": owner,
            "route": route,
            "key": key,
            "holder": lock_id,
            "fingerprint": fingerprint,
            "answer": answer,
        }
        return bool(await self._session.rows(COMPLETE_KEY, parameters))

    async def release(self, owner: str, route: str, key: str, *, lock_id: UUID) -> None:
        await self._session.run(RELEASE_KEY, {"owner": owner, "route": route, "key": key, "holder": lock_id})

    async def purge(self, *, older_seconds: float, limit: int) -> int:
        bound, began = self._bounds.of("idempotency"), time.monotonic()
        rows = await self._session.rows(PURGE_KEYS, {"seconds": older_seconds, "limit": limit, "since": bound.seconds()})
        bound.passed(began, min(row["age"] for row in rows) if len(rows) == limit else older_seconds)
        return len(rows)

    async def remove_of(self, owner: str) -> int:
        return len(await self._session.rows(REMOVE_OWNERS_KEYS, {"owner": owner}))
