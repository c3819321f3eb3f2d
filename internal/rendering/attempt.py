"""One attempt at a rendition: fetch the original, render it in the sandbox, store the result.

It changes no row that a client sees; transitions.py does that, at the end of the attempt.
"""

import time
from functools import lru_cache
from pathlib import Path

import msgspec
from msgspec import Struct

from internal.domain.keys import alternative_key
from internal.domain.rendition import Claim, Result
from internal.pipeline.language.chain import Chain
from internal.pipeline.language.grammar import Grammar
from internal.ports.object_store import ObjectStore
from internal.ports.repository.pending_objects import PendingObjects
from internal.ports.sandbox import Encoded, Rendered, RenderJob, RenderLimits, Sandbox
from internal.rendering.output_file import OutputFile
from internal.rendering.workspace import Workspace
from internal.runtime.failpoints import failpoint


class AttemptResult(Struct, frozen=True):
    """The stored result, its alternatives, the sandbox's report, and the time of each stage in seconds."""

    result: Result
    alternatives: tuple[Result, ...]
    rendered: Rendered
    timings: dict[str, float]


class Renderer(Struct, frozen=True):
    """The sandbox, and what every job for it needs. `grammar` reads canonical pipelines."""

    sandbox: Sandbox
    grammar: Grammar
    limits: RenderLimits

    async def prepare(self, claim: Claim, workspace: Workspace) -> RenderJob:
        """The job of a claim, with every file that it reads. Raises InvalidProcessing and the errors of Workspace."""
        chain = _parse(self.grammar, claim.pipeline)
        return RenderJob(
            source=await workspace.fetch_original(claim),
            target=workspace.result,
            pipeline=claim.pipeline,
            media_type=claim.media_type,
            limits=self.limits,
            alternative=workspace.alternative if chain.alternative else None,
            overlays=await workspace.fetch_overlays(claim.owner, chain.references),
            want_facts=not claim.facts_known,
        )


@lru_cache(maxsize=1024)
def _parse(grammar: Grammar, pipeline: str) -> Chain:
    """Cached: most pictures have one of a few pipelines."""
    return grammar.parse(pipeline)


class ResultStore(Struct, frozen=True):
    """Where results are stored. A key is a pending object for `intent_seconds` before anything is written under it."""

    store: ObjectStore
    pending_objects: PendingObjects
    intent_seconds: float

    async def put(self, key: str, file: Path, encoded: Encoded) -> Result:
        """Store a file of the decoder's. `key` must be a pending object already."""
        output = OutputFile(file, encoded.size)
        await self.store.put(key, output.chunks(), content_type=encoded.content_type)
        return Result(key=key, sha256=output.sha256, **msgspec.structs.asdict(encoded))

    async def put_alternative(self, result_key: str, file: Path, encoded: Encoded) -> Result:
        """Reserve the key of the second file beside `result_key`, and store it there."""
        key = alternative_key(result_key, encoded.content_type)
        await self.pending_objects.reserve(key, seconds=self.intent_seconds)
        return await self.put(key, file, encoded)


async def run_attempt(claim: Claim, workspace: Workspace, renderer: Renderer, results: ResultStore) -> AttemptResult:
    """Fetch, render, store. The keys carry the generation (G2); the claim has reserved the key of the result.

    INVARIANT: a key is a pending object before anything is written under it (G4)
    (tests/integration/test_results.py::test_every_key_is_pending_before_it_is_written).
    """
    clock = [time.perf_counter()]
    job = await renderer.prepare(claim, workspace)
    failpoint("after-get")
    clock.append(time.perf_counter())
    rendered = await renderer.sandbox.render(job)
    failpoint("after-decode")
    clock.append(time.perf_counter())
    alternatives: tuple[Result, ...] = ()
    if (second := rendered.alternative) is not None:
        alternatives = (await results.put_alternative(claim.result_key, workspace.alternative, second),)
    result = await results.put(claim.result_key, workspace.result, rendered.result)
    failpoint("after-result-put")
    clock.append(time.perf_counter())
    steps = zip(("fetch", "render", "store"), clock, clock[1:], strict=False)
    return AttemptResult(result, alternatives, rendered, {name: after - before for name, before, after in steps})
