"""Processing a task: each of its renditions is claimed, rendered and finished, one after the other.

Whatever goes wrong ends in exactly one of: failed for good, queued again after a backoff, given back untouched, or dropped
because the attempt is no longer ours.
"""

import asyncio
import contextlib
import time
from enum import Enum, auto
from typing import Any

import structlog

from internal.domain.errors import ServiceError, Unavailable
from internal.domain.keys import attempt_keys
from internal.domain.rendition import Claim, Result
from internal.domain.tasks import Task
from internal.observability import metrics
from internal.rendering.attempt import StaleClaim, run_attempt, with_lease_renewal
from internal.rendering.transitions import (
    Origin,
    claim_next,
    complete_rendition,
    defer_task,
    fail_or_postpone,
    give_back,
    mark_for_gc,
)
from internal.rendering.workshop import Workshop
from internal.rendering.workspace import Scratch
from internal.runtime.failpoints import failpoint

log = structlog.get_logger(__name__)

RELEASE_SECONDS, RELEASE_PAUSE_SECONDS = 3.0, 0.1
"""How long a cancelled attempt may take to give its claim back, and the wait before it tries again."""


class _Left(Enum):
    """What is left of a task: nothing, further renditions, or one that met an outage."""

    NOTHING = auto()
    MORE = auto()
    WAITING = auto()


async def process_task(task: Task, workshop: Workshop, origin: Origin) -> None:
    """Do all that is left of a task; returns when its message can be acknowledged.

    Waits through outages of database and store, and burns no try meanwhile (G3). Cancelled, it gives its claim back at once.
    What is left after `defer_seconds` is sent again, so that the queue's position does not stand still for it: at once, or when
    it waits for something, as much later.
    """
    until = time.monotonic() + workshop.schedule.defer_seconds
    with Scratch(workshop.scratch) as scratch:
        while (left := await _next(task, workshop, scratch, origin, until)) is not _Left.NOTHING:
            if time.monotonic() >= until and await _deferred(task, workshop, origin, left):
                return


async def _deferred(task: Task, workshop: Workshop, origin: Origin, left: _Left) -> bool:
    """Send again what is left of the task; False when the database does not take it now."""
    seconds = workshop.schedule.defer_seconds if left is _Left.WAITING else 0
    try:
        await defer_task(task, workshop, origin.context, seconds=seconds)
    except Unavailable:
        return False
    metrics.DEFERRED.labels(task.lane).inc()
    log.info("task.deferred", image_id=str(task.image_id), lane=task.lane, seconds=seconds)
    return True


async def _next(task: Task, workshop: Workshop, scratch: Scratch, origin: Origin, until: float) -> _Left:
    """The task's next rendition. An outage is waited out, but not longer than `until`.

    INVARIANT: cancelled at whatever moment, it holds no claim (tests/integration/test_attempt.py, the tests named cancelled).
    """
    claim: Claim | None = None
    try:
        try:
            claim = await _take(task, workshop)
            if claim is None:
                return _Left.NOTHING
            failpoint("after-claim")
            await _attempt(claim, workshop, scratch, origin)
            return _Left.MORE if claim.more else _Left.NOTHING
        except Unavailable as outage:
            metrics.ATTEMPTS.labels("paused").inc(claim is not None)
            log.warning("processing.paused", image_id=str(task.image_id), code=outage.code, detail=outage.detail)
            await _resume(claim, workshop, until)
            return _Left.WAITING
    except asyncio.CancelledError:
        await _release(claim, workshop)
        raise


async def _take(task: Task, workshop: Workshop) -> Claim | None:
    """The next claim. Cancelled in the middle, it waits for what the database may have given, and gives that back.

    INVARIANT: no claim is forgotten (tests/integration/test_attempt.py::test_a_claim_that_is_cancelled_on_its_way_is_given_back).
    """
    taking = asyncio.ensure_future(claim_next(task, workshop))
    try:
        return await asyncio.shield(taking)
    except asyncio.CancelledError:
        with contextlib.suppress(ServiceError, TimeoutError):
            async with asyncio.timeout(RELEASE_SECONDS):
                await _release(await taking, workshop)
        raise


