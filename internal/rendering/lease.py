"""The lease of a claim: it is renewed while the attempt runs, and an attempt that has lost it is stopped."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import structlog

from internal.domain.errors import DatabaseUnavailable
from internal.domain.rendition import Claim
from internal.ports.repository.renditions import Renditions
from internal.rendering.timings import WorkerTimings

log = structlog.get_logger(__name__)

T = TypeVar("T")


class StaleClaim(Exception):
    """The claim is no longer current: its rendition was claimed or asked for again, or deleted. The result must be dropped."""


async def with_lease_renewal(claim: Claim, renditions: Renditions, timings: WorkerTimings, work: Coroutine[Any, Any, T]) -> T:
    """Run `work` while the claim's lease is renewed. If a renewal finds the claim stale, cancel the work and raise StaleClaim.

    INVARIANT: the lease is renewed until the work has ended, also when a cancellation waits for a call to the store
    (tests/integration/test_attempt.py::test_a_lease_holds_until_a_cancelled_attempt_has_ended).
    """
    lost = asyncio.create_task(_renew_until_stale(claim, renditions, timings))
    try:
        return await _cancel_when(lost, work)
    finally:
        lost.cancel()
        await asyncio.gather(lost, return_exceptions=True)


async def _cancel_when(lost: asyncio.Task[None], work: Coroutine[Any, Any, T]) -> T:
    working = asyncio.ensure_future(work)
    try:
        await asyncio.wait({working, lost}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            lost.result()  # raises the error that ended the renewals, if there was one
            raise StaleClaim
        return working.result()
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)


async def _renew_until_stale(claim: Claim, renditions: Renditions, timings: WorkerTimings) -> None:
    while True:
        await asyncio.sleep(timings.renew_seconds)
        try:
            if not await renditions.renew(claim, lease_seconds=timings.lease_seconds, intent_seconds=timings.intent_seconds):
                return
        except DatabaseUnavailable:  # the lease may run out meanwhile; the generation keeps a late result out
            log.warning("lease.not_renewed", image_id=str(claim.image_id), rendition=claim.name, generation=claim.generation)
