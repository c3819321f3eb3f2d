"""Contract suite of the object store under interruption: failing content, cancelled callers, early exits, and outages."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from internal.domain.errors import ObjectNotFound, StoreUnavailable
from tests.contract.conftest import Place
from tests.contract.contents import JPEG, MIB, chunks, long, read, stored_keys
from tests.services.waiting import eventually


@pytest.mark.parametrize("mebibytes", [0, 1, 12, 20])
async def test_content_that_raises_leaves_nothing(place: Place, mebibytes: int) -> None:
    class Gone(Exception):
        pass

    async def breaking() -> AsyncIterator[bytes]:
        async for chunk in long(mebibytes):
            yield chunk
        raise Gone

    with pytest.raises(Gone):
        await place.store.put(place.new_key(), breaking(), content_type=JPEG)

    assert place.unfinished() == place.objects() == []


async def test_a_replacement_that_fails_leaves_what_was_there(place: Place) -> None:
    key = place.new_key()
    await place.store.put(key, chunks(b"first"), content_type=JPEG)

    async def breaking() -> AsyncIterator[bytes]:
        async for chunk in long(9):
            yield chunk
        raise RuntimeError

    with pytest.raises(RuntimeError):
        await place.store.put(key, breaking(), content_type=JPEG)

    assert await read(place.store, key) == b"first"


@pytest.mark.parametrize("mebibytes", [1, 12])
async def test_content_is_not_readable_before_it_is_complete(place: Place, mebibytes: int) -> None:
    key, asked, end = place.new_key(), asyncio.Event(), asyncio.Event()

    async def waiting() -> AsyncIterator[bytes]:
        async for chunk in long(mebibytes):
            yield chunk
        asked.set()
        await end.wait()

    putting = asyncio.create_task(place.store.put(key, waiting(), content_type=JPEG))
    await asked.wait()
    with pytest.raises(ObjectNotFound):
        await place.store.stat(key)
    assert await stored_keys(place.store) == set()
    end.set()
    await putting

    assert (await place.store.stat(key)).size == mebibytes * MIB


@pytest.mark.parametrize("mebibytes", [1, 12, 20])
async def test_a_put_cancelled_while_it_waits_for_content_leaves_nothing(place: Place, mebibytes: int) -> None:
    asked = asyncio.Event()

    async def waiting() -> AsyncIterator[bytes]:
        async for chunk in long(mebibytes):
            yield chunk
        asked.set()
        await asyncio.Event().wait()

    putting = asyncio.create_task(place.store.put(place.new_key(), waiting(), content_type=JPEG))
    await asked.wait()
    putting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await putting

    assert place.unfinished() == place.objects() == []


@pytest.mark.parametrize("mebibytes", [1, 9])
@pytest.mark.parametrize("steps", [0, 1, 2, 3, 5, 20])
async def test_a_cancelled_put_leaves_nothing(place: Place, mebibytes: int, steps: int) -> None:
    """The put is cancelled twice after the content has ended, as by an impatient shutdown."""
    ended = asyncio.Event()

    async def content() -> AsyncIterator[bytes]:
        async for chunk in long(mebibytes):
            yield chunk
        ended.set()

    putting = asyncio.create_task(place.store.put(place.new_key(), content(), content_type=JPEG))
    await ended.wait()
    for _ in range(steps):
        await asyncio.sleep(0)
    if putting.done():  # so soon: then nobody can cancel it any more, and it is whole
        await putting
        assert len(place.objects()) == 1
        return
    putting.cancel()
    await asyncio.sleep(0)
    putting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await putting

    assert place.unfinished() == place.objects() == []


@pytest.mark.parametrize("taken", [0, 1, 2])
async def test_a_reader_may_leave_early(place: Place, taken: int) -> None:
    key = place.new_key()
    await place.store.put(key, long(10), content_type=JPEG)

    for _ in range(20):  # more than there are threads or pooled connections
        async with place.store.get(key) as stream:
            for _ in range(taken):
                await anext(stream.chunks)
    assert len(await read(place.store, key)) == 10 * MIB


async def test_a_cancelled_reader_gives_everything_back(place: Place) -> None:
    key = place.new_key()
    await place.store.put(key, long(10), content_type=JPEG)
    reading = [asyncio.create_task(read(place.store, key)) for _ in range(20)]
    for steps, task in enumerate(reading):
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
    outcomes = await asyncio.gather(*reading, return_exceptions=True)
    assert isinstance(outcomes[0], asyncio.CancelledError)
    assert all(isinstance(outcome, asyncio.CancelledError | bytes) for outcome in outcomes)  # the last may be quick enough

    assert len(await read(place.store, key)) == 10 * MIB


async def test_slow_clients_hold_up_nobody(place: Place) -> None:
    """More puts than threads wait for their content, and another put succeeds."""
    end, waiting = asyncio.Event(), 0

    async def slow() -> AsyncIterator[bytes]:
        nonlocal waiting
        yield b"1"
        waiting += 1
        await end.wait()

    putting = [asyncio.create_task(place.store.put(place.new_key(), slow(), content_type=JPEG)) for _ in range(40)]
    await eventually(lambda: waiting == 40)
    async with asyncio.timeout(30):
        await place.store.put(place.new_key(), chunks(b"quick"), content_type=JPEG)
    end.set()
    await asyncio.gather(*putting)


async def test_a_reader_goes_on_while_the_object_is_replaced(place: Place) -> None:
    """The bytes are those of the first content only."""
    key = place.new_key()
    await place.store.put(key, chunks(b"a" * 3 * MIB), content_type=JPEG)
    async with place.store.get(key) as stream:
        first = await anext(stream.chunks)
        await place.store.put(key, chunks(b"b" * 3 * MIB), content_type=JPEG)
        rest = b"".join([chunk async for chunk in stream.chunks])

    assert first + rest == b"a" * 3 * MIB


@pytest.mark.parametrize("mebibytes", [1, 20])
async def test_a_store_that_is_not_there_is_unavailable_and_says_so_at_once(place: Place, mebibytes: int) -> None:
    """An outage must not raise ObjectNotFound, because it would look like a loss."""
    key = place.new_key()
    async with place.open_unreachable() as store, asyncio.timeout(30):
        for call in (
            store.put(key, long(mebibytes), content_type=JPEG),
            read(store, key),
            store.stat(key),
            store.delete(key),
            stored_keys(store),
            store.check(),
            store.read_id(),
            store.write_id(uuid4()),
            store.confirm(uuid4()),
        ):
            with pytest.raises(StoreUnavailable) as failure:
                await call
            assert failure.value.__cause__ is not None
