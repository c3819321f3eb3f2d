"""The repository on PostgreSQL: the tables, on pooled connections or inside one transaction."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from internal.domain.errors import DatabaseUnavailable
from internal.domain.message import Channel
from internal.ports.repository.statistics import BacklogStats, DatabaseHealth
from internal.postgres.lower_bound import LowerBounds
from internal.postgres.pool import Pool, PooledSession, Session, transaction
from internal.repository.api_keys import PostgresApiKeys
from internal.repository.audit import PostgresAudit
from internal.repository.backlog import read_backlog_stats
from internal.repository.chore_leases import PostgresChoreLeases
from internal.repository.database_health import read_database_health
from internal.repository.dead_letters import PostgresDeadLetters
from internal.repository.events import PostgresEvents
from internal.repository.fair import TagFloors
from internal.repository.idempotency import PostgresIdempotencyKeys
from internal.repository.images import PostgresImages
from internal.repository.outbox import PostgresOutbox
from internal.repository.owners import PostgresOwners
from internal.repository.pending_objects import PostgresPendingObjects
from internal.repository.references import PostgresReferences
from internal.repository.renditions import PostgresRenditions
from internal.repository.revoked_tokens import PostgresRevokedTokens
from internal.repository.upload_buckets import PostgresUploadBuckets
from internal.repository.uploads import PostgresUploads
from internal.repository.usage import PostgresUsage

CHECK_SCHEMA = """
    -- The newest columns that this code needs; an older schema does not do. Looked up in the tables that statements find.
    SELECT bool_and(EXISTS (SELECT FROM pg_attribute
                             WHERE attrelid = to_regclass(table_name) AND attname = column_name)) AS migrated
      FROM (VALUES ('renditions', 'alternatives'), ('dead_letters', 'fingerprint'), ('images', 'metadata_text'),
                   ('renditions', 'resends'), ('store_identity', 'id'), ('uploads', 'id'),
                   ('audit_entries', 'id'), ('owners', 'weight'), ('api_keys', 'id'),
                   ('images', 'visibility'), ('upload_buckets', 'client'),
                   ('usage_state', 'folds'), ('revoked_tokens', 'change'),
                   ('renditions', 'start_tag')) AS needed (table_name, column_name)
"""


class PostgresTables:
    """All tables over one session."""

    def __init__(self, session: Session, exports: frozenset[Channel], bounds: LowerBounds, floors: TagFloors) -> None:
        self.images = PostgresImages(session, exports, floors)
        self.renditions = PostgresRenditions(session, exports, bounds, floors)
        self.outbox = PostgresOutbox(session, exports, bounds)
        self.events = PostgresEvents(session, exports)
        self.pending_objects = PostgresPendingObjects(session, bounds)
        self.idempotency = PostgresIdempotencyKeys(session, bounds)
        self.dead_letters = PostgresDeadLetters(session, exports)
        self.chore_leases = PostgresChoreLeases(session)
        self.references = PostgresReferences(session)
        self.uploads = PostgresUploads(session, bounds)
        self.api_keys = PostgresApiKeys(session)
        self.upload_buckets = PostgresUploadBuckets(session)
        self.audit = PostgresAudit(session)
        self.owners = PostgresOwners(session)
        self.revoked_tokens = PostgresRevokedTokens(session)
        self.usage = PostgresUsage(session)


class PostgresRepository(PostgresTables):
    """The pooled tables, and transactions over them. `exports`: the channels for which the outbox keeps rows."""

    def __init__(self, pool: Pool, exports: frozenset[Channel]) -> None:
        self._pool = pool
        self._exports = exports
        self._session = PooledSession(pool)
        self._bounds, self._floors = LowerBounds(), TagFloors()
        super().__init__(self._session, exports, self._bounds, self._floors)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[PostgresTables]:
        async with transaction(self._pool) as session:
            yield PostgresTables(session, self._exports, self._bounds, self._floors)

    async def backlog_stats(self) -> BacklogStats:
        return await read_backlog_stats(self._session)

    async def database_health(self) -> DatabaseHealth:
        return await read_database_health(self._session)

    async def check(self) -> None:
        if not (await self._session.rows(CHECK_SCHEMA))[0]["migrated"]:
            raise DatabaseUnavailable("The database is not migrated yet. Run `make migrate`.")
