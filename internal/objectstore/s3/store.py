"""The object store on MinIO or any other S3-compatible server, through minio-py.

minio-py is synchronous, so its calls run in a pool of threads, and only calls that carry bytes already here: a slow client holds
no thread. `put` gathers up to one part (8 MiB) in memory and sends it in one request; what is longer becomes a multipart upload,
one part on its way while the next is gathered, so a put takes two parts of memory at any size.

What the key needs to be allowed is written down once, as the policy in account.py; `create_bucket` also needs CreateBucket.
"""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from uuid import UUID

from internal.domain.errors import StoreUnavailable, WrongStore
from internal.domain.keys import check_key
from internal.objectstore.reading import opened
from internal.objectstore.s3.bucket import Bucket
from internal.objectstore.s3.settings import MinioSettings
from internal.objectstore.threads import Threads, open_threads, shielded
from internal.ports.object_store import ByteRange, IdentifiableStore, ObjectInfo, ObjectStream

PART = 8 * 2**20


@asynccontextmanager
async def open_minio_store(settings: MinioSettings, *, part_size: int = PART) -> AsyncIterator[IdentifiableStore]:
    """The store in one bucket; nothing is asked of the server yet.

    `part_size`, in bytes and at least S3's 5 MiB, is the longest content that goes in one request.
    """
    bucket = Bucket.at(settings, count=settings.threads)
    try:
        async with open_threads(settings.threads, "minio-store") as threads:
            yield MinioStore(bucket, threads, part_size)
    finally:
        bucket.close()


async def create_bucket(settings: MinioSettings) -> None:
    """Make the bucket unless it is there, as root where that is given. Safe to repeat and to race. Raises StoreUnavailable."""
    bucket = Bucket.at(settings, count=1, key=settings.root)
    try:
        async with open_threads(1, "minio-bucket") as threads:
            await threads.run(partial(bucket.create, settings.region))
    finally:
        bucket.close()


class MinioStore:
    """ObjectStore in a bucket."""

    def __init__(self, bucket: Bucket, threads: Threads, part_size: int) -> None:
        self._bucket = bucket
        self._threads = threads
        self._part_size = part_size

    async def put(self, key: str, content: AsyncIterable[bytes], *, content_type: str) -> ObjectInfo:
        upload = _Upload(self._bucket, self._threads, check_key(key), content_type)
        gathered = bytearray()
        try:
            async for chunk in content:
                upload.raise_if_failed()
                rest = memoryview(chunk)
                while (room := self._part_size - len(gathered)) < len(rest):
                    gathered += rest[:room]
                    rest = rest[room:]
                    await upload.send(gathered)
                    gathered = bytearray()
                gathered += rest
            return await upload.finish(gathered)
        except BaseException:
            await shielded(upload.abandon())
            raise

    @asynccontextmanager
    async def get(self, key: str, span: ByteRange | None = None) -> AsyncIterator[ObjectStream]:
        check_key(key)
        async with opened(self._threads, partial(self._bucket.open, key, span)) as content:
            yield content

    async def delete(self, key: str) -> None:
        check_key(key)
        await self._threads.run(partial(self._bucket.remove, key))

    async def stat(self, key: str) -> ObjectInfo:
        check_key(key)
        return await self._threads.run(partial(self._bucket.stat, key))

    async def keys(self) -> AsyncIterator[ObjectInfo]:
        pages = self._bucket.pages()
        while page := await self._threads.run(partial(next, pages, None)):
            for stored in page:
                yield stored

    async def check(self) -> None:
        await self._threads.run(self._bucket.check)

    async def read_id(self) -> UUID | None:
        return await self._threads.run(self._bucket.read_id)

    async def write_id(self, store_id: UUID) -> None:
        await self._threads.run(partial(self._bucket.write_id, store_id))

    async def confirm(self, store_id: UUID) -> None:
        found = await self.read_id()
        if found != store_id:
            raise WrongStore(found=found)


class _Upload:
    """One put. Parts go one at a time; the first that is sent makes it a multipart upload."""

    def __init__(self, bucket: Bucket, threads: Threads, key: str, content_type: str) -> None:
        self._bucket = bucket
        self._threads = threads
        self._key = key
        self._content_type = content_type
        self._id = ""
        self._etags: list[str] = []
        self._sending: asyncio.Task[str] | None = None
        self._size = 0

    async def send(self, part: bytearray) -> None:
        """Start to send a part, once the one before has arrived."""
        if not self._id:
            self._id = await self._threads.run(
                partial(self._bucket.begin_upload, self._key, self._content_type),
                undo=partial(self._bucket.abort_upload, self._key),
            )
        await self._arrived()
        self._size += len(part)
        call = partial(self._bucket.put_part, self._key, self._id, len(self._etags) + 1, part)
        self._sending = asyncio.create_task(self._threads.run(call))

    def raise_if_failed(self) -> None:
        """Raise what became of the part on its way, so that a slow client hears of it with its next bytes."""
        if self._sending is not None and self._sending.done():
            self._sending.result()

    async def finish(self, rest: bytearray) -> ObjectInfo:
        if not self._id:
            self._size = len(rest)
            call = partial(self._bucket.put, self._key, rest, self._content_type)
        else:
            await self.send(rest)
            await self._arrived()
            call = partial(self._bucket.complete_upload, self._key, self._id, self._etags, self._size)
        await self._threads.run(call, undo=lambda _: self._bucket.remove(self._key))
        return ObjectInfo(self._key, self._size)

    async def abandon(self) -> None:
        """Leave nothing behind. A server that is gone keeps the parts until `delete`: nothing is raised for that."""
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.wait({self._sending})
            if not self._sending.cancelled():
                self._sending.exception()  # else asyncio logs that nobody looked at it
        if self._id:
            with suppress(StoreUnavailable):
                await self._threads.run(partial(self._bucket.abort_upload, self._key, self._id))

    async def _arrived(self) -> None:
        if self._sending is not None:
            self._etags.append(await self._sending)
            self._sending = None
