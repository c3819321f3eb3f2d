"""The audit: what admins did."""

from typing import LiteralString
from uuid import UUID

import msgspec
from psycopg.types.json import Jsonb

from internal.domain.audit import AuditEntry
from internal.postgres.pool import Session

ADD_AUDIT_ENTRY: LiteralString = """
    INSERT INTO audit_entries (id, actor, action, target, details)
    VALUES (%(id)s, %(actor)s, %(action)s, %(target)s, %(details)s)
"""

PAGE_OF_AUDIT: LiteralString = """
    -- Ids are UUIDv7: their order is that of time.
    SELECT id, actor, action, target, details, time
      FROM audit_entries
     WHERE (%(before)s::uuid IS NULL OR id < %(before)s) AND (%(target)s::text IS NULL OR target = %(target)s)
     ORDER BY id DESC
     LIMIT %(limit)s
"""


class PostgresAudit:
    def __init__(self, session: Session) -> None:
        self._session = session

    async def add(self, entry: AuditEntry) -> None:
        values = {name: getattr(entry, name) for name in ("id", "actor", "action", "target")}
        await self._session.run(ADD_AUDIT_ENTRY, {**values, "details": Jsonb(entry.details)})

    async def page(self, *, limit: int, before: UUID | None = None, target: str | None = None) -> tuple[AuditEntry, ...]:
        rows = await self._session.rows(PAGE_OF_AUDIT, {"limit": limit, "before": before, "target": target})
        return tuple(msgspec.convert(row, AuditEntry) for row in rows)
