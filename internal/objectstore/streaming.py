"""Streaming of an open object block by block, with the blocking reads in threads. Both adapters use it."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Protocol

from internal.objectstore.threads import Threads
from internal.ports.object_store import ObjectStream


class BlockReader(Protocol):
    """An open object. `first` is its first block, `left` the number of unread bytes, `size` the size of the whole object."""

    first: bytes
    left: int
    size: int

    def read(self) -> bytes:
        """Read the next block. Raises StoreUnavailable if there is none."""

    def close(self) -> None:
        """Release the file or connection. Repeated calls are safe."""


@asynccontextmanager
async def stream(threads: Threads, open_object: Callable[[], BlockReader]) -> AsyncIterator[ObjectStream]:
    """Open the object and read its first block in one call to a thread, and further blocks on demand. Closes it at the end."""
    reader = await threads.run(open_object, undo=_close)
    try:
        async with aclosing(_chunks(threads, reader)) as chunks:
            yield ObjectStream(size=reader.size, chunks=chunks)
    finally:
        reader.close()


async def _chunks(threads: Threads, reader: BlockReader) -> AsyncGenerator[bytes, None]:
    chunk = reader.first
    while chunk:
        yield chunk
        chunk = await threads.run(reader.read) if reader.left else b""


def _close(reader: BlockReader) -> None:
    reader.close()
