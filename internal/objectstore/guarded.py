"""An object store behind a circuit breaker: one that is down answers StoreUnavailable at once (G6)."""

from collections.abc import AsyncIterable, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from internal.ports.object_store import ByteRange, ObjectInfo, ObjectStore, ObjectStream
from internal.runtime.circuit_breaker import CircuitBreaker


class GuardedStore:
    """The port's promises are those of `store`. `check` asks the store itself, for whoever wants to know how it is.

    Reading and writing have a circuit each: a store that is full still gives out what it has.
    """

    def __init__(self, store: ObjectStore, reading: CircuitBreaker, writing: CircuitBreaker) -> None:
        self._store, self._reading, self._writing = store, reading, writing

    async def put(self, key: str, content: AsyncIterable[bytes], *, content_type: str) -> ObjectInfo:
        async with self._writing.guard():
            return await self._store.put(key, content, content_type=content_type)

    @asynccontextmanager
    async def get(self, key: str, span: ByteRange | None = None) -> AsyncIterator[ObjectStream]:
        async with AsyncExitStack() as stack:
            async with self._reading.guard():  # not while it is read: a slow client tells nothing of the store
                opened = await stack.enter_async_context(self._store.get(key, span))
            yield opened

    async def delete(self, key: str) -> None:
        async with self._writing.guard():
            await self._store.delete(key)

    async def stat(self, key: str) -> ObjectInfo:
        async with self._reading.guard():
            return await self._store.stat(key)

    def keys(self) -> AsyncIterator[ObjectInfo]:
        return self._store.keys()

    async def check(self) -> None:
        await self._store.check()
