"""How attempts begin and end: every transaction that moves a rendition, behind its attempt's fence and under its image's lock.

INVARIANT: a stale worker changes nothing, because each write names the attempt it belongs to and matches no row when a later one
has begun (tests/integration/test_process.py::test_a_stale_worker_changes_nothing).
"""

import asyncio
import random
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from internal.domain.dead_letter import DeadLetter
from internal.domain.errors import PERMANENT, DeadlinePassed, ServiceError, Unavailable, WorkerLost
from internal.domain.events import Event, EventType, new_event
from internal.domain.message import MessageContext
from internal.domain.rendition import Claim, Failure
from internal.domain.tasks import CHANNEL, Task, task_message
from internal.ports.repository.renditions import StalledRendition
from internal.ports.repository.repository import Tables
from internal.rendering.attempt import AttemptResult, StaleClaim
from internal.rendering.workshop import Workshop
from internal.runtime.failpoints import failpoint

MAX_BACKOFF_SECONDS = 300.0

REPLACED_GRACE_SECONDS = 600.0
"""How long an object that was made anew is left to those who still read it."""


class Origin(Struct, frozen=True):
    """The message that an attempt comes from, for its dead letter."""

    source: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def context(self) -> MessageContext:
        return MessageContext.of_headers(self.headers)


HOUSEKEEPING = Origin("housekeeping", {}, b"")


async def claim_next(task: Task, workshop: Workshop) -> Claim | None:
    """Claim the task's next rendition; None when nothing is left of it.

    A claim that finds nothing is repeated once: it may have waited for another's transaction, and seen what was before it.
    """
    schedule = workshop.schedule
    for _ in range(2):
        claim = await workshop.repository.renditions.claim(
            task.image_id,
            task.lane,
            new_event(EventType.IMAGE_PROCESSING_STARTED, task.image_id, ""),
            lease_seconds=schedule.lease_seconds,
            intent_seconds=schedule.intent_seconds,
            max_attempts=schedule.max_attempts,
        )
        if claim is not None:
            return claim
    return None


async def complete_rendition(claim: Claim, made: AttemptResult, workshop: Workshop) -> None:
    """The rendition is `processed` and its result readable, or nothing. Raises StaleClaim when it is no longer ours (G2, G5)."""
    try:
        await _publish(claim, made, workshop)
    except DeadlinePassed:
        await mark_for_gc([stored.key for stored in (made.result, *made.alternatives)], workshop)
        raise


async def mark_for_gc(keys: Sequence[str], workshop: Workshop) -> None:
    """List what was written late: the sweep may have been there before. Waits through outages, for nobody else knows of it."""
    while True:
        try:
            return await workshop.repository.pending_objects.mark(keys)
        except Unavailable:
            await asyncio.sleep(workshop.schedule.pause_seconds)


async def _publish(claim: Claim, made: AttemptResult, workshop: Workshop) -> None:
    result = made.result
    facts = {"width": result.width, "height": result.height, "size": result.size, "content_type": result.content_type}
    told = _told(claim, EventType.RENDITION_COMPLETED, facts)
    async with workshop.repository.transaction() as work:
        await work.images.hold(claim.image_id)
        if not await work.renditions.finish(claim, result, made.alternatives, told, grace_seconds=REPLACED_GRACE_SECONDS):
            raise StaleClaim
        if (learned := made.rendered.facts) is not None:
            await work.images.learn_facts(claim.image_id, learned)
        failpoint("before-finish")


async def fail_or_postpone(claim: Claim, error: ServiceError, workshop: Workshop, origin: Origin) -> bool:
    """End a failed attempt: for good when nothing can mend it or its tries are used up, else due again after a backoff (G3).

    Returns whether it was for good. Raises StaleClaim when it is no longer ours; then nothing is written.

    INVARIANT: poison stops: a picture that kills every decoder is tried `max_attempts` times and no more
    (tests/integration/test_process.py::test_poison_stops_after_its_tries_with_backoff_between).
    """
    final = isinstance(error, PERMANENT) or claim.attempts >= workshop.schedule.max_attempts
    async with workshop.repository.transaction() as work:
        await work.images.hold(claim.image_id)
        if final:
            ours = await _fail(work, claim, Failure(error.code, error.detail), origin)
        else:
            ours = await _postpone(
                work, claim, seconds=_backoff(claim.attempts, workshop.schedule.backoff_seconds), context=origin.context
            )
        if not ours:
            raise StaleClaim
    return final


async def end_abandoned(work: Tables, found: StalledRendition, workshop: Workshop) -> bool:
    """A worker died with this attempt in its hands. `work` holds the image's row. Returns whether it is failed for good."""
    final = found.attempts >= workshop.schedule.max_attempts
    if final:
        await _fail(work, found, Failure(WorkerLost.code, WorkerLost().detail), HOUSEKEEPING)
    else:
        await _postpone(work, found, seconds=0, context=HOUSEKEEPING.context)
    return final


async def give_back(claim: Claim, workshop: Workshop) -> bool:
    """Set the rendition back as if this attempt had not been, but for its number: no try is burnt (G3).

    Returns False, and has changed nothing, when the attempt is no longer current.
    """
    return await workshop.repository.renditions.postpone(claim.rendition_id, claim.generation, seconds=0, give_back=True)


async def defer_task(task: Task, workshop: Workshop, context: MessageContext, *, seconds: float) -> None:
    """Have what is left of the task done later, by a message of its own: the one in hand can be acknowledged then.

    INVARIANT: what is left is due and has a message, or neither, because both are one transaction (G1)
    (tests/integration/test_deferred.py::test_a_task_that_waits_long_is_sent_again_later).
    """
    async with workshop.repository.transaction() as work:
        await work.images.hold(task.image_id)
        if await work.renditions.defer(task.image_id, task.lane, seconds=seconds):
            message = task_message(task.image_id, task.lane, context)
            await work.outbox.add(CHANNEL[task.lane], message, delay_seconds=seconds)


async def _fail(work: Tables, attempt: Claim | StalledRendition, failure: Failure, origin: Origin) -> bool:
    told = _told(attempt, EventType.RENDITION_FAILED, {"code": failure.code, "detail": failure.detail})
    if not await work.renditions.fail(attempt.rendition_id, attempt.generation, failure, told):
        return False
    letter = DeadLetter(
        code=failure.code,
        detail=failure.detail,
        source=origin.source,
        attempts=attempt.attempts,
        image_id=attempt.image_id,
        rendition=attempt.name,
        headers=dict(origin.headers),
        body=origin.body,
    )
    await work.dead_letters.add(letter)
    return True


async def _postpone(work: Tables, attempt: Claim | StalledRendition, *, seconds: float, context: MessageContext) -> bool:
    if not await work.renditions.postpone(attempt.rendition_id, attempt.generation, seconds=seconds, give_back=False):
        return False
    message = task_message(attempt.image_id, attempt.lane, context)
    await work.outbox.add(CHANNEL[attempt.lane], message, delay_seconds=seconds)
    return True


def _told(attempt: Claim | StalledRendition, kind: EventType, facts: dict[str, Any]) -> Event:
    return new_event(kind, attempt.image_id, attempt.owner, rendition=attempt.name, attempt=attempt.generation, **facts)


def _backoff(tries: int, first: float) -> float:
    """Exponential, with jitter over its upper half, so that it still backs off. Seconds."""
    longest = min(MAX_BACKOFF_SECONDS, first * 2.0 ** (tries - 1))
    return longest * random.uniform(0.5, 1.0)  # noqa: S311 - it spreads load and guards nothing
