"""The repository's contract: one small protocol for each table, and transactions over all of them.

Outside a transaction each call is committed when it returns. Inside `transaction()` all calls are committed together or not at
all. Every method raises DatabaseUnavailable if the database can't be reached in time. Time is the database's clock.
"""

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from internal.ports.repository.api_keys import ApiKeys
from internal.ports.repository.audit import Audit
from internal.ports.repository.chore_leases import ChoreLeases
from internal.ports.repository.dead_letters import DeadLetters
from internal.ports.repository.events import Events
from internal.ports.repository.idempotency import IdempotencyKeys
from internal.ports.repository.images import Images
from internal.ports.repository.outbox import Outbox
from internal.ports.repository.owners import Owners
from internal.ports.repository.pending_objects import PendingObjects
from internal.ports.repository.references import References
from internal.ports.repository.renditions import Renditions
from internal.ports.repository.revoked_tokens import RevokedTokens
from internal.ports.repository.statistics import BacklogStats, DatabaseHealth
from internal.ports.repository.upload_buckets import UploadBuckets
from internal.ports.repository.uploads import Uploads
from internal.ports.repository.usage import UsageCounts


class Tables(Protocol):
    """All tables, by name."""

    @property
    def images(self) -> Images: ...
    @property
    def renditions(self) -> Renditions: ...
    @property
    def outbox(self) -> Outbox: ...
    @property
    def events(self) -> Events: ...
    @property
    def pending_objects(self) -> PendingObjects: ...
    @property
    def idempotency(self) -> IdempotencyKeys: ...
    @property
    def dead_letters(self) -> DeadLetters: ...
    @property
    def chore_leases(self) -> ChoreLeases: ...
    @property
    def references(self) -> References: ...
    @property
    def uploads(self) -> Uploads: ...
    @property
    def api_keys(self) -> ApiKeys: ...
    @property
    def upload_buckets(self) -> UploadBuckets: ...
    @property
    def audit(self) -> Audit: ...
    @property
    def revoked_tokens(self) -> RevokedTokens: ...
    @property
    def owners(self) -> Owners: ...
    @property
    def usage(self) -> UsageCounts: ...


class Repository(Tables, Protocol):
    """Metadata. Adapter: postgres. Tests: tests/integration/."""

    def transaction(self) -> AbstractAsyncContextManager[Tables]:
        """A transaction: what is done with its tables is committed at the end of the block, or rolled back by an error."""

    async def check(self) -> None:
        """Raise DatabaseUnavailable unless the database answers and is migrated."""

    async def backlog_stats(self) -> BacklogStats:
        """Count the work that waits, in the whole service."""

    async def database_health(self) -> DatabaseHealth:
        """Read what makes the tables grow: old snapshots, and dead rows."""
