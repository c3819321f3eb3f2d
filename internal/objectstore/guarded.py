"""Object store behind circuit breakers: while the store is down, calls fail immediately with StoreUnavailable (G6)."""

from collections.abc import AsyncIterable, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from internal.ports.object_store import ByteRange, ObjectInfo, ObjectStore, ObjectStream
from internal.runtime.circuit_breaker import CircuitBreaker


class GuardedStore:
    """Wrapper of `store` with the same contract. `check` bypasses the circuits.

    Reading and writing have separate circuits, because a full store can still be read.
    """

    def __init__(self, store: ObjectStore, reader: CircuitBreaker, writing: CircuitBreaker) -> None:
        self._store, self._reading, self._writing = store, reader, writing

    async def put(self, key: str, content: AsyncIterable[bytes], *, content_type: str) -> ObjectInfo:
        async with self._writing.guard():
            return await self._store.put(key, content, content_type=content_type)

    @asynccontextmanager
    async def get(self, key: str, byte_range: ByteRange | None = None) -> AsyncIterator[ObjectStream]:
        async with AsyncExitStack() as stack:
            async with self._reading.guard():  # not during the reads: a slow client says nothing about the store
                stream = await stack.enter_async_context(self._store.get(key, byte_range))
            yield stream

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
