"""The repository's contract: one small protocol a table, and a transaction that holds them together.

Outside a transaction each call is committed when it returns. Inside `transaction()` all calls are one: all or nothing. Every
method raises DatabaseUnavailable when the database can't be reached in time. Time is the database's clock.
"""

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from internal.ports.repository.chore_leases import ChoreLeases
from internal.ports.repository.dead_letters import DeadLetters
from internal.ports.repository.events import Events
from internal.ports.repository.idempotency import IdempotencyKeys
from internal.ports.repository.images import Images
from internal.ports.repository.observed import BacklogStats, DatabaseHealth
from internal.ports.repository.outbox import Outbox
from internal.ports.repository.pending_objects import PendingObjects
from internal.ports.repository.references import References
from internal.ports.repository.renditions import Renditions


class Tables(Protocol):
    """Everything that is kept, by name."""

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


class Repository(Tables, Protocol):
    """Metadata. Adapter: postgres. Tests: tests/integration/."""

    def transaction(self) -> AbstractAsyncContextManager[Tables]:
        """All calls on the tables it gives are one transaction: committed at the end of the block, rolled back by an error."""

    async def check(self) -> None:
        """Raise DatabaseUnavailable unless the database answers and has the schema."""

    async def measures(self) -> BacklogStats:
        """Count what waits, in all of the service."""

    async def health(self) -> DatabaseHealth:
        """Ask the database for what lets its tables swell."""
