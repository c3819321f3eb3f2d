"""Object store that is used only while it is the one that belongs to the database.

A folder that is not mounted, a bucket with another name, or an emptied or partly restored store would accept uploads that are
lost later, and report every older picture as missing. So the store and the database have the same id. A store with another id, or
with none, raises StoreUnavailable: an outage, which fails no picture and ends when the right store is back.
"""

import time
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from uuid import UUID

import structlog

from internal.domain.errors import DatabaseUnavailable, ObjectNotFound, ObjectUnreadable, StoreUnavailable, WrongStore
from internal.observability import metrics
from internal.ports.object_store import ByteRange, IdentifiableStore, ObjectInfo, ObjectStream

log = structlog.get_logger(__name__)

CONFIRMED_SECONDS = 30.0
"""How long a confirmed store is used without another check, unless it fails meanwhile."""


class IdentifiedStore:
    """Wrapper of `store` with the same contract. `expected` returns the database's id, or None while it has none.

    The id is checked before the first call, after each StoreUnavailable, before ObjectNotFound is raised, at `check`, and every
    CONFIRMED_SECONDS. The filesystem adapter also checks on each call that its folder is still the same.

    INVARIANT: nothing is stored in another store, and only the right store can raise ObjectNotFound
    (tests/integration/test_store_identity.py::test_another_store_is_an_outage).
    """

    def __init__(self, store: IdentifiableStore, expected: Callable[[], Awaitable[UUID | None]]) -> None:
        self._store = store
        self._expected = expected
        self._id: UUID | None = None
        self._confirmed_until = 0.0
        self._logged: str | None = None

    async def put(self, key: str, content: AsyncIterable[bytes], *, content_type: str) -> ObjectInfo:
        async with self._confirmed():
            return await self._store.put(key, content, content_type=content_type)

    @asynccontextmanager
    async def get(self, key: str, byte_range: ByteRange | None = None) -> AsyncIterator[ObjectStream]:
        async with self._confirmed(), self._unreadable_checked(key), self._store.get(key, byte_range) as stream:
            yield stream

    async def delete(self, key: str) -> None:
        async with self._confirmed():
            await self._store.delete(key)

    async def stat(self, key: str) -> ObjectInfo:
        async with self._confirmed(), self._unreadable_checked(key):
            return await self._store.stat(key)

    async def keys(self) -> AsyncIterator[ObjectInfo]:
        async with self._confirmed():
            async for stored in self._store.keys():
                yield stored

    async def check(self) -> None:
        await self._confirm()
        await self._store.check()  # this one writes, so it comes second

    @asynccontextmanager
    async def _confirmed(self) -> AsyncIterator[None]:
        if time.monotonic() >= self._confirmed_until:
            await self._confirm()
        try:
            yield
        except ObjectNotFound:
            await self._confirm()  # an emptied store must not look like a lost object
            raise
        except StoreUnavailable:
            self._confirmed_until = 0.0
            raise

    @asynccontextmanager
    async def _unreadable_checked(self, key: str) -> AsyncIterator[None]:
        """Turn ObjectUnreadable into StoreUnavailable if the store can't read its id either: then the object is not the cause.

        INVARIANT: one unreadable object is no outage of the store, and the others stay readable
        (tests/integration/test_damaged_objects.py::test_an_unreadable_object_stops_no_other).
        """
        try:
            yield
        except ObjectUnreadable as error:
            try:
                await self._compare_ids()
            except StoreUnavailable:
                raise StoreUnavailable from error
            metrics.UNREADABLE.inc()
            log.error("object.unreadable", key=key, cause=repr(error.__cause__))
            raise

    async def _confirm(self) -> None:
        """Raise StoreUnavailable unless this is the right store. Concurrent calls use the earlier confirmation meanwhile."""
        if self._confirmed_until:
            self._confirmed_until = time.monotonic() + CONFIRMED_SECONDS
        try:
            await self._compare_ids()
        except StoreUnavailable as error:
            self._confirmed_until = 0.0
            if isinstance(error, WrongStore) and self._logged != error.detail:
                self._logged = error.detail
                log.error("store.wrong", expected=str(self._id), found=str(error.found), detail=error.detail)
            raise
        if self._logged is not None:
            self._logged = None
            log.info("store.right_again", id=str(self._id))
        self._confirmed_until = time.monotonic() + CONFIRMED_SECONDS

    async def _compare_ids(self) -> None:
        known = self._id or await self._expected_id()
        try:
            await self._store.confirm(known)
        except ObjectUnreadable as error:
            raise StoreUnavailable from error
        except WrongStore:
            self._id = await self._expected_id()
            if self._id == known:
                raise
            await self._store.confirm(self._id)  # the store was adopted since the database's id was read
        else:
            self._id = known

    async def _expected_id(self) -> UUID:
        try:
            expected = await self._expected()
        except DatabaseUnavailable as error:
            raise StoreUnavailable(
                "The database does not answer, so it is unknown whether this is the right object store."
            ) from error
        if expected is None:
            raise WrongStore(
                "The database has no object store yet. `make migrate` and `make run` assign one, or say why they can't."
            )
        return expected
