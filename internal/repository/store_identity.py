"""The id of the object store that this database belongs to: one row."""

from uuid import UUID

import psycopg

from internal.domain.errors import DatabaseUnavailable
from internal.postgres.pool import Session

FIND_STORE_ID = """
    SELECT id FROM store_identity WHERE established
"""

CHOOSE_STORE_ID = """
    -- The first choice stays, even if its migrate was killed before the store had the id.
    INSERT INTO store_identity (id) VALUES (%(id)s) ON CONFLICT DO NOTHING
"""

CHOSEN_STORE_ID = """
    SELECT id FROM store_identity
"""

ESTABLISH_STORE_ID = """
    UPDATE store_identity SET established = true, changed_at = now() WHERE id = %(id)s
"""

REPLACE_STORE_ID = """
    INSERT INTO store_identity (id, established) VALUES (%(id)s, true)
    ON CONFLICT (one) DO UPDATE SET id = EXCLUDED.id, established = true, changed_at = now()
"""


class PostgresStoreIdentity:
    def __init__(self, session: Session) -> None:
        self._session = session

    async def find(self) -> UUID | None:
        try:
            rows = await self._session.rows(FIND_STORE_ID)
        except psycopg.errors.UndefinedTable as error:
            raise DatabaseUnavailable("The database is not migrated yet. Run `make migrate`.") from error
        return rows[0]["id"] if rows else None

    async def chosen(self) -> UUID | None:
        rows = await self._session.rows(CHOSEN_STORE_ID)
        return rows[0]["id"] if rows else None

    async def choose(self, store_id: UUID) -> UUID:
        await self._session.run(CHOOSE_STORE_ID, {"id": store_id})
        return await self.chosen() or store_id

    async def establish(self, store_id: UUID) -> None:
        await self._session.run(ESTABLISH_STORE_ID, {"id": store_id})

    async def replace(self, store_id: UUID) -> None:
        await self._session.run(REPLACE_STORE_ID, {"id": store_id})
