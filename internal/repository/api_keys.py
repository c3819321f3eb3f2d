"""API keys: created and revoked by admins, looked up by requests."""

from collections.abc import Collection
from typing import LiteralString
from uuid import UUID

import msgspec

from internal.domain.api_key import ApiKey
from internal.ports.repository.api_keys import USE_SECONDS, NewKey, StoredKey
from internal.postgres.pool import Session

API_KEY_COLUMNS: LiteralString = """
           id, name, owner, scopes, prefix, created_at, expires_at, last_used_at, revoked_at
"""

ADD_API_KEY: LiteralString = (
    """
    INSERT INTO api_keys (id, name, owner, scopes, prefix, hash, expires_at)
    VALUES (%(id)s, %(name)s, %(owner)s, %(scopes)s, %(prefix)s, %(hash)s, now() + %(expires_in)s * interval '1 s')
    RETURNING
"""
    + API_KEY_COLUMNS
)

LOOK_UP_API_KEYS = """
    -- By the prefix, which is no secret: how long it takes says nothing about the rest of a key. The time until it expires is
    -- counted by the database's clock.
    SELECT id, owner, scopes, prefix, hash, revoked_at IS NOT NULL AS revoked,
           extract(epoch FROM expires_at - clock_timestamp())::float8 AS seconds_left,
           last_used_at IS NULL OR last_used_at < now() - %(use_seconds)s * interval '1 s' AS use_due
      FROM api_keys WHERE prefix = ANY (%(prefixes)s)
"""

FIND_API_KEY: LiteralString = (
    """
    SELECT
"""
    + API_KEY_COLUMNS
    + "FROM api_keys WHERE id = %(id)s"
)

PAGE_OF_API_KEYS: LiteralString = (
    """
    -- Ids are UUIDv7: their order is that of time.
    SELECT
"""
    + API_KEY_COLUMNS
    + """
      FROM api_keys
     WHERE (%(before)s::uuid IS NULL OR id < %(before)s) AND (%(of_owner)s::text IS NULL OR owner = %(of_owner)s)
     ORDER BY id DESC
     LIMIT %(limit)s
"""
)

REVOKE_API_KEY: LiteralString = (
    """
    -- Every process that remembers the key is told when this is committed.
    UPDATE api_keys SET revoked_at = now() WHERE id = %(id)s AND revoked_at IS NULL
    RETURNING pg_notify('api_key', prefix),
"""
    + API_KEY_COLUMNS
)

RECORD_KEY_USE = """
    -- Of several processes that have seen the same use, the first one records it: the others wait for no lock.
    UPDATE api_keys SET last_used_at = now()
     WHERE id IN (SELECT id FROM api_keys
                   WHERE id = ANY (%(ids)s) AND (last_used_at IS NULL OR last_used_at < now() - %(use_seconds)s * interval '1 s')
                     FOR NO KEY UPDATE SKIP LOCKED)
"""


class PostgresApiKeys:
    def __init__(self, session: Session) -> None:
        self._session = session

    async def add(self, key: NewKey) -> ApiKey:
        values = {**msgspec.structs.asdict(key), "scopes": [scope.value for scope in key.scopes]}
        [row] = await self._session.rows(ADD_API_KEY, values)
        return msgspec.convert(row, ApiKey)

    async def look_up(self, prefixes: Collection[str]) -> tuple[StoredKey, ...]:
        rows = await self._session.rows(LOOK_UP_API_KEYS, {"prefixes": list(prefixes), "use_seconds": USE_SECONDS})
        return tuple(msgspec.convert(row, StoredKey) for row in rows)

    async def find(self, key_id: UUID) -> ApiKey | None:
        rows = await self._session.rows(FIND_API_KEY, {"id": key_id})
        return msgspec.convert(rows[0], ApiKey) if rows else None

    async def page(self, *, limit: int, before: UUID | None = None, owner: str | None = None) -> tuple[ApiKey, ...]:
        rows = await self._session.rows(PAGE_OF_API_KEYS, {"limit": limit, "before": before, "of_owner": owner})
        return tuple(msgspec.convert(row, ApiKey) for row in rows)

    async def revoke(self, key_id: UUID) -> ApiKey | None:
        rows = await self._session.rows(REVOKE_API_KEY, {"id": key_id})
        return msgspec.convert(rows[0], ApiKey) if rows else None

    async def record_use(self, key_ids: Collection[UUID]) -> None:
        await self._session.run(RECORD_KEY_USE, {"ids": list(key_ids), "use_seconds": USE_SECONDS})
