"""One attempt of one rendition: the original out of the store, through the sandbox, the result into the store.

Nothing here changes what anybody sees: that is `outcome`'s transaction, behind the fence of the attempt.
"""

import asyncio
import hashlib
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import structlog
from msgspec import Struct

from internal.errors import DatabaseUnavailable, OriginalDamaged, ScratchUnavailable
from internal.images.keys import result_key
from internal.images.model import Claim, Result
from internal.images.ports import Workshop
from internal.sandbox.port import Encoded, Rendered, RenderJob

log = structlog.get_logger(__name__)

CHUNK_BYTES = 2**20

T = TypeVar("T")


class AttemptLost(Exception):
    """The lease ran out and somebody else has the rendition, or it is gone: whatever was made is of no use."""


class Made(Struct, frozen=True):
    """A stored result, what the sandbox said of it, and how long each step took, in seconds."""

    result: Result
    rendered: Rendered
    durations: dict[str, float]


class Scratch:
    """A folder of one task: the original, fetched once for all its renditions, and one result at a time. Gone at the end."""

    def __init__(self, parent: Path) -> None:
        self._parent = parent
        self._has_original = False

    def __enter__(self) -> Self:
        with _room():
            self._folder = Path(tempfile.mkdtemp(prefix="task-", dir=self._parent))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def target(self) -> Path:
        return self._folder / "result"

    async def original(self, claim: Claim, workshop: Workshop) -> Path:
        """The original as a file, its checksum proven (G6). Raises NotStored, OriginalDamaged, StoreUnavailable."""
        path = self._folder / "original"
        if self._has_original:
            return path
        digest = hashlib.sha256()
        async with workshop.store.get(claim.original_key) as opened:
            with _room(), path.open("wb") as file:  # the folder is in memory: a write is a copy
                async for chunk in opened.chunks:
                    digest.update(chunk)
                    file.write(chunk)
        if digest.hexdigest() != claim.original_sha256:
            raise OriginalDamaged
        self._has_original = True
        return path


@contextmanager
def _room() -> Iterator[None]:
    """A scratch folder that is full or gone is an outage of ours and no fault of the picture's."""
    try:
        yield
    except OSError as error:
        raise ScratchUnavailable from error


async def make_result(claim: Claim, workshop: Workshop, scratch: Scratch) -> Made:
    """Fetch, render, store. The result's key carries the attempt and is listed before it is written (G2, G4)."""
    clock = [time.perf_counter()]
    source = await scratch.original(claim, workshop)
    clock.append(time.perf_counter())
    job = RenderJob(source, scratch.target, claim.pipeline, claim.media_type, workshop.limits, want_facts=not claim.size_known)
    rendered = await workshop.sandbox.render(job)
    clock.append(time.perf_counter())
    key = result_key(claim.image_id, claim.rendition_id, claim.attempt)
    await workshop.repository.unreferenced.intend(key, seconds=workshop.schedule.intent_seconds)
    await workshop.store.put(key, _file(scratch.target), content_type=rendered.result.content_type)
    clock.append(time.perf_counter())
    steps = zip(("fetch_seconds", "render_seconds", "store_seconds"), clock, clock[1:], strict=False)
    durations = {name: round(after - before, 4) for name, before, after in steps}
    return Made(_result(key, rendered.result), rendered, {**durations, "cpu_seconds": round(rendered.cpu_seconds, 4)})


def _result(key: str, encoded: Encoded) -> Result:
    return Result(
        key=key,
        sha256=encoded.sha256,
        size=encoded.size,
        width=encoded.width,
        height=encoded.height,
        frames=encoded.frames,
        content_type=encoded.content_type,
    )


async def _file(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:  # in memory, as above
        while chunk := file.read(CHUNK_BYTES):
            yield chunk


async def holding(claim: Claim, workshop: Workshop, work: Coroutine[Any, Any, T]) -> T:
    """Do `work` while the claim's lease is renewed; when the lease is lost, stop the work at once and raise AttemptLost."""
    doing = asyncio.ensure_future(work)
    lost = asyncio.create_task(_renew_until_lost(claim, workshop))
    try:
        await asyncio.wait({doing, lost}, return_when=asyncio.FIRST_COMPLETED)
        if not doing.done():
            raise AttemptLost
        return doing.result()
    finally:
        doing.cancel()
        lost.cancel()
        await asyncio.gather(doing, lost, return_exceptions=True)


async def _renew_until_lost(claim: Claim, workshop: Workshop) -> None:
    schedule = workshop.schedule
    while True:
        await asyncio.sleep(schedule.renew_seconds)
        try:
            if not await workshop.repository.renditions.renew(claim, lease_seconds=schedule.lease_seconds):
                return
        except DatabaseUnavailable:  # the lease may run out meanwhile; the fence keeps a late result out
            log.warning("lease.not_renewed", image_id=str(claim.image_id), rendition=claim.name, attempt=claim.attempt)
