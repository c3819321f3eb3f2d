"""Reading an object in threads, a block at a time: what both stores do alike once they have opened it."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Protocol

from internal.objectstore.threads import Threads
from internal.ports.object_store import ObjectStream


class Reading(Protocol):
    """An open object, its `first` block already read; `left` counts the bytes still to come, `size` the whole object's."""

    first: bytes
    left: int
    size: int

    def read(self) -> bytes:
        """The next block. Raises StoreUnavailable where it is missing."""

    def close(self) -> None:
        """Give file or connection back; may be called again."""


@asynccontextmanager
async def opened(threads: Threads, open_object: Callable[[], Reading]) -> AsyncIterator[ObjectStream]:
    """Open and read the first block in one hop, and the rest as it is asked for; closed however the block ends."""
    reading = await threads.run(open_object, undo=_close)
    try:
        async with aclosing(_chunks(threads, reading)) as chunks:
            yield ObjectStream(size=reading.size, chunks=chunks)
    finally:
        reading.close()


async def _chunks(threads: Threads, reading: Reading) -> AsyncGenerator[bytes, None]:
    chunk = reading.first
    while chunk:
        yield chunk
        chunk = await threads.run(reading.read) if reading.left else b""


def _close(reading: Reading) -> None:
    reading.close()
