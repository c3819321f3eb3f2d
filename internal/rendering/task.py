"""Processing a task: for each of its renditions claim, run an attempt, and end it by the table of outcomes in transitions.py.

Which task it is, is settled by the first claim: the one with the lowest tag in the lane.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from enum import Enum, auto
from functools import partial
from pathlib import Path

import structlog
from msgspec import Struct
from structlog.contextvars import bound_contextvars

from internal.domain.errors import ServiceError, Unavailable
from internal.domain.rendition import Claim, Lane
from internal.domain.tasks import Task
from internal.observability import metrics
from internal.pipeline.language.grammar import Grammar
from internal.ports.object_store import ObjectStore
from internal.ports.repository.repository import Repository
from internal.ports.sandbox import RenderLimits, Sandbox
from internal.rendering import transitions
from internal.rendering.attempt import AttemptResult, Renderer, ResultStore, run_attempt
from internal.rendering.lease import with_lease_renewal
from internal.rendering.report import report
from internal.rendering.timings import WorkerTimings
from internal.rendering.transitions import WAITING, End, Origin, Outcome, Transitions
from internal.rendering.workspace import Workspace
from internal.runtime.failpoints import failpoint

log = structlog.get_logger(__name__)


class _Left(Enum):
    """The rest of a task: nothing, more renditions, or one that waits for an outage to end."""

    NOTHING = auto()
    MORE = auto()
    WAITING = auto()


class TaskProcessor(Struct, frozen=True):
    """Processes tasks. `workspaces` is the folder for the files of pictures in work; `grammar` reads canonical pipelines."""

    repository: Repository
    store: ObjectStore
    sandbox: Sandbox
    limits: RenderLimits
    timings: WorkerTimings
    workspaces: Path
    grammar: Grammar

    @property
    def transitions(self) -> Transitions:
        return Transitions(self.repository, self.timings)

    def open_workspace(self) -> Workspace:
        return Workspace(self.workspaces, self.store, self.repository.images)

    async def process(self, sent: Task, origin: Origin) -> None:
        """Process the task whose turn it is, for the message of the task `sent`. Returns when the message can be acknowledged.

        A message says that there is work in its lane; the claim says which. So as many tasks are taken as messages were sent, and
        a message that finds nothing waiting does nothing (docs/adr/005-fair-queueing.md).

        An outage of database, store or sandbox is waited out and costs no attempt (G3). If the task takes longer than
        `defer_seconds`, what is left gets a message of its own, so that the position in the queue advances: due at once, or
        after `defer_seconds` if it waits for an outage to end. Cancelled, it releases its claim.
        """
        await self._finish_task(Turn(sent, origin, partial(self.transitions.claim_next, sent)))

    async def process_waiting(self, lane: Lane) -> bool:
        """Process the task whose turn it is, although no message has come; False if none waits. Raises Unavailable.

        Messages can be lost, and a worker of an older version takes one for its own task even if that was taken already: then
        fewer messages are left than tasks wait.
        """
        turn = Turn(None, WAITING, partial(self.transitions.claim_waiting, lane))
        await self._finish_task(turn)
        return turn.task is not None

    async def _finish_task(self, turn: "Turn") -> None:
        until = time.monotonic() + self.timings.defer_seconds
        with self.open_workspace() as workspace:
            while (left := await self._next(turn, workspace, until)) is not _Left.NOTHING:
                if time.monotonic() >= until and await self._defer(turn, left):
                    return

    async def _next(self, turn: "Turn", workspace: Workspace, until: float) -> _Left:
        """The task's next rendition: claim, run an attempt, end it by the table. An outage is waited out, at most to `until`.

        INVARIANT: cancelled at any moment, it holds no claim (tests/integration/test_attempt.py, the tests named cancelled).
        """
        try:
            claim = await self._claim(turn)
        except Unavailable as outage:
            if turn.task is None:  # nothing is in hand that would have to wait
                raise
            log.warning("processing.paused", image_id=str(turn.task.image_id), code=outage.code, detail=outage.detail)
            await self._wait_out(None, until)
            return _Left.WAITING
        if claim is None:
            return _Left.NOTHING
        turn.take(claim, partial(self.transitions.claim, Task(claim.image_id, claim.lane)))
        failpoint("after-claim")
        began = time.perf_counter()
        with bound_contextvars(request_id=turn.origin.context.request_id):
            try:
                end = await self._attempt(claim, workspace)
                if await self._finish(claim, end, turn.origin, began) is Outcome.PAUSED:
                    await self._wait_out(claim, until)
                    return _Left.WAITING
            except asyncio.CancelledError as cancelled:
                await self._finish(claim, cancelled, turn.origin, began)
                raise
        return _Left.MORE if claim.more else _Left.NOTHING

    async def _claim(self, turn: "Turn") -> Claim | None:
        """The next claim. Cancelled, it waits for the claim that the database may have given, and releases it.

        INVARIANT: no claim is forgotten
        (tests/integration/test_attempt.py::test_a_claim_that_is_cancelled_midway_is_released).
        """
        claiming = asyncio.ensure_future(turn.claim())
        try:
            return await asyncio.shield(claiming)
        except asyncio.CancelledError as cancelled:
            with contextlib.suppress(ServiceError, TimeoutError):
                async with asyncio.timeout(transitions.RELEASE_SECONDS):
                    if (claim := await claiming) is not None:
                        await self._finish(claim, cancelled, turn.origin, time.perf_counter())
            raise

    async def _attempt(self, claim: Claim, workspace: Workspace) -> AttemptResult | Exception:
        """Run the attempt; returns its result, or the error that ended it."""
        try:
            return await with_lease_renewal(claim, self.repository.renditions, self.timings, self.run_attempt(claim, workspace))
        except Exception as error:
            return error

    async def run_attempt(self, claim: Claim, workspace: Workspace) -> AttemptResult:
        """One attempt, whose result is stored and not yet referred to."""
        renderer = Renderer(self.sandbox, self.grammar, self.limits)
        results = ResultStore(self.store, self.repository.pending_objects, self.timings.intent_seconds)
        return await run_attempt(claim, workspace, renderer, results)

    async def _finish(self, claim: Claim, end: End, origin: Origin, began: float) -> Outcome:
        ended = await self.transitions.finish(claim, end, origin)
        report(claim, ended, seconds=time.perf_counter() - began)
        return ended.outcome

    async def _wait_out(self, claim: Claim | None, until: float) -> None:
        """Release the claim, and wait until database, store and sandbox answer, or until `until`.

        The slot takes no other task meanwhile.

        INVARIANT: an outage costs no attempt (tests/integration/test_process.py::test_an_outage_costs_no_attempt).
        """
        while True:
            with contextlib.suppress(Unavailable):
                if claim is not None:
                    await self.transitions.release(claim)  # before its lease runs out, and so before the store is asked
                    claim = None
                await asyncio.sleep(self.timings.pause_seconds)
                await self.repository.check()
                await self.store.check()
                await self.sandbox.check()
                return
            await asyncio.sleep(self.timings.pause_seconds)
            if claim is None and time.monotonic() >= until:
                return

    async def _defer(self, turn: "Turn", left: _Left) -> bool:
        """Give what is left of the task a message of its own; False if the database does not take it now."""
        if (task := turn.task) is None:  # nothing was taken
            return True
        seconds = self.timings.defer_seconds if left is _Left.WAITING else 0
        try:
            await self.transitions.defer(task, turn.origin.context, seconds=seconds)
        except Unavailable:
            return False
        metrics.DEFERRED.labels(task.lane).inc()
        log.info("task.deferred", image_id=str(task.image_id), lane=task.lane, seconds=seconds)
        return True


class Turn(Struct):
    """What a slot works on. Until the first claim `task` is the message's; then it is the claim's, with its own origin."""

    task: Task | None
    origin: Origin
    claim: Callable[[], Awaitable[Claim | None]]

    def take(self, claim: Claim, claim_more: Callable[[], Awaitable[Claim | None]]) -> None:
        """Go on with the claim's task."""
        self.origin = self.origin.of(claim, self.task)
        self.task, self.claim = Task(claim.image_id, claim.lane), claim_more
