"""The state machine of a rendition: how an attempt begins, how it ends, and what each end writes.

                 claim                    processed
    uploaded ─────────────▶ processing ─────────────▶ processed
      ▲  ▲  ▲                │  │  │
      │  │  └─ postponed ────┘  │  └─────────────────▶ failed
      │  └──── released, paused ┘         failed         │
      └─────── retry, regenerate (library) ──────────────┘  regenerate: from `processed` too

    what happened to the attempt                outcome     what is written
    the result is stored                        processed   result, facts, events; its keys are no longer pending objects
    an error that no attempt can mend           failed      error, events, dead letter
    another error, and it was the last attempt  failed      the same
    another error, and there are attempts left  postponed   due again after a backoff, with a message of its own
    the worker died: its lease ran out          failed or postponed, like another error, but due at once
    the worker was told to stop                 released    due again at once; the attempt is not counted
    a dependency does not answer                paused      the same, as soon as the database answers
    another claim, a regeneration or a delete   lost        nothing: the attempt's keys are marked for gc

Each is one transaction under the image's lock, and names the generation of the claim.

INVARIANT: a stale worker changes nothing, because its generation matches no row once a later one has begun
(tests/integration/test_process.py::test_a_stale_worker_changes_nothing).
"""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from enum import StrEnum
from uuid import UUID

import structlog
from msgspec import Struct

from internal.domain.dead_letter import DeadLetter
from internal.domain.errors import PERMANENT, DeadlinePassed, ServiceError, Unavailable, WorkerLost
from internal.domain.events import Event, EventType, new_event
from internal.domain.keys import attempt_keys
from internal.domain.message import MessageContext
from internal.domain.rendition import Claim, Failure, Lane
from internal.domain.tasks import CHANNEL, Task, task_message
from internal.ports.repository.renditions import StalledRendition
from internal.ports.repository.repository import Repository, Tables
from internal.rendering.attempt import AttemptResult
from internal.rendering.lease import StaleClaim
from internal.rendering.timings import WorkerTimings
from internal.runtime.failpoints import failpoint

log = structlog.get_logger(__name__)

MAX_BACKOFF_SECONDS = 300.0

REPLACED_GRACE_SECONDS = 600.0
"""How long a replaced object is kept for downloads that still read it."""

RELEASE_SECONDS, RELEASE_PAUSE_SECONDS = 3.0, 0.1
"""How long a stopping worker tries to release a claim, and the pause between tries."""


class Outcome(StrEnum):
    """How an attempt ends. The values are those of the label `outcome` of `image_processor_attempts_total`."""

    PROCESSED = "processed"
    FAILED = "failed"
    POSTPONED = "postponed"
    RELEASED = "released"
    PAUSED = "paused"
    LOST = "lost"


End = AttemptResult | Exception | asyncio.CancelledError
"""The end of an attempt: its result, or the exception."""


def outcome_of(end: End, attempts: int, max_attempts: int) -> Outcome:
    """The table: how an attempt ends, by what happened to it and by how many attempts there were."""
    if isinstance(end, AttemptResult):
        return Outcome.PROCESSED
    if isinstance(end, StaleClaim):
        return Outcome.LOST
    if isinstance(end, asyncio.CancelledError):
        return Outcome.RELEASED
    if isinstance(end, Unavailable):
        return Outcome.PAUSED
    if isinstance(end, PERMANENT) or attempts >= max_attempts:
        return Outcome.FAILED
    return Outcome.POSTPONED


class Origin(Struct, frozen=True):
    """The message that an attempt comes from, for its dead letter."""

    source: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def context(self) -> MessageContext:
        return MessageContext.of_headers(self.headers)

    def of(self, claim: Claim, sent: Task | None) -> "Origin":
        """The origin of an attempt under this message, which was sent for the task `sent`.

        If that is another task than the claim's, headers and body are those of the claim's own message; `source` stays.
        """
        if sent is not None and sent.image_id == claim.image_id:
            return self
        own = task_message(claim.image_id, claim.lane, MessageContext(claim.request_id))
        return Origin(self.source, own.headers, own.body)


HOUSEKEEPING = Origin("housekeeping", {}, b"")
WAITING = Origin("waiting", {}, b"")
"""Of what a worker takes without a message."""

NO_IMAGE = UUID(int=0)
"""The subject of an event before the claim has chosen the image."""


class Ended(Struct, frozen=True):
    """How an attempt ended, and by what. `written`: the rendition is as the table says; else its lease will run out."""

    outcome: Outcome
    end: End
    written: bool = True


