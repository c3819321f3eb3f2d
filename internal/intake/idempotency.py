"""Idempotency keys: a request with a key takes effect once, and its rendered answer is stored.

A key is locked before the request's body is read. Its answer is stored in the transaction of the use case. What makes two
requests the same is their fingerprint: of their meaning (a file's SHA-256, canonical chains, metadata), never of the raw body,
whose boundaries are random. It is computed only if there is a key.

INVARIANT: a key never makes two images, whatever process dies, because the answer is stored in the transaction that makes the
image (tests/integration/test_idempotency.py).
"""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import Struct

from internal.domain.errors import DeadlinePassed, IdempotencyConflict, IdempotencyInProgress, ServiceError
from internal.domain.ids import new_id
from internal.ports.repository.idempotency import StoredAnswer
from internal.ports.repository.repository import Repository, Tables

KEPT_SECONDS = 24 * 3600

T = TypeVar("T")

Identity = tuple[Any, ...]
"""The meaning of a request, as values that can be written as JSON."""


class IdempotencyKey(Struct, frozen=True):
    """A client's key for one route. A request that makes no progress for `lease_seconds` loses its lock on it."""

    owner: str
    route: str
    key: str
    lease_seconds: float


class IdempotencyLock(Generic[T]):
    """A key that this request has locked. `render` makes the answer's bytes of the use case's result."""

    def __init__(self, key: IdempotencyKey, render: Callable[[T], bytes]) -> None:
        self._key = key
        self._render = render
        self._id = new_id()
        self.answer: bytes | None = None
        """The answer that is stored with the key, once there is one."""

    async def acquire(self, tables: Tables) -> StoredAnswer | None:
        """Lock the key; None if it is new. Raises IdempotencyInProgress if another request has locked it."""
        key = self._key
        stored = await tables.idempotency.begin(*self._path, lock_id=self._id, lease_seconds=key.lease_seconds)
        if stored is not None and stored.answer is None:
            raise IdempotencyInProgress
        return stored

    async def extend(self, tables: Tables) -> None:
        """Extend the lease."""
        await tables.idempotency.extend(*self._path, lock_id=self._id, lease_seconds=self._key.lease_seconds)

    async def complete(self, work: Tables, identity: Identity, result: T) -> None:
        """Render the result and store it with the key, in the transaction `work`.

        Raises DeadlinePassed if the lease is lost, so that the transaction rolls back.
        """
        answer = self._render(result)
        if not await work.idempotency.complete(*self._path, lock_id=self._id, fingerprint=fingerprint(identity), answer=answer):
            raise DeadlinePassed
        self.answer = answer

    async def release(self, tables: Tables) -> None:
        """Give the key up after an error. If the database can't be reached, it is free when the lease ends."""
        with contextlib.suppress(ServiceError):
            await asyncio.shield(tables.idempotency.release(*self._path, lock_id=self._id))

    @property
    def _path(self) -> tuple[str, str, str]:
        return self._key.owner, self._key.route, self._key.key


async def with_idempotency_lock(
    repository: Repository,
    key: IdempotencyKey | None,
    use_case: Callable[[IdempotencyLock[T] | None], Awaitable[T]],
    identity: Callable[[], Awaitable[Identity]],
    render: Callable[[T], bytes],
) -> bytes:
    """The rendered result of `use_case`, or the stored answer of the same request.

    `use_case` completes the lock in its own transaction. `identity` reads the request without carrying it out. Raises
    IdempotencyInProgress while another request has locked the key, IdempotencyConflict if the key belongs to another request.
    """
    if key is None:
        return render(await use_case(None))
    async with _locked(repository, IdempotencyLock(key, render)) as (lock, stored):
        if stored is not None:
            return _replay(stored, await identity())
        result = await use_case(lock)
        return lock.answer or render(result)


async def run_idempotent(
    repository: Repository,
    key: IdempotencyKey | None,
    use_case: Callable[[Tables], Awaitable[T]],
    identity: Identity,
    render: Callable[[T], bytes],
) -> bytes:
    """`with_idempotency_lock` for a use case that is one transaction, and whose request has been read."""

    async def transact(lock: IdempotencyLock[T] | None) -> T:
        async with repository.transaction() as work:
            result = await use_case(work)
            if lock:
                await lock.complete(work, identity, result)
            return result

    async def known() -> Identity:
        return identity

    return await with_idempotency_lock(repository, key, transact, known, render)


def fingerprint(identity: Identity) -> str:
    """SHA-256 of what a request means, in hexadecimal."""
    return hashlib.sha256(msgspec.json.encode(identity, order="deterministic")).hexdigest()


@asynccontextmanager
async def _locked(
    repository: Repository, lock: IdempotencyLock[T]
) -> AsyncIterator[tuple[IdempotencyLock[T], StoredAnswer | None]]:
    """Lock the key while the block runs. An error that leaves the block releases it."""
    stored = await lock.acquire(repository)
    try:
        yield lock, stored
    except BaseException:
        await lock.release(repository)
        raise


def _replay(stored: StoredAnswer, identity: Identity) -> bytes:
    """The stored answer. Raises IdempotencyConflict if it belongs to another request."""
    if stored.answer is None or stored.fingerprint != fingerprint(identity):
        raise IdempotencyConflict
    return stored.answer
