"""The repository's contract: one small protocol a table, and a transaction that holds them together.

Outside a transaction each call is committed when it returns. Inside `transaction()` all calls are one: all or nothing. Every
method raises DatabaseUnavailable when the database can't be reached in time. Time is the database's clock.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from datetime import datetime
from typing import Protocol
from uuid import UUID

from msgspec import Struct

from internal.images.events import Event
from internal.images.model import Claim, Failure, Image, Lane, ListFilter, Rendition, Result, Status
from internal.queue.port import Channel, Message
from internal.repository.answers import IdempotencyKeys
from internal.repository.operators import DeadLetters, Purged, References
from internal.sandbox.port import Facts


class Locked(Struct, frozen=True):
    """An image whose row this transaction holds: nobody else finishes, adds, retries or deletes until it ends."""

    id: UUID
    owner: str
    status: Status


class Outgoing(Struct, frozen=True):
    """A claimed outbox row."""

    id: int
    channel: Channel
    message: Message


class Requeue(Struct, frozen=True):
    """A rendition that housekeeping found waiting or abandoned."""

    image_id: UUID
    rendition_id: UUID
    owner: str
    name: str
    lane: Lane
    attempt: int
    tries: int


class OverdueLook(Struct, frozen=True):
    """That something is overdue: the database's time, and the lanes whose outbox is not behind."""

    now: datetime
    published: tuple[Lane, ...]


class Measures(Struct, frozen=True):
    """How much waits: counts of rows, and ages in seconds.

    `outbox_oldest_seconds`: how long the oldest message is past the time at which it was first due. `…_oldest_seconds` of
    renditions: since the oldest that is not final was asked for, whatever was tried meanwhile; None when there is none.
    `leases_expired`: attempts whose lease ran out and that nobody has taken up yet.
    """

    outbox_messages: int
    outbox_oldest_seconds: float
    renditions_waiting: int
    renditions_processing: int
    waiting_oldest_seconds: float | None
    processing_oldest_seconds: float | None
    leases_expired: int
    unreferenced_objects: int
    unreferenced_overdue: int
    dead_letters: int


class DatabaseHealth(Struct, frozen=True):
    """What keeps dead rows: the oldest snapshot's age in seconds, the oldest horizon's in transactions; dead rows by table."""

    oldest_snapshot_seconds: float
    oldest_xmin_transactions: int
    dead_rows: dict[str, int]


class Signals(Protocol):
    """What other processes' commits tell this one. A call only says: look again."""

    def subscribed(
        self, channel: str, subscriber: Callable[[str], None], *, payload: str | None = None
    ) -> AbstractContextManager[None]:
        """Call `subscriber` for every signal on `channel` while the block runs; with `payload`, only for equal ones.

        It is also called after signals may have been missed. It must return at once.
        """


class Images(Protocol):
    async def add(self, image: Image, tasks: Sequence[tuple[Channel, Message]], event: Event) -> datetime:
        """Insert the image, its renditions, its tasks and its event, and take its key off the list of unreferenced objects.

        All or nothing, also outside a transaction (G1). Raises DeadlinePassed when the key is no longer there to be taken (G4).
        Returns `created_at`.
        """

    async def find(self, owner: str, image_id: UUID) -> Image | None:
        """The image with its renditions; None also when it is another owner's.

        INVARIANT: nobody sees another owner's image, because the owner is part of every look-up (G8)
        (tests/integration/test_process.py::test_another_owner_sees_and_deletes_nothing).
        """

    async def page(self, owner: str, wanted: ListFilter) -> tuple[Image, ...]:
        """At most `wanted.limit + 1` images, newest first, with their renditions: one more than asked says that there is more."""

    async def lock(self, image_id: UUID) -> Locked | None:
        """Take the image's row until the transaction ends; None when there is no such image. Only inside a transaction."""

    async def hold(self, image_id: UUID) -> None:
        """`lock` for who asks nothing of the image: it travels with the next call."""

    async def refresh_status(self, image_id: UUID) -> None:
        """Derive the image's status from its renditions, and wake those who wait for it. Only under `lock`.

        INVARIANT: two last renditions that finish at once see each other, because each derives under the image's lock
        (tests/integration/test_process.py::test_two_last_renditions_see_each_other).
        """

    async def learn_facts(self, image_id: UUID, facts: Facts) -> None:
        """Note what a decode tells of the original, its stored size and orientation instead of what the upload has read."""

    async def owned(self, owner: str, image_ids: Sequence[UUID]) -> frozenset[UUID]:
        """Those of `image_ids` that are images of this owner's."""

    async def remove(self, image_id: UUID) -> list[str]:
        """Remove the image and its renditions; returns every object key that they referred to. Only under `lock`."""