class Transitions(Struct, frozen=True):
    """Every transaction that an attempt writes."""

    repository: Repository
    timings: WorkerTimings

    async def claim(self, task: Task) -> Claim | None:
        """Claim the task's next rendition; None when nothing is left of it.

        A claim that finds nothing is repeated once: it may have waited for another transaction, and seen the rows before it.
        """
        return await self._claim(task.image_id, task.lane, in_hand=True) or await self._claim(
            task.image_id, task.lane, in_hand=True
        )

    async def claim_next(self, sent: Task) -> Claim | None:
        """Claim the first rendition of the task whose turn it is, for the message of the task `sent`; None if nothing waits.

        A claim that finds nothing is repeated for the message's own task: the image may have been locked, and so skipped.
        """
        return await self._claim(sent.image_id, sent.lane, in_hand=False) or await self._claim(
            sent.image_id, sent.lane, in_hand=True
        )

    async def claim_waiting(self, lane: Lane) -> Claim | None:
        """Claim the first rendition of the lane's task whose turn it is, without a message; None if nothing waits."""
        return await self._claim(None, lane, in_hand=False)

    async def _claim(self, image_id: UUID | None, lane: Lane, *, in_hand: bool) -> Claim | None:
        timings = self.timings
        return await self.repository.renditions.claim(
            image_id,
            lane,
            new_event(EventType.IMAGE_PROCESSING_STARTED, image_id or NO_IMAGE, ""),
            in_hand=in_hand,
            lease_seconds=timings.lease_seconds,
            intent_seconds=timings.intent_seconds,
            max_attempts=timings.max_attempts,
        )

    async def finish(self, claim: Claim, end: End, origin: Origin) -> Ended:
        """End an attempt as the table says.

        A write can itself find the claim stale or the database away, and storing a result can fail: that is then what happened,
        and is looked up instead. Any other error of a write is raised. An error of our own code is never dropped unlogged.
        """
        while True:
            outcome = outcome_of(end, claim.attempts, self.timings.max_attempts)
            try:
                return Ended(outcome, end, await self._write(outcome, claim, end, origin))
            except (StaleClaim, Unavailable) as error:
                if is_crash(end):
                    log.error("rendition.crashed", image_id=str(claim.image_id), rendition=claim.name, exc_info=end)
                end = error
            except Exception as error:
                if not isinstance(end, AttemptResult):
                    raise error from end
                end = error

    async def _write(self, outcome: Outcome, claim: Claim, end: End, origin: Origin) -> bool:
        """Write what the table says for `outcome`; False if nothing was written. Raises StaleClaim and Unavailable."""
        match outcome, end:
            case Outcome.PROCESSED, AttemptResult():
                await self.complete_rendition(claim, end)
                failpoint("after-finish")
            case Outcome.FAILED, Exception():
                async with self._locked(claim.image_id) as work:
                    await _fail(work, claim, failure_of(end), origin)
            case Outcome.POSTPONED, _:
                async with self._locked(claim.image_id) as work:
                    await _postpone(work, claim, origin.context, seconds=self._backoff(claim.attempts))
            case Outcome.RELEASED, _:
                return await self.release_with_retry(claim)
            case Outcome.LOST, _:
                await self.mark_for_gc(attempt_keys(claim.result_key))
            case _:  # paused: `release` follows when the database answers
                return False
        return True

    async def end_stalled(self, work: Tables, stalled: StalledRendition) -> Outcome:
        """End an attempt whose worker died. `work` is a transaction that holds the image's row."""
        outcome = outcome_of(WorkerLost(), stalled.attempts, self.timings.max_attempts)
        if outcome is Outcome.FAILED:
            await _fail(work, stalled, failure_of(WorkerLost()), HOUSEKEEPING)
        else:
            await _postpone(work, stalled, HOUSEKEEPING.context, seconds=0)
        return outcome

    async def complete_rendition(self, claim: Claim, attempt: AttemptResult) -> None:
        """Set `processed` and refer to the result. Raises StaleClaim; DeadlinePassed if gc had its key (G2, G4, G5)."""
        result = attempt.result
        data = {"width": result.width, "height": result.height, "size": result.size, "content_type": result.content_type}
        event = _event(EventType.RENDITION_COMPLETED, claim, data)
        try:
            async with self._locked(claim.image_id) as work:
                if not await work.renditions.finish(
                    claim, result, attempt.alternatives, event, grace_seconds=REPLACED_GRACE_SECONDS
                ):
                    raise StaleClaim
                if (facts := attempt.rendered.facts) is not None:
                    await work.images.learn_facts(claim.image_id, facts)
                failpoint("before-finish")
        except DeadlinePassed:
            await self.mark_for_gc([stored.key for stored in (result, *attempt.alternatives)])
            raise

    async def release(self, claim: Claim) -> bool:
        """Set the rendition back as it was before the claim, except for its generation: the attempt is not counted (G3).

        False, and nothing is changed, if the claim is stale. Raises DatabaseUnavailable.
        """
        return await self.repository.renditions.postpone(claim.rendition_id, claim.generation, seconds=0, release=True)

    async def release_with_retry(self, claim: Claim) -> bool:
        """`release` within RELEASE_SECONDS, for an attempt that was cancelled. False also when there was no time.

        A retry may be needed although the database is there: a statement that was cancelled can still fail the next one on its
        connection.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(RELEASE_SECONDS):
                while True:
                    try:
                        return await self.release(claim)
                    except Unavailable:
                        await asyncio.sleep(RELEASE_PAUSE_SECONDS)
        log.warning("rendition.not_released", image_id=str(claim.image_id), rendition=claim.name, generation=claim.generation)
        return False

    async def mark_for_gc(self, keys: Sequence[str]) -> None:
        """Mark keys that were written late, when gc may have passed them. Waits through outages: no row names these objects.

        INVARIANT: what a lost attempt wrote is marked, also if it stood still until gc had passed
        (tests/integration/test_attempt.py::test_late_writes_of_a_lost_attempt_are_marked_for_gc).
        """
        while True:
            try:
                return await self.repository.pending_objects.mark(keys)
            except Unavailable:
                await asyncio.sleep(self.timings.pause_seconds)

    async def defer(self, task: Task, context: MessageContext, *, seconds: float) -> None:
        """Make what is left of the task due in `seconds`, with a message of its own, so that the current one can be acknowledged.

        INVARIANT: what is left is due and has a message, or neither, because both are one transaction (G1)
        (tests/integration/test_deferred.py::test_a_task_that_waits_long_is_sent_again_later).
        """
        async with self._locked(task.image_id) as work:
            if await work.renditions.defer(task.image_id, task.lane, seconds=seconds):
                message = task_message(task.image_id, task.lane, context)
                await work.outbox.add(CHANNEL[task.lane], message, delay_seconds=seconds)

    @asynccontextmanager
    async def _locked(self, image_id: UUID) -> AsyncIterator[Tables]:
        """A transaction that holds the image's row."""
        async with self.repository.transaction() as work:
            await work.images.hold(image_id)
            yield work

    def _backoff(self, attempts: int) -> float:
        """Seconds until the next attempt: exponential, with jitter over the upper half."""
        longest = min(MAX_BACKOFF_SECONDS, self.timings.backoff_seconds * 2.0 ** (attempts - 1))
        return longest * random.uniform(0.5, 1.0)  # noqa: S311 - it spreads load and guards nothing


