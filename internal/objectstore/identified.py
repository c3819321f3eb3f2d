"""An object store that is used only while it is the one that the database belongs to.

A folder that is not mounted, a bucket of another name, a store that was emptied or restored in part: each would take uploads that
nobody finds again, and would call every older picture lost. So the store holds an id, and the database the same one; a store with
another id, or with none, is StoreUnavailable: an outage, which fails no picture and ends by itself when the store is back.
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
"""How long a store that was seen to be the right one is used without another look, unless it fails meanwhile."""


class IdentifiedStore:
    """The port's promises are those of `store`. `expected` gives the id that the database has, or None while it has none.

    The id is asked for before the first call, after each StoreUnavailable, before "not stored" is believed, at `check`, and every
    CONFIRMED_SECONDS. The filesystem adapter also looks at each call whether its folder is still the same.

    INVARIANT: nothing is stored in another store, and "not stored" is said by the right one only
    (tests/integration/test_store_identity.py::test_another_store_is_an_outage).
    """

    def __init__(self, store: IdentifiableStore, expected: Callable[[], Awaitable[UUID | None]]) -> None:
        self._store = store
        self._expected = expected
        self._id: UUID | None = None
        self._confirmed_until = 0.0
        self._told: str | None = None

    async def put(self, key: str, content: AsyncIterable[bytes], *, content_type: str) -> ObjectInfo:
        async with self._confirmed():
            return await self._store.put(key, content, content_type=content_type)

    @asynccontextmanager
    async def get(self, key: str, span: ByteRange | None = None) -> AsyncIterator[ObjectStream]:
        async with self._confirmed(), self._blamed(key), self._store.get(key, span) as opened:
            yield opened

    async def delete(self, key: str) -> None:
        async with self._confirmed():
            await self._store.delete(key)

    async def stat(self, key: str) -> ObjectInfo:
        async with self._confirmed(), self._blamed(key):
            return await self._store.stat(key)

    async def keys(self) -> AsyncIterator[ObjectInfo]:
        async with self._confirmed():
            async for stored in self._store.keys():
                yield stored

    async def check(self) -> None:
        await self._confirm()
        await self._store.check()  # which writes, and so comes second

    @asynccontextmanager
    async def _confirmed(self) -> AsyncIterator[None]:
        if time.monotonic() >= self._confirmed_until:
            await self._confirm()
        try:
            yield
        except ObjectNotFound:
            await self._confirm()  # an emptied store has nothing, and has lost nothing
            raise
        except StoreUnavailable:
            self._confirmed_until = 0.0
            raise

    @asynccontextmanager
    async def _blamed(self, key: str) -> AsyncIterator[None]:
        """Raise StoreUnavailable when the store can't read its id either: then it is not this object's fault.

        INVARIANT: an object that can't be read is no outage of the store, and leaves the others readable
        (tests/integration/test_damaged_objects.py::test_an_object_that_the_store_can_not_read_stops_no_other).
        """
        try:
            yield
        except ObjectUnreadable as error:
            try:
                await self._compare()
            except StoreUnavailable:
                raise StoreUnavailable from error
            metrics.UNREADABLE.inc()
            log.error("object.unreadable", key=key, cause=repr(error.__cause__))
            raise

    async def _confirm(self) -> None:
        """Raise StoreUnavailable unless this is the right store. Others go on meanwhile with what was confirmed before."""
        if self._confirmed_until:
            self._confirmed_until = time.monotonic() + CONFIRMED_SECONDS
        try:
            await self._compare()
        except StoreUnavailable as error:
            self._confirmed_until = 0.0
            if isinstance(error, WrongStore) and self._told != error.detail:
                self._told = error.detail
                log.error("store.wrong", expected=str(self._id), found=str(error.found), detail=error.detail)
            raise
        if self._told is not None:
            self._told = None
            log.info("store.right_again", id=str(self._id))
        self._confirmed_until = time.monotonic() + CONFIRMED_SECONDS

    async def _compare(self) -> None:
        known = self._id or await self._ask()
        try:
            await self._store.confirm(known)
        except ObjectUnreadable as error:
            raise StoreUnavailable from error
        except WrongStore:
            self._id = await self._ask()
            if self._id == known:
                raise
            await self._store.confirm(self._id)  # adopted since the database was asked
        else:
            self._id = known

    async def _ask(self) -> UUID:
        try:
            expected = await self._expected()
        except DatabaseUnavailable as error:
            raise StoreUnavailable(
                "Whether this is the right object store can't be told: the database does not answer."
            ) from error
        if expected is None:
            raise WrongStore(
                "The database does not say yet which object store is its own: `make migrate` and `make run` tell why, or mend it."
            )
        return expected
