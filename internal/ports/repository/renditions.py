"""The contract of the table of renditions. What holds for all tables: repository.py."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from msgspec import Struct

from internal.domain.events import Event
from internal.domain.rendition import Claim, Failure, Lane, Rendition, Result


class StalledRendition(Struct, frozen=True):
    """A rendition that housekeeping found waiting or abandoned."""

    image_id: UUID
    rendition_id: UUID
    owner: str
    name: str
    lane: Lane
    generation: int
    attempts: int


class OverdueLook(Struct, frozen=True):
    """That something is overdue: the database's time, and the lanes whose outbox is not behind."""

    now: datetime
    published: tuple[Lane, ...]


class Renditions(Protocol):
    async def add(self, rendition: Rendition) -> None:
        """Insert one more rendition of an image, after its others."""

    async def regenerate(self, rendition_id: UUID, *, pipeline: str, lane: Lane) -> None:
        """Let the rendition be made anew by another pipeline; what it has stays until then. Only under `Images.lock`.

        Raises `generation`, so that an attempt at the old pipeline becomes stale.
        """

    async def claim(
        self, image_id: UUID, lane: Lane, started: Event, *, lease_seconds: float, intent_seconds: float, max_attempts: int
    ) -> Claim | None:
        """Take the next rendition of the task for one attempt (G2, G3); None when there is nothing left to take.

        Raises `generation` and `attempts`, sets `processing` under a lease, lists the key of the result to come as
        `PendingObjects.reserve` does (G4), and takes the image out of its status with the event `started`: all or nothing.
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

    async def fail(self, rendition_id: UUID, generation: int, failure: Failure, event: Event) -> bool:
        """Set `failed` for good; else as `finish`."""

    async def postpone(self, rendition_id: UUID, generation: int, *, seconds: float, give_back: bool) -> bool:
        """Set `uploaded` again, due in `seconds`; `give_back` takes the attempt off `attempts`. False when the claim is stale."""

    async def defer(self, image_id: UUID, lane: Lane, *, seconds: float) -> bool:
        """Let the lane's renditions that are due now be due in `seconds`; False when there is none. Only under `Images.hold`."""

    async def retry(self, image_id: UUID, name: str | None = None) -> frozenset[Lane]:
        """Set every failed rendition of the image, or only the named one, to `uploaded` with no attempts; returns their lanes.

        Only under `Images.lock`.
        """

    async def abandoned(self, *, limit: int, set_aside: Sequence[UUID] = ()) -> list[StalledRendition]:
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
