"""Object store adapter for MinIO and other S3-compatible servers, through minio-py.

minio-py is synchronous, so its calls run in threads, and only for bytes that have arrived: a slow client holds no thread. `put`
collects up to one part (8 MiB) in memory and sends it in one request. Longer content becomes a multipart upload, which sends one
part while it collects the next; so a put takes two parts of memory, whatever its size.

The policy in account.py lists the permissions that the key needs. `create_bucket` also needs CreateBucket.
"""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from uuid import UUID

from internal.domain.errors import StoreUnavailable, WrongStore
from internal.domain.keys import check_key
from internal.objectstore.s3.bucket import Bucket
from internal.objectstore.s3.settings import MinioSettings
from internal.objectstore.streaming import stream
from internal.objectstore.threads import Threads, open_threads, shielded
from internal.ports.object_store import ByteRange, IdentifiableStore, ObjectInfo, ObjectStream

PART = 8 * 2**20


@asynccontextmanager
async def open_minio_store(settings: MinioSettings, *, part_size: int = PART) -> AsyncIterator[IdentifiableStore]:
    """Open the store in one bucket, without a request to the server.

    `part_size` is the longest content of one request, in bytes. S3 requires at least 5 MiB.
    """
    bucket = Bucket.at(settings, count=settings.threads)
    try:
        async with open_threads(settings.threads, "minio-store") as threads:
            yield MinioStore(bucket, threads, part_size)
    finally:
        bucket.close()


async def create_bucket(settings: MinioSettings) -> None:
    """Create the bucket if it is missing, as root if root's key is set. Repeated and concurrent calls are safe.

    Raises StoreUnavailable.
    """
    bucket = Bucket.at(settings, count=1, key=settings.root)
    try:
        async with open_threads(1, "minio-bucket") as threads:
            await threads.run(partial(bucket.create, settings.region))
    finally:
        bucket.close()


class MinioStore:
    """ObjectStore in an S3 bucket."""

    def __init__(self, bucket: Bucket, threads: Threads, part_size: int) -> None:
        self._bucket = bucket
        self._threads = threads
        self._part_size = part_size

    async def put(self, key: str, content: AsyncIterable[bytes], *, content_type: str) -> ObjectInfo:
        upload = _Upload(self._bucket, self._threads, check_key(key), content_type)
        part = bytearray()
        try:
            async for chunk in content:
                upload.raise_if_failed()
                rest = memoryview(chunk)
                while (free := self._part_size - len(part)) < len(rest):
                    part += rest[:free]
                    rest = rest[free:]
                    await upload.send(part)
                    part = bytearray()
                part += rest
            return await upload.finish(part)
        except BaseException:
            await shielded(upload.abort())
            raise

    @asynccontextmanager
    async def get(self, key: str, byte_range: ByteRange | None = None) -> AsyncIterator[ObjectStream]:
        check_key(key)
        async with stream(self._threads, partial(self._bucket.open, key, byte_range)) as content:
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
    """One put. Parts are sent one at a time; the first one starts a multipart upload."""

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
        """Start sending a part, after the previous one has arrived."""
        if not self._id:
            self._id = await self._threads.run(
                partial(self._bucket.begin_upload, self._key, self._content_type),
                undo=partial(self._bucket.abort_upload, self._key),
            )
        await self._await_part()
        self._size += len(part)
        call = partial(self._bucket.put_part, self._key, self._id, len(self._etags) + 1, part)
        self._sending = asyncio.create_task(self._threads.run(call))

    def raise_if_failed(self) -> None:
        """Raise the error of the part that is being sent, so that a slow client gets it with its next bytes."""
        if self._sending is not None and self._sending.done():
            self._sending.result()

    async def finish(self, rest: bytearray) -> ObjectInfo:
        if not self._id:
            self._size = len(rest)
            call = partial(self._bucket.put, self._key, rest, self._content_type)
        else:
            await self.send(rest)
            await self._await_part()
            call = partial(self._bucket.complete_upload, self._key, self._id, self._etags, self._size)
        await self._threads.run(call, undo=lambda _: self._bucket.remove(self._key))
        return ObjectInfo(self._key, self._size)

    async def abort(self) -> None:
        """Remove what was sent. Never raises: if the server is down, it keeps the parts until `delete`."""
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.wait({self._sending})
            if not self._sending.cancelled():
                self._sending.exception()  # otherwise asyncio logs an exception that was never retrieved
        if self._id:
            with suppress(StoreUnavailable):
                await self._threads.run(partial(self._bucket.abort_upload, self._key, self._id))

    async def _await_part(self) -> None:
        if self._sending is not None:
            self._etags.append(await self._sending)
            self._sending = None
