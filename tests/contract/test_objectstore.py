"""Contract suite of internal/ports/object_store.py, for every adapter. The fixture `place` fails a test that leaves anything.

Interruptions and outages are in test_objectstore_interrupted.py.
"""

import asyncio
import tracemalloc
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from internal.domain.errors import ObjectNotFound, WrongStore
from internal.domain.keys import STORE_ID_KEY
from internal.ports.object_store import ByteRange
from tests.contract.conftest import Place
from tests.contract.contents import JPEG, MIB, chunks, long, read, stored_keys
from tests.services.waiting import eventually


@pytest.mark.parametrize("content", [b"", b"1", b"x" * MIB, bytes(range(256)) * 4096 + b"1"])
async def test_what_was_put_is_what_is_got(place: Place, content: bytes) -> None:
    key = place.new_key()

    stored = await place.store.put(key, chunks(content[:1000], content[1000:]), content_type=JPEG)

    assert (stored.key, stored.size) == (key, len(content))
    assert await read(place.store, key) == content
    found = await place.store.stat(key)
    assert (found.key, found.size) == (key, len(content))
    assert found.modified is not None
    assert found.modified.tzinfo is not None


@pytest.mark.parametrize("mebibytes", [8, 20])
async def test_long_content_goes_both_ways_in_bounded_memory(place: Place, mebibytes: int) -> None:
    key = place.new_key()
    await place.store.check()  # first use: imports, connections

    tracemalloc.start()
    try:
        stored = await place.store.put(key, long(mebibytes), content_type=JPEG)
        put_peak = tracemalloc.get_traced_memory()[1]
        await eventually(lambda: tracemalloc.get_traced_memory()[0] < MIB)  # a thread lets go of its last part a moment later
        tracemalloc.reset_peak()
        async with place.store.get(key) as stream:
            assert stream.size == stored.size == mebibytes * MIB
            expected, buffered = long(mebibytes), b""
            async for chunk in stream.chunks:
                assert len(chunk) <= MIB
                buffered += chunk
                while len(buffered) >= MIB // 16:
                    assert buffered[: MIB // 16] == await anext(expected)
                    buffered = buffered[MIB // 16 :]
            assert buffered == b""
            assert await anext(expected, None) is None
        get_peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert put_peak < 22 * MIB  # two parts of 8 MiB, their growth, a chunk; never three
    assert get_peak < 6 * MIB


async def test_a_second_put_replaces_the_first(place: Place) -> None:
    key = place.new_key()
    await place.store.put(key, chunks(b"first, and longer"), content_type=JPEG)
    await place.store.put(key, chunks(b"second"), content_type=JPEG)

    assert await read(place.store, key) == b"second"
    assert await stored_keys(place.store) == {key}


@pytest.mark.parametrize(
    ("start", "stop"), [(0, 10), (100, 200), (2 * MIB - 7, 2 * MIB), (0, 2 * MIB), (5, 2 * MIB + 9), (7, 7), (3 * MIB, 4 * MIB)]
)
async def test_a_byte_range_is_a_slice(place: Place, start: int, stop: int) -> None:
    key = place.new_key()
    content = b"".join([chunk async for chunk in long(2)])
    await place.store.put(key, chunks(content), content_type=JPEG)

    async with place.store.get(key, ByteRange(start, stop)) as stream:
        assert stream.size == len(content)
        assert b"".join([chunk async for chunk in stream.chunks]) == content[start:stop]


async def test_a_range_of_an_empty_object_is_empty(place: Place) -> None:
    key = place.new_key()
    await place.store.put(key, chunks(), content_type=JPEG)

    assert await read(place.store, key, ByteRange(0, 10)) == b""


@pytest.mark.parametrize(("start", "stop"), [(-1, 3), (3, 2)])
def test_an_invalid_range_is_refused(start: int, stop: int) -> None:
    with pytest.raises(ValueError, match="not a byte range"):
        ByteRange(start, stop)


async def test_what_is_not_there_is_not_stored(place: Place) -> None:
    with pytest.raises(ObjectNotFound):
        await read(place.store, place.new_key())
    with pytest.raises(ObjectNotFound):
        await read(place.store, place.new_key(), ByteRange(3, 4))
    with pytest.raises(ObjectNotFound):
        await read(place.store, place.new_key(), ByteRange(4, 4))
    with pytest.raises(ObjectNotFound):
        await place.store.stat(place.new_key())


async def test_delete_deletes_and_again_is_no_error(place: Place) -> None:
    key, other = place.new_key(), place.new_key()
    await place.store.put(key, chunks(b"1"), content_type=JPEG)
    await place.store.put(other, chunks(b"2"), content_type=JPEG)

    await place.store.delete(key)
    await place.store.delete(key)

    assert await stored_keys(place.store) == {other}
    with pytest.raises(ObjectNotFound):
        await read(place.store, key)


ID = "0199aaaa-0000-7000-8000-000000000abc"

BAD_KEYS = [
    "",
    "originals/",
    "originals/../secrets",
    "/etc/passwd",
    f"originals/{ID}/x",
    f"originals/{ID}\n",
    f"renditions/{ID}/1",
    STORE_ID_KEY,
]


@pytest.mark.parametrize("key", BAD_KEYS)
async def test_a_key_that_is_none_is_refused_before_anything_happens(place: Place, key: str) -> None:
    touched = False

    async def content() -> AsyncIterator[bytes]:
        nonlocal touched
        touched = True
        yield b"1"

    with pytest.raises(ValueError, match="not an object key"):
        await place.store.put(key, content(), content_type=JPEG)
    for refused in (lambda: read(place.store, key), lambda: place.store.stat(key), lambda: place.store.delete(key)):
        with pytest.raises(ValueError, match="not an object key"):
            await refused()
    assert not touched


async def test_keys_lists_every_object_once(place: Place) -> None:
    result = f"renditions/{uuid4()}/{uuid4()}/3"
    expected = {place.new_key(): 1, place.new_key(): 2, result: 3}
    for key, size in expected.items():
        await place.store.put(key, chunks(b"x" * size), content_type=JPEG)

    listed = [stored async for stored in place.store.keys()]  # noqa: SIM118

    assert sorted((stored.key, stored.size) for stored in listed) == sorted(expected.items())
    assert all(stored.modified for stored in listed)


async def test_a_store_holds_an_id_that_is_no_picture(place: Place) -> None:
    first, second = uuid4(), uuid4()
    assert await place.store.read_id() is None
    with pytest.raises(WrongStore):
        await place.store.confirm(first)

    for store_id in (first, first, second):
        await place.store.write_id(store_id)

    assert await place.store.read_id() == second
    await place.store.confirm(second)
    with pytest.raises(WrongStore) as wrong:
        await place.store.confirm(first)
    assert wrong.value.found == second
    assert await stored_keys(place.store) == set()
    assert place.unfinished() == []
    await place.store.put(place.new_key(), chunks(b"1"), content_type=JPEG)


async def test_many_at_once(place: Place) -> None:
    keys = [place.new_key() for _ in range(40)]

    async def round_trip(number: int) -> bool:
        content = number.to_bytes(4, "big") * 50_000
        await place.store.put(keys[number], chunks(content), content_type=JPEG)
        return await read(place.store, keys[number]) == content

    assert all(await asyncio.gather(*(round_trip(number) for number in range(len(keys)))))


async def test_a_healthy_store_checks_out(place: Place) -> None:
    await place.store.check()
