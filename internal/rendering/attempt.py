"""One attempt of one rendition: the original out of the store, through the sandbox, the result into the store.

Nothing here changes what anybody sees: that is `outcome`'s transaction, behind the fence of the attempt.
"""

import asyncio
import time
from collections.abc import Coroutine
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import structlog
from msgspec import Struct

from internal.domain.errors import DatabaseUnavailable
from internal.domain.keys import alternative_key
from internal.domain.rendition import Claim, Result
from internal.pipeline.language.chain import Chain
from internal.pipeline.language.grammar import Grammar
from internal.ports.sandbox import Encoded, Rendered, RenderJob
from internal.rendering.output_file import MadeFile
from internal.rendering.workshop import Workshop
from internal.rendering.workspace import Scratch
from internal.runtime.failpoints import failpoint

log = structlog.get_logger(__name__)

T = TypeVar("T")


class StaleClaim(Exception):
    """The lease ran out and somebody else has the rendition, or it is gone: whatever was made is of no use."""


class AttemptResult(Struct, frozen=True):
    """A stored result with its further files, what the sandbox said of them, and how long each stage took, in seconds."""

    result: Result
    alternatives: tuple[Result, ...]
    rendered: Rendered
    stages: dict[str, float]


async def run_attempt(claim: Claim, workshop: Workshop, scratch: Scratch) -> AttemptResult:
    """Fetch, render, store. The keys carry the attempt (G2); the claim has listed the result's, a second file's is listed here.

    INVARIANT: a key is listed before anything is written under it (G4)
    (tests/integration/test_results.py::test_every_file_is_listed_before_it_is_written).
    """
    clock = [time.perf_counter()]
    job = await _job(claim, workshop, scratch)
    failpoint("after-get")
    clock.append(time.perf_counter())
    rendered = await workshop.sandbox.render(job)
    failpoint("after-decode")
    clock.append(time.perf_counter())
    alternatives: tuple[Result, ...] = ()
    if (second := rendered.alternative) is not None:
        key = alternative_key(claim.result_key, second.content_type)
        await workshop.repository.pending_objects.reserve(key, seconds=workshop.schedule.intent_seconds)
        alternatives = (await _stored(key, scratch.alternative, second, workshop),)
    result = await _stored(claim.result_key, scratch.target, rendered.result, workshop)
    failpoint("after-result-put")
    clock.append(time.perf_counter())
    stages = zip(("fetch", "render", "store"), clock, clock[1:], strict=False)
    return AttemptResult(result, alternatives, rendered, {name: after - before for name, before, after in stages})


async def _job(claim: Claim, workshop: Workshop, scratch: Scratch) -> RenderJob:
    """What the sandbox is to do, with all that it needs for it as files. Raises InvalidProcessing and what fetching raises."""
    chain = _chain(workshop.grammar, claim.pipeline)
    return RenderJob(
        source=await scratch.original(claim, workshop.store),
        target=scratch.target,
        pipeline=claim.pipeline,
        media_type=claim.media_type,
        limits=workshop.limits,
        alternative=scratch.alternative if chain.alternative else None,
        overlays=await scratch.overlays(claim, chain.references, workshop),
        want_facts=not claim.facts_known,
    )


@lru_cache(maxsize=1024)
def _chain(grammar: Grammar, pipeline: str) -> Chain:
    """Remembered: most pictures come with one of a few pipelines."""
    return grammar.parse(pipeline)


async def _stored(key: str, file: Path, encoded: Encoded, workshop: Workshop) -> Result:
    made = MadeFile(file, encoded.size)
    await workshop.store.put(key, made.chunks(), content_type=encoded.content_type)
    return Result(key=key, sha256=made.sha256, **msgspec.structs.asdict(encoded))


async def with_lease_renewal(claim: Claim, workshop: Workshop, work: Coroutine[Any, Any, T]) -> T:
    """Do `work` while the claim's lease is renewed; when the lease is lost, stop the work at once and raise StaleClaim.

    INVARIANT: the lease holds until the work has ended, also when a cancellation has to wait for a call to the store
    (tests/integration/test_attempt.py::test_a_lease_holds_until_a_cancelled_attempt_has_ended).
    """
    lost = asyncio.create_task(_renew_until_lost(claim, workshop))
    try:
        return await _cancel_when(lost, work)
    finally:
        lost.cancel()
        await asyncio.gather(lost, return_exceptions=True)


async def _cancel_when(lost: asyncio.Task[None], work: Coroutine[Any, Any, T]) -> T:
    doing = asyncio.ensure_future(work)
    try:
        await asyncio.wait({doing, lost}, return_when=asyncio.FIRST_COMPLETED)
        if not doing.done():
            lost.result()  # raises what ended the renewals, if it was not the loss
            raise StaleClaim
        return doing.result()
    finally:
        doing.cancel()
        await asyncio.gather(doing, return_exceptions=True)


async def _renew_until_lost(claim: Claim, workshop: Workshop) -> None:
    schedule = workshop.schedule
    while True:
        await asyncio.sleep(schedule.renew_seconds)
        try:
            if not await workshop.repository.renditions.renew(
                claim, lease_seconds=schedule.lease_seconds, intent_seconds=schedule.intent_seconds
            ):
                return
        except DatabaseUnavailable:  # the lease may run out meanwhile; the fence keeps a late result out
            log.warning("lease.not_renewed", image_id=str(claim.image_id), rendition=claim.name, generation=claim.generation)
