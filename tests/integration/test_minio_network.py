"""The minio adapter over a network that fails: a proxy before a real S3 server cuts, drops and falls silent."""

import asyncio
import time
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from minio.error import InvalidResponseError
from msgspec.structs import replace

from internal.errors import StoreUnavailable
from internal.images.keys import original_key
from internal.objectstore.bucket import Reading
from internal.objectstore.minio import create_bucket, open_minio_store
from internal.objectstore.port import ObjectStore
from tests.services.kinds import S3Service
from tests.services.proxy import Proxy, open_proxy
from tests.services.waiting import eventually

MIB = 2**20
PATIENCE = 0.4  # seconds that the store under test waits for the server's next bytes


@pytest.fixture
async def proxy(s3: S3Service) -> AsyncIterator[Proxy]:
    async with open_proxy(s3.host, s3.port) as proxy:
        yield proxy


@pytest.fixture
async def store(s3: S3Service, bucket: str, proxy: Proxy) -> AsyncIterator[ObjectStore]:
    settings = replace(s3.settings(bucket), host="127.0.0.1", port=proxy.port, threads=2, timeout_seconds=PATIENCE)
    async with open_minio_store(replace(settings, connect_seconds=PATIENCE)) as store:
        yield store


@pytest.fixture
def key() -> str:
    return original_key(uuid4())


async def content(size: int) -> AsyncIterator[bytes]:
    for _ in range(0, size, 2**16):
        yield bytes(2**16)


async def test_a_body_that_breaks_off_never_passes_for_the_whole(store: ObjectStore, proxy: Proxy, key: str) -> None:
    await store.put(key, content(4 * MIB), content_type="image/jpeg")
    proxy.cut_after = 2 * MIB + MIB // 2
    received = 0

    async with store.get(key) as opened:
        with pytest.raises(StoreUnavailable):  # noqa: PT012  # the chunks before the cut do come
            async for chunk in opened.chunks:
                received += len(chunk)

    assert received < opened.size == 4 * MIB
    proxy.cut_after = None
    assert (await store.stat(key)).size == 4 * MIB


async def test_a_silent_server_is_unavailable_in_time_and_welcome_back(store: ObjectStore, proxy: Proxy, key: str) -> None:
    await store.put(key, content(MIB), content_type="image/jpeg")
    proxy.silent = True
    began = time.monotonic()
    for call in (store.stat(key), store.put(key, content(MIB), content_type="image/jpeg"), store.check()):
        with pytest.raises(StoreUnavailable):
            await call
    assert time.monotonic() - began < 3 * PATIENCE + 1  # a wait each: nothing is tried again after a timeout

    proxy.silent = False

    assert (await store.stat(key)).size == MIB


async def test_a_kept_connection_that_the_server_dropped_is_replaced(store: ObjectStore, proxy: Proxy, key: str) -> None:
    await store.put(key, content(MIB), content_type="image/jpeg")
    proxy.drop_next = True

    assert (await store.stat(key)).size == MIB
    assert not proxy.drop_next


async def test_a_cancelled_call_is_waited_for(store: ObjectStore, proxy: Proxy, key: str) -> None:
    """Else the store's threads would go on behind its back, and what a put was undoing could still come about."""
    proxy.silent = True
    before = proxy.requests
    began = time.monotonic()
    asking = asyncio.create_task(store.stat(key))
    await eventually(lambda: proxy.requests > before)
    asking.cancel()

    with pytest.raises(asyncio.CancelledError):
        await asking

    assert time.monotonic() - began >= PATIENCE


async def test_a_call_that_still_queues_is_cancelled_at_once(store: ObjectStore, proxy: Proxy, key: str) -> None:
    proxy.silent = True
    busy = [asyncio.create_task(store.stat(key)) for _ in range(2)]
    queued = asyncio.create_task(store.stat(key))
    await asyncio.sleep(0)
    queued.cancel()

    with pytest.raises(asyncio.CancelledError):
        await queued

    assert not any(task.done() for task in busy)
    await asyncio.gather(*busy, return_exceptions=True)


async def test_a_failed_part_ends_the_put_with_the_clients_next_bytes(store: ObjectStore, proxy: Proxy, key: str) -> None:
    given = 0

    async def until_it_fails() -> AsyncIterator[bytes]:
        nonlocal given
        async for chunk in content(9 * MIB):
            yield chunk
        proxy.silent = True
        while True:  # less than a part: nothing but the failure ends this
            await asyncio.sleep(PATIENCE / 4)
            given += 1
            yield b"1"

    async with asyncio.timeout(10):
        with pytest.raises(StoreUnavailable):
            await store.put(key, until_it_fails(), content_type="image/jpeg")
    assert given < 20


async def test_delete_aborts_what_a_put_could_not(s3: S3Service, bucket: str, store: ObjectStore, proxy: Proxy, key: str) -> None:
    client = s3.client()
    upload = client._create_multipart_upload(bucket, key, {})
    client._upload_part(bucket, key, b"1", None, upload, 1)

    await store.delete(key)

    with pytest.raises(Exception, match="NoSuchUpload"):
        client._upload_part(bucket, key, b"2", None, upload, 2)


async def test_an_abort_survives_a_second_cancellation(
    s3: S3Service, bucket: str, store: ObjectStore, proxy: Proxy, key: str
) -> None:
    """While it still waits for a thread, too: an impatient shutdown cancels more than once."""
    asked = asyncio.Event()

    async def waiting() -> AsyncIterator[bytes]:
        async for chunk in content(9 * MIB):
            yield chunk
        asked.set()
        await asyncio.Event().wait()

    putting = asyncio.create_task(store.put(key, waiting(), content_type="image/jpeg"))
    await asked.wait()
    proxy.silent = True
    busy = [asyncio.create_task(store.stat(key)) for _ in range(2)]
    for _ in range(3):
        await asyncio.sleep(0)
        putting.cancel()
    await asyncio.gather(*busy, return_exceptions=True)
    proxy.silent = False
    with pytest.raises(asyncio.CancelledError):
        await putting

    try:
        assert s3.client()._list_multipart_uploads(bucket, prefix=key).uploads == []
    except InvalidResponseError as error:
        if "NoSuchUpload" not in str(error):  # rclone's way to say that there is none
            raise


@pytest.mark.parametrize("taken", [0, 1, 4])
async def test_every_reader_closes_its_answer_once(
    store: ObjectStore, key: str, taken: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CPython would close a forgotten one soon enough, but when is nobody's promise."""
    closed: list[Reading] = []
    close = Reading.close

    def counted(reading: Reading) -> None:
        closed.append(reading)
        close(reading)

    monkeypatch.setattr(Reading, "close", counted)
    await store.put(key, content(4 * MIB), content_type="image/jpeg")

    async with store.get(key) as opened:
        for _ in range(taken):
            await anext(opened.chunks)

    assert len(closed) == 1


async def test_a_missing_bucket_is_an_outage_until_it_is_created(s3: S3Service, key: str) -> None:
    name = f"missing-{uuid4().hex[:12]}"
    settings = s3.settings(name)
    async with open_minio_store(settings) as store:
        for call in (store.check(), store.stat(key), store.put(key, content(1), content_type="image/jpeg")):
            with pytest.raises(StoreUnavailable):
                await call

        await asyncio.gather(*(create_bucket(settings) for _ in range(4)))

        await store.check()
    s3.client().remove_bucket(name)
