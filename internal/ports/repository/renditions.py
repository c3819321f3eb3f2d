"""The contract of the table of renditions. What holds for all tables: repository.py."""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from msgspec import Struct

from internal.domain.events import Event
from internal.domain.message import MessageContext
from internal.domain.rendition import Claim, Failure, Lane, Rendition, Result


class StalledRendition(Struct, frozen=True):
    """A rendition whose worker died: it is `processing`, and its lease ran out."""

    image_id: UUID
    rendition_id: UUID
    owner: str
    name: str
    lane: Lane
    generation: int
    attempts: int


class Renditions(Protocol):
    async def add(self, rendition: Rendition) -> None:
        """Insert one more rendition of an image, after its others. It waits for `tag`."""

    async def regenerate(self, rendition_id: UUID, *, pipeline: str, lane: Lane) -> None:
        """Queue the rendition again with another pipeline; its result stays until then. Only under `Images.lock`.

        Raises `generation`, so that an attempt at the old pipeline becomes stale. It waits for `tag`.
        """

    async def tag(self, image_id: UUID, lane: Lane, context: MessageContext) -> None:
        """Give the task's waiting renditions that have no tag their place among the owners' tasks, and the request's id.

        For what `add`, `regenerate`, `retry` or `postpone` has left without a tag; in the same transaction, with a message.
        """

    async def claim(
        self,
        image_id: UUID | None,
        lane: Lane,
        started: Event,
        *,
        in_hand: bool,
        lease_seconds: float,
        intent_seconds: float,
        max_attempts: int,
    ) -> Claim | None:
        """Claim one rendition for one attempt (G2, G3); None when nothing is left to claim.

        `in_hand`: the task's next rendition. Else the first one of the task whose turn it is: the waiting task of the lane with
        the lowest tag; images that others have locked are skipped. `image_id` is then the message's; its renditions come first
        if they have no tag (older code added them), or one far below the lowest.
        Raises `generation` and `attempts`, sets `processing` under a lease, lists the key of the result to come as
        `PendingObjects.reserve` does (G4), and takes the image out of its status with the event `started`: all or nothing.
        A rendition whose lease ran out can be claimed too.
        """

    async def renew(self, claim: Claim, *, lease_seconds: float, intent_seconds: float) -> bool:
        """Extend the lease and the deadlines of its pending objects; False if the claim is stale: the work must stop."""

    async def finish(
        self, claim: Claim, result: Result, alternatives: Sequence[Result], event: Event, *, grace_seconds: float
    ) -> bool:
        """Set `processed`, consume the pending objects of the results, and derive the image's status.

        The objects that they replace become pending objects, due in `grace_seconds`, so that downloads can end. Records `event`,
        and the image's own event if this was its last rendition. False, and nothing is written, if the claim is stale. Raises
        DeadlinePassed if a key is no pending object. Only under `Images.hold`, in a transaction that an error rolls back.
        """

    async def fail(self, rendition_id: UUID, generation: int, failure: Failure, event: Event) -> bool:
        """Set `failed`, with `failure`, and derive the image's status. False, and nothing is written, if the claim is stale."""

    async def postpone(self, rendition_id: UUID, generation: int, *, seconds: float, release: bool) -> bool:
        """Set `uploaded` again, due in `seconds`; `release` also takes 1 off `attempts`. False if the claim is stale.

        Due at once, it goes to the front of its lane. Due later, it loses its place, and waits for `tag`.
        """

    async def defer(self, image_id: UUID, lane: Lane, *, seconds: float) -> bool:
        """Make the lane's due renditions due in `seconds` instead; False if none is due. Only under `Images.hold`."""

    async def retry(self, image_id: UUID, name: str | None = None) -> frozenset[Lane]:
        """Set every failed rendition of the image, or only the named one, to `uploaded` with no attempts; returns their lanes.

        They wait for `tag`. Only under `Images.lock`.
        """

    async def stalled(self, *, limit: int, exclude: Sequence[UUID] = ()) -> list[StalledRendition]:
        """Renditions whose lease ran out, without `exclude`. Others skip them until the transaction ends: they are locked."""

    async def overdue_lanes(self, *, seconds: float) -> tuple[Lane, ...]:
        """The lanes if any rendition is `uploaded` for longer than `seconds` past its due time.

        A lane whose oldest message in the outbox is older than that is left out: its messages are not lost, but unpublished.
        """

    async def overdue(
        self,
        lane: Lane,
        *,
        seconds: float,
        limit: int,
        exclude: Sequence[UUID] = (),
    ) -> list[UUID]:
        """Images, without `exclude`, with `uploaded` renditions of the lane past their due time; the longest overdue first.

        Overdue are those past it by more than `seconds`, a time that doubles with each message that is sent again.
        """

    async def resend(self, image_id: UUID, lane: Lane) -> int:
        """Make the lane's due renditions due now, and count one more resend; returns how many. Only under `Images.hold`."""
