"""Object store adapter for a folder of the local file system, for `make run` and single machines. folder.py has its layout."""

from collections.abc import AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from uuid import UUID

from internal.domain.errors import StoreUnavailable
from internal.domain.keys import check_key
from internal.objectstore.filesystem.folder import BLOCK, FileReader, FileWriter, Folder
from internal.objectstore.streaming import stream
from internal.objectstore.threads import Threads, open_threads, shielded
from internal.ports.object_store import ByteRange, IdentifiableStore, ObjectInfo, ObjectStream


@asynccontextmanager
async def open_filesystem_store(root: Path, *, threads: int = 8) -> AsyncIterator[IdentifiableStore]:
    """Open the store in `root`. At most `threads` calls run at once. A missing folder is not created: it may be mounted later."""
    async with open_threads(threads, "filesystem-store") as pool:
        folder = Folder(root)
        with suppress(StoreUnavailable):
            await pool.run(folder.clean)
        yield FilesystemStore(folder, pool)


async def create_folder(root: Path) -> None:
    """Create missing folders of the store. Repeated and concurrent calls are safe. Raises StoreUnavailable."""
    async with open_threads(1, "filesystem-folder") as threads:
        await threads.run(Folder(root).create)


class FilesystemStore:
    """ObjectStore in a folder. It does not store content types: the database has them."""

    def __init__(self, folder: Folder, threads: Threads) -> None:
        self._folder = folder
        self._threads = threads

    async def put(self, key: str, content: AsyncIterable[bytes], *, content_type: str) -> ObjectInfo:  # noqa: ARG002
        writer = FileWriter(self._folder, check_key(key))
        block = bytearray()
        try:
            async for chunk in content:
                block += chunk
                if len(block) >= BLOCK:
                    await self._threads.run(partial(writer.write, block))
                    block = bytearray()
            return await self._threads.run(partial(writer.finish, block), undo=lambda _: self._folder.remove(key))
        except BaseException:
            with suppress(StoreUnavailable):
                await shielded(self._threads.run(writer.discard))
            raise

    @asynccontextmanager
    async def get(self, key: str, byte_range: ByteRange | None = None) -> AsyncIterator[ObjectStream]:
        check_key(key)
        async with stream(self._threads, partial(FileReader, self._folder, key, byte_range)) as content:
            yield content

    async def delete(self, key: str) -> None:
        check_key(key)
        await self._threads.run(partial(self._folder.remove, key))

    async def stat(self, key: str) -> ObjectInfo:
        check_key(key)
        return await self._threads.run(partial(self._folder.stat, key))

    async def keys(self) -> AsyncIterator[ObjectInfo]:
        for shard in await self._threads.run(self._folder.shards):
            for stored in await self._threads.run(partial(self._folder.objects, shard)):
                yield stored

    async def check(self) -> None:
        await self._threads.run(self._folder.probe)

    async def read_id(self) -> UUID | None:
        return await self._threads.run(self._folder.read_id)

    async def write_id(self, store_id: UUID) -> None:
        await self._threads.run(partial(self._folder.write_id, store_id))

    async def confirm(self, store_id: UUID) -> None:
        await self._threads.run(partial(self._folder.confirm, store_id))
