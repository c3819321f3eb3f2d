"""Owners: what admins have set for them."""

import msgspec

from internal.domain.owner import Owner
from internal.postgres.pool import Session

FIND_OWNER = """
    SELECT owner, weight, quota_images, quota_bytes, quota_queued, created_at, updated_at FROM owners WHERE owner = %(owner)s
"""

LOCK_OWNER = """
    -- The update changes nothing: it locks the row that is there, and returns it.
    INSERT INTO owners (owner) VALUES (%(owner)s)
    ON CONFLICT (owner) DO UPDATE SET owner = EXCLUDED.owner
    RETURNING owner, weight, quota_images, quota_bytes, quota_queued, created_at, updated_at
"""

SAVE_OWNER = """
    UPDATE owners
       SET weight = %(weight)s, quota_images = %(quota_images)s, quota_bytes = %(quota_bytes)s, quota_queued = %(quota_queued)s,
           updated_at = now()
     WHERE owner = %(owner)s
"""


class PostgresOwners:
    def __init__(self, session: Session) -> None:
        self._session = session

    async def find(self, owner: str) -> Owner | None:
        rows = await self._session.rows(FIND_OWNER, {"owner": owner})
        return msgspec.convert(rows[0], Owner) if rows else None

    async def lock(self, owner: str) -> Owner:
        [row] = await self._session.rows(LOCK_OWNER, {"owner": owner})
        return msgspec.convert(row, Owner)

    async def save(self, owner: Owner) -> None:
        await self._session.run(SAVE_OWNER, msgspec.structs.asdict(owner))
