"""Revoked tokens."""

from uuid import UUID

import msgspec

from internal.domain.revocation import Revocation
from internal.postgres.pool import Session

COLUMNS = "id, jti, owner, issued_before, expires_at, created_at"

ONE_AFTER_ANOTHER = """
    -- Held until the commit: revocations become visible in the order of their `change`, so its maximum tells of each one.
    LOCK TABLE revoked_tokens IN SHARE ROW EXCLUSIVE MODE
"""

REVOKE_TOKEN = f"""
    WITH stored AS (
        INSERT INTO revoked_tokens (id, jti, expires_at)
        VALUES (%(id)s, %(jti)s, coalesce(%(expires_at)s, now() + %(seconds)s * interval '1 s'))
        ON CONFLICT (jti) DO UPDATE
        SET expires_at = greatest(revoked_tokens.expires_at, EXCLUDED.expires_at), change = EXCLUDED.change
        RETURNING {COLUMNS}
    )
    SELECT {COLUMNS}, pg_notify('revoked_token', '') FROM stored
"""

REVOKE_OWNER = f"""
    -- Kept for `seconds` from now, also if `issued_before` lies far back: the last token of that time may be as long as that.
    WITH stored AS (
        INSERT INTO revoked_tokens (id, owner, issued_before, expires_at)
        VALUES (%(id)s, %(owner)s, coalesce(%(issued_before)s, now()),
                coalesce(%(expires_at)s, now() + %(seconds)s * interval '1 s'))
        ON CONFLICT (owner) DO UPDATE
        SET issued_before = greatest(revoked_tokens.issued_before, EXCLUDED.issued_before),
            expires_at = greatest(revoked_tokens.expires_at, EXCLUDED.expires_at), change = EXCLUDED.change
        RETURNING {COLUMNS}
    )
    SELECT {COLUMNS}, pg_notify('revoked_token', '') FROM stored
"""

LATEST_CHANGE = "SELECT max(change) AS change FROM revoked_tokens"

IS_REVOKED = """
    SELECT EXISTS (SELECT FROM revoked_tokens WHERE jti = %(jti)s AND expires_at > now())
        OR EXISTS (SELECT FROM revoked_tokens
                    WHERE owner = %(owner)s AND expires_at > now()
                      AND (%(issued_at)s::float8 IS NULL OR issued_before > to_timestamp(%(issued_at)s))) AS revoked
"""

PAGE_OF_REVOKED_TOKENS = f"""
    SELECT {COLUMNS} FROM revoked_tokens WHERE %(before)s::uuid IS NULL OR id < %(before)s ORDER BY id DESC LIMIT %(limit)s
"""

PURGE_REVOKED_TOKENS = """
    DELETE FROM revoked_tokens
     WHERE id = ANY (ARRAY (SELECT id FROM revoked_tokens
                             WHERE expires_at < now() ORDER BY expires_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED))
    RETURNING id
"""


class PostgresRevokedTokens:
    def __init__(self, session: Session) -> None:
        self._session = session

    async def revoke(self, revocation: Revocation, *, seconds: float) -> Revocation:
        await self._session.run(ONE_AFTER_ANOTHER)
        statement = REVOKE_TOKEN if revocation.jti is not None else REVOKE_OWNER
        [row] = await self._session.rows(statement, {**msgspec.structs.asdict(revocation), "seconds": seconds})
        return msgspec.convert(row, Revocation)

    async def latest_change(self) -> int | None:
        [row] = await self._session.rows(LATEST_CHANGE)
        change: int | None = row["change"]
        return change

    async def is_revoked(self, *, jti: str | None, owner: str, issued_at: float | None) -> bool:
        [row] = await self._session.rows(IS_REVOKED, {"jti": jti, "owner": owner, "issued_at": issued_at})
        return bool(row["revoked"])

    async def page(self, *, limit: int, before: UUID | None = None) -> tuple[Revocation, ...]:
        rows = await self._session.rows(PAGE_OF_REVOKED_TOKENS, {"limit": limit, "before": before})
        return tuple(msgspec.convert(row, Revocation) for row in rows)

    async def purge(self, *, limit: int) -> int:
        return len(await self._session.rows(PURGE_REVOKED_TOKENS, {"limit": limit}))