def is_crash(end: End) -> bool:
    """True for an error of our own code."""
    return isinstance(end, Exception) and not isinstance(end, ServiceError | StaleClaim)


def failure_of(error: Exception) -> Failure:
    """The code and sentence of an error; those of `internal_error` for an error of our own code."""
    known = error if isinstance(error, ServiceError) else ServiceError()
    return Failure(known.code, known.detail)


async def _fail(work: Tables, claim: Claim | StalledRendition, failure: Failure, origin: Origin) -> None:
    """INVARIANT: poison stops: a picture that kills every decoder is tried `max_attempts` times and no more
    (tests/integration/test_process.py::test_poison_stops_after_max_attempts_with_backoff).
    """
    event = _event(EventType.RENDITION_FAILED, claim, {"code": failure.code, "detail": failure.detail})
    if not await work.renditions.fail(claim.rendition_id, claim.generation, failure, event):
        raise StaleClaim
    letter = DeadLetter(
        code=failure.code,
        detail=failure.detail,
        source=origin.source,
        attempts=claim.attempts,
        image_id=claim.image_id,
        rendition=claim.name,
        headers=dict(origin.headers),
        body=origin.body,
    )
    await work.dead_letters.add(letter)


async def _postpone(work: Tables, claim: Claim | StalledRendition, context: MessageContext, *, seconds: float) -> None:
    if not await work.renditions.postpone(claim.rendition_id, claim.generation, seconds=seconds, release=False):
        raise StaleClaim
    await work.renditions.tag(claim.image_id, claim.lane, context)
    await work.outbox.add(CHANNEL[claim.lane], task_message(claim.image_id, claim.lane, context), delay_seconds=seconds)


def _event(kind: EventType, claim: Claim | StalledRendition, data: dict[str, object]) -> Event:
    """The event's field `attempt` is the generation: consumers know it by this name."""
    return new_event(kind, claim.image_id, claim.owner, rendition=claim.name, attempt=claim.generation, **data)
