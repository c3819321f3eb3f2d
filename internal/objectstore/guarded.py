"""An object store behind a circuit breaker: one that is down answers StoreUnavailable at once (G6)."""

from collections.abc import AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager

from internal.breaker import Breaker
from internal.objectstore.port import ObjectStore, Opened, Span, Stored


class GuardedStore:
    """The port's promises are those of `store`. `check` asks the store itself: it is how we learn that it is back."""

    def __init__(self, store: ObjectStore, breaker: Breaker) -> None:
        self._store, self._breaker = store, breaker

    async def put(self, key: str, content: AsyncIterable[bytes], *, content_type: str) -> Stored:
        async with self._breaker.guard():
            return await self._store.put(key, content, content_type=content_type)

    @asynccontextmanager
    async def get(self, key: str, span: Span | None = None) -> AsyncIterator[Opened]:
        async with self._breaker.guard(), self._store.get(key, span) as opened:
            yield opened

    async def delete(self, key: str) -> None:
        async with self._breaker.guard():
            await self._store.delete(key)

    async def stat(self, key: str) -> Stored:
        async with self._breaker.guard():
            return await self._store.stat(key)

    def keys(self) -> AsyncIterator[Stored]:
        return self._store.keys()

    async def check(self) -> None:
        await self._store.check()