class Renditions(Protocol):
    async def add(self, rendition: Rendition) -> None:
        """Insert one more rendition of an image, after its others."""

    async def remake(self, rendition_id: UUID, *, pipeline: str, lane: Lane) -> None:
        """Let the rendition be made anew by another pipeline; what it has stays until then. Only under `Images.lock`.

        Raises `attempt`, so that one that is at work on the old pipeline is lost.
        """

    async def claim(
        self, image_id: UUID, lane: Lane, started: Event, *, lease_seconds: float, intent_seconds: float, max_attempts: int
    ) -> Claim | None:
        """Take the next rendition of the task for one attempt (G2, G3); None when there is nothing left to take.

        Raises `attempt` and `tries`, sets `processing` under a lease, lists the key of the result to come as
        `UnreferencedObjects.intend` does (G4), and takes the image out of its status with the event `started`: all or nothing.
        A rendition whose lease ran out can be claimed too.
        """

    async def renew(self, claim: Claim, *, lease_seconds: float, intent_seconds: float) -> bool:
        """Hold the claim for longer, and the keys that it has listed; False when the attempt is no longer ours.

        Then its work must stop.
        """

    async def finish(
        self, claim: Claim, result: Result, alternatives: Sequence[Result], event: Event, *, grace_seconds: float
    ) -> bool:
        """Set `processed`, take the results' keys off the list of unreferenced objects, and derive the image's status.

        Objects that these replace are listed, with `grace_seconds` for those who still read them. Records `event`, and the
        image's own when this was its last rendition. False, and nothing is written, when the attempt is not ours any more. Raises
        DeadlinePassed when a key is not on the list. Only under `Images.hold`, in a transaction that an error rolls back.
        """

    async def fail(self, rendition_id: UUID, attempt: int, failure: Failure, event: Event) -> bool:
        """Set `failed` for good; else as `finish`."""

    async def postpone(self, rendition_id: UUID, attempt: int, *, seconds: float, give_back: bool) -> bool:
        """Set `uploaded` again, due in `seconds`; `give_back` takes the try back. False when the attempt is no longer current."""

    async def defer(self, image_id: UUID, lane: Lane, *, seconds: float) -> bool:
        """Let the lane's renditions that are due now be due in `seconds`; False when there is none. Only under `Images.hold`."""

    async def retry(self, image_id: UUID, name: str | None = None) -> frozenset[Lane]:
        """Set every failed rendition of the image, or only the named one, to `uploaded` with no tries; returns their lanes.

        Only under `Images.lock`.
        """

    async def abandoned(self, *, limit: int, set_aside: Sequence[UUID] = ()) -> list[Requeue]:
        """Renditions whose lease ran out, but for those set aside; locked and skipped by others until the transaction ends."""

    async def overdue_lanes(self, *, seconds: float) -> OverdueLook | None:
        """None when no rendition is `uploaded` for longer than `seconds` past its due time.

        A lane whose oldest message in the outbox is older than that is left out: it is not lost, it can't be published.
        """

    async def overdue(
        self,
        lane: Lane,
        *,
        sent_before: datetime | None,
        seconds: float,
        patience_seconds: float,
        limit: int,
        set_aside: Sequence[UUID] = (),
    ) -> list[UUID]:
        """Images with renditions of the lane that are `uploaded` and past their due time, those that wait longest first.

        By more than `seconds` and due before `sent_before`, or by more than `patience_seconds`; both are doubled each time that
        they were sent again.
        """

    async def resend(self, image_id: UUID, lane: Lane) -> int:
        """Make what is due in the lane due now, counted as sent again; returns how many. Only under `Images.hold`."""


class Outbox(Protocol):
    async def add(self, channel: Channel, message: Message, *, delay_seconds: float = 0) -> None:
        """Ask the relay to publish; a commit wakes it. Does nothing for a channel that goes nowhere in this deployment."""

    async def claim(self, channel: Channel, *, limit: int, lease_seconds: float) -> list[Outgoing]:
        """Take due rows for `lease_seconds`; another relay takes what is not `published` by then. Holds no lock afterwards."""

    async def published(self, ids: Sequence[int]) -> None:
        """Drop rows that the queue has."""

    async def postpone(self, ids: Sequence[int], *, seconds: float) -> None:
        """Let rows that the queue did not take wait."""


class Events(Protocol):
    async def add(self, *events: Event) -> None:
        """Write the events into their images' history, and into the outbox where events are published."""

    async def of(self, image_id: UUID) -> list[Event]:
        """The image's history, oldest first; it outlives the image."""

    async def purge(self, *, older_days: int, after: UUID | None, limit: int) -> Purged[UUID]:
        """Remove those of the next `limit` events behind `after`, in order of their ids, that are older; None: from the first."""


class UnreferencedObjects(Protocol):
    """Keys that nothing refers to (yet, or any more): G4. `Images.add` and `Renditions.finish` take a key off the list."""

    async def intend(self, key: str, *, seconds: float) -> None:
        """List a key before its object is written, to be left alone for `seconds`; again: extends. Returns when it is durable."""

    async def abandon(self, keys: Sequence[str], *, seconds: float = 0) -> None:
        """List keys whose objects nothing refers to any more; `seconds` of grace for those who still read them."""

    async def forget(self, key: str) -> None:
        """Take a key off the list because no object was written under it."""

    async def put_off(self, key: str) -> None:
        """Let an overdue key whose object can't be deleted wait behind the others; its deadline stays passed."""

    async def next_overdue(self, *, seconds: float, set_aside: Sequence[str] = ()) -> str | None:
        """The key that is longest past its deadline, by `seconds` at least, and not set aside; None when there is none.

        Locked until the transaction ends, and skipped by others. This transaction may stand idle for ten minutes, longer than any
        other, so that its lock is not lost before a slow store has deleted the object.
        """


class ChoreLeases(Protocol):
    async def take(self, name: str, worker_id: UUID, *, seconds: float) -> bool:
        """Hold the chore for so long from now, as the only worker; again: longer. False while another holds it."""


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
    def unreferenced(self) -> UnreferencedObjects: ...
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

    async def measures(self) -> Measures:
        """Count what waits, in all of the service."""

    async def health(self) -> DatabaseHealth:
        """Ask the database for what lets its tables swell."""
