"""The contract of the audit's table. What holds for all tables: repository.py."""

from typing import Protocol
from uuid import UUID

from internal.domain.audit import AuditEntry


class Audit(Protocol):
    """What admins did. Entries are added and never changed."""

    async def add(self, entry: AuditEntry) -> None:
        """Store the entry, in the transaction of the action that it records."""

    async def page(self, *, limit: int, before: UUID | None = None, target: str | None = None) -> tuple[AuditEntry, ...]:
        """At most `limit` entries, newest first; `before`: older than the entry with this id; `target`: of this target only."""
