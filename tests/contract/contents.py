"""Contents that the object store suites put and read."""

from collections.abc import AsyncIterator

from internal.ports.object_store import ByteRange, ObjectStore

MIB = 2**20
JPEG = "image/jpeg"


async def chunks(*content: bytes) -> AsyncIterator[bytes]:
    for chunk in content:
        yield chunk


async def long(mebibytes: int) -> AsyncIterator[bytes]:
    """Yield a number of different MiB, in chunks of 64 KiB that are made on demand."""
    for number in range(mebibytes * 16):
        yield number.to_bytes(4, "big") * (MIB // 64)


async def read(store: ObjectStore, key: str, byte_range: ByteRange | None = None) -> bytes:
    async with store.get(key, byte_range) as stream:
        return b"".join([chunk async for chunk in stream.chunks])


async def stored_keys(store: ObjectStore) -> set[str]:
    return {stored.key async for stored in store.keys()}  # noqa: SIM118