async def _attempt(claim: Claim, workshop: Workshop, scratch: Scratch, origin: Origin) -> None:
    """One attempt, ended by its outcome or lost. Only an outage goes on to the caller.

    INVARIANT: what a lost attempt wrote is listed, also when it stood still until the sweep had been there
    (tests/integration/test_attempt.py::test_what_a_lost_attempt_wrote_late_is_listed_again).
    """
    lines = log.bind(
        image_id=str(claim.image_id), rendition=claim.name, generation=claim.generation, attempts=claim.attempts, lane=claim.lane
    )
    try:
        await _end(claim, workshop, scratch, origin, lines)
    except StaleClaim:
        metrics.ATTEMPTS.labels("lost").inc()
        lines.warning("rendition.lost")
        await mark_for_gc(attempt_keys(claim.result_key), workshop)


async def _end(claim: Claim, workshop: Workshop, scratch: Scratch, origin: Origin, lines: Any) -> None:
    began = time.perf_counter()
    try:
        made = await with_lease_renewal(claim, workshop, run_attempt(claim, workshop, scratch))
        await complete_rendition(claim, made, workshop)
        failpoint("after-finish")
    except (StaleClaim, Unavailable):
        raise
    except Exception as error:
        failure = error if isinstance(error, ServiceError) else ServiceError()
        if failure is not error:
            lines.exception("rendition.crashed")
        final = await fail_or_postpone(claim, failure, workshop, origin)
        metrics.ATTEMPTS.labels("failed" if final else "postponed").inc()
        metrics.FAILURES.labels(failure.code).inc()
        lines.warning("rendition.failed", code=failure.code, detail=failure.detail, final=final, seconds=_since(began))
    else:
        result: Result = made.result
        metrics.ATTEMPTS.labels("processed").inc()
        metrics.RENDER_CPU_SECONDS.inc(made.rendered.cpu_seconds)
        for stage, seconds in made.stages.items():
            metrics.STAGE_SECONDS.labels(stage).observe(seconds)
        lines.info(
            "rendition.processed",
            seconds=_since(began),
            **{f"{stage}_seconds": round(seconds, 4) for stage, seconds in made.stages.items()},
            cpu_seconds=round(made.rendered.cpu_seconds, 4),
            width=result.width,
            height=result.height,
            size=result.size,
            content_type=result.content_type,
        )


def _since(began: float) -> float:
    return round(time.perf_counter() - began, 4)


async def _resume(claim: Claim | None, workshop: Workshop, until: float) -> None:
    """Give the interrupted claim back, and wait until database, store and sandbox answer, or until `until`.

    The slot takes nothing else meanwhile.

    INVARIANT: an outage is not poison: it burns no try (tests/integration/test_process.py::test_an_outage_burns_no_try).
    """
    while True:
        with contextlib.suppress(Unavailable):
            if claim is not None:
                await give_back(claim, workshop)  # before its lease runs out, and so before the store is asked
                claim = None
            await asyncio.sleep(workshop.schedule.pause_seconds)
            await workshop.repository.check()
            await workshop.store.check()
            await workshop.sandbox.check()
            return
        await asyncio.sleep(workshop.schedule.pause_seconds)
        if claim is None and time.monotonic() >= until:
            return


async def _release(claim: Claim | None, workshop: Workshop) -> None:
    """Give a cancelled attempt's claim back; best effort, for its lease runs out anyway."""
    if claim is None:
        return
    lines = log.bind(image_id=str(claim.image_id), rendition=claim.name, generation=claim.generation, attempts=claim.attempts)
    try:
        async with asyncio.timeout(RELEASE_SECONDS):
            released = await _insist(claim, workshop)
    except TimeoutError:
        lines.warning("rendition.not_released")
        return
    if released:
        metrics.ATTEMPTS.labels("released").inc()
        lines.info("rendition.released")


async def _insist(claim: Claim, workshop: Workshop) -> bool:
    """Give it back, if need be again: a statement that was cancelled may still end the next one on its connection."""
    while True:
        try:
            return await give_back(claim, workshop)
        except Unavailable:
            await asyncio.sleep(RELEASE_PAUSE_SECONDS)
