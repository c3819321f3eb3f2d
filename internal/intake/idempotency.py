"""One answer for one Idempotency-Key: taken before the body is read, completed in the image's transaction.

INVARIANT: the same key never makes two images, whatever dies in between, because the answer is stored in the transaction that
makes the image (tests/integration/test_idempotency.py).
"""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct

from internal.domain.errors import DeadlinePassed, IdempotencyConflict, IdempotencyInProgress, ServiceError
from internal.domain.ids import new_id
from internal.ports.repository.idempotency import StoredAnswer
from internal.ports.repository.repository import Repository, Tables

KEPT_SECONDS = 24 * 3600


class Slip(Struct, frozen=True):
    """Whose key for which route; None when the client sent none. A request that is silent for the lease has lost it."""

    owner: str
    route: str
    key: str | None
    lease_seconds: float


class Reservation(Struct, frozen=True):
    """A key in this request's hands; or, when `stored` is set, the answer that an earlier request got."""

    slip: Slip
    key: str
    holder: UUID
    stored: StoredAnswer | None = None

    async def extend(self, tables: Tables) -> None:
        slip = self.slip
        await tables.idempotency.extend(slip.owner, slip.route, self.key, holder=self.holder, lease_seconds=slip.lease_seconds)

    async def complete(self, work: Tables, mark: str, answer: bytes) -> None:
        """Store the answer in the transaction `work`. Raises DeadlinePassed, so that all rolls back, when the lease is lost."""
        slip = self.slip
        if not await work.idempotency.complete(
            slip.owner, slip.route, self.key, holder=self.holder, fingerprint=mark, answer=answer
        ):
            raise DeadlinePassed

    def replay(self, mark: str) -> bytes:
        """The stored answer; raises IdempotencyConflict when it belongs to another request."""
        if self.stored is None or self.stored.answer is None or self.stored.fingerprint != mark:
            raise IdempotencyConflict
        return self.stored.answer


@asynccontextmanager
async def reserved(repository: Repository, slip: Slip) -> AsyncIterator[Reservation | None]:
    """Hold the key while the block runs; None without a key. Raises IdempotencyInProgress when another request holds it.

    An error that leaves the block gives the key back.
    """
    if slip.key is None:
        yield None
        return
    reservation = Reservation(slip, slip.key, new_id())
    stored = await repository.idempotency.begin(
        slip.owner, slip.route, slip.key, holder=reservation.holder, lease_seconds=slip.lease_seconds
    )
    if stored is not None and stored.answer is None:
        raise IdempotencyInProgress
    try:
        yield msgspec.structs.replace(reservation, stored=stored)
    except BaseException:
        with contextlib.suppress(ServiceError):  # what can't be given back now is free when its lease runs out
            await asyncio.shield(repository.idempotency.release(slip.owner, slip.route, slip.key, holder=reservation.holder))
        raise


async def answered_once(repository: Repository, slip: Slip, mark: str, act: Callable[[Tables], Awaitable[bytes]]) -> bytes:
    """Do `act` in a transaction and keep its answer with the key; or give the answer that the key has already."""
    async with reserved(repository, slip) as reservation:
        if reservation and reservation.stored:
            return reservation.replay(mark)
        async with repository.transaction() as work:
            answer = await act(work)
            if reservation:
                await reservation.complete(work, mark, answer)
        return answer


def fingerprint(*parts: Any) -> str:
    """What makes two requests the same: their meaning (a file's SHA-256, canonical chains, metadata), never the raw body."""
    return hashlib.sha256(msgspec.json.encode(parts, order="deterministic")).hexdigest()
