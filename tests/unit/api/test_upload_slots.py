"""Slots for uploads: taken when bytes arrive, limited per address, lost by slow clients."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from internal.api.forms import upload_slots
from internal.api.forms.upload_slots import FREE_BYTES, UploadSlots
from internal.domain.errors import Unavailable
from tests.services.waiting import eventually


class Client:
    """One whose upload ends, as a connection that is cut off ends it."""

    def __init__(self, behind: float = 0.0) -> None:
        self.behind = behind
        self.cut: list[str] = []
        self.ended = asyncio.Event()

    def cut_off(self, reason: str, detail: str) -> None:
        self.cut.append(reason)
        self.behind = 0.0
        self.ended.set()


async def _chunks(client: Client, size: int) -> AsyncIterator[bytes]:
    """So many bytes, and then nothing until the client has ended."""
    yield bytes(size)
    await client.ended.wait()


async def _upload(
    slots: UploadSlots, client: Client, size: int = FREE_BYTES + 1, address: str = "a", owner: str | None = None
) -> int:
    async with slots.slot(address, owner, client) as slot:
        return sum([len(chunk) async for chunk in slot.hold_for(_chunks(client, size))])


def _held(slots: UploadSlots) -> int:
    return len(slots._held)


async def _ended(*tasks: asyncio.Task[int]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_an_upload_of_few_bytes_takes_no_slot() -> None:
    slots = UploadSlots(1, 1, 1)
    waiting = [asyncio.create_task(_upload(slots, Client(), size)) for size in (0, 1, FREE_BYTES) * 20]
    await asyncio.sleep(0)
    good = Client()
    good.ended.set()

    assert await asyncio.wait_for(_upload(slots, good), 10) == FREE_BYTES + 1
    assert _held(slots) == 0
    await _ended(*waiting)


async def test_an_upload_that_has_all_come_has_a_place() -> None:
    """However small it is: the store and the database are asked by so many at once and no more."""
    slots, small = UploadSlots(1, 1, 1), Client()
    small.ended.set()
    async with slots.slot("a", None, small) as slot:
        assert [chunk async for chunk in slot.hold_for(_chunks(small, 10))] == [bytes(10)]
        assert _held(slots) == 1
    assert _held(slots) == 0


async def test_an_address_has_its_share() -> None:
    slots = UploadSlots(4, 2, 4)
    held = [asyncio.create_task(_upload(slots, Client())) for _ in range(3)]
    await eventually(lambda: _held(slots) == 2)
    other = Client()
    other.ended.set()

    assert await asyncio.wait_for(_upload(slots, other, address="b"), 10)
    assert _held(slots) == 2
    await _ended(*held)
    assert (_held(slots), slots._used) == (0, Counter())


async def test_an_owner_has_its_share_and_holds_up_no_other() -> None:
    """However many addresses it comes from, and however many of its uploads wait before another owner's."""
    slots = UploadSlots(4, 4, 2)
    clients = [Client() for _ in range(12)]
    uploads = [_upload(slots, client, address=f"{number}", owner="crowd") for number, client in enumerate(clients)]
    held = [asyncio.create_task(upload) for upload in uploads]
    await eventually(lambda: _held(slots) == 2)
    for number, owner in enumerate(("b", "c", None)):
        other = Client()
        other.ended.set()
        assert await asyncio.wait_for(_upload(slots, other, address=f"other {number}", owner=owner), 10)
    assert _held(slots) == 2

    for client in clients:
        client.ended.set()
    assert await asyncio.wait_for(asyncio.gather(*held), 10) == [FREE_BYTES + 1] * 12, "each has its turn"
    assert (_held(slots), slots._used) == (0, Counter())


async def test_a_full_owner_takes_the_slot_of_its_own_slowest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload_slots, "YIELD_SECONDS", 0.05)
    slots = UploadSlots(8, 8, 2)
    slowest, own = Client(behind=99), [Client(behind=3), Client(behind=5)]
    held = [asyncio.create_task(_upload(slots, slowest, address="x", owner="other"))]
    held += [asyncio.create_task(_upload(slots, client, address=f"{client.behind}", owner="own")) for client in own]
    await eventually(lambda: _held(slots) == 3)
    good = Client()
    good.ended.set()

    assert await asyncio.wait_for(_upload(slots, good, address="y", owner="own"), 10)

    assert (slowest.cut, [client.cut for client in own]) == ([], [[], ["place"]])
    await _ended(*held)


async def test_a_slow_one_gives_way_and_a_fast_one_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload_slots, "YIELD_SECONDS", 0.05)
    slots = UploadSlots(3, 3, 3)
    clients = [Client(), Client(behind=3), Client(behind=9)]
    held = [asyncio.create_task(_upload(slots, client)) for client in clients]
    await eventually(lambda: _held(slots) == 3)
    good = Client()
    good.ended.set()

    assert await asyncio.wait_for(_upload(slots, good), 10)
    assert [client.cut for client in clients] == [[], [], ["place"]]
    await _ended(*held)


async def test_an_upload_that_finds_no_slot_in_time_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload_slots, "YIELD_SECONDS", 0.05)
    monkeypatch.setattr(upload_slots, "SLOT_SECONDS", 0.2)
    slots, busy = UploadSlots(1, 1, 1), Client(behind=1)
    held = asyncio.create_task(_upload(slots, busy))
    await eventually(lambda: _held(slots) == 1)

    with pytest.raises(Unavailable):
        await _upload(slots, Client())

    assert busy.cut == []
    await _ended(held)
    assert _held(slots) == 0


async def test_a_place_is_free_again_however_an_upload_ends() -> None:
    slots = UploadSlots(1, 1, 1)
    for _ in range(3):
        held = asyncio.create_task(_upload(slots, Client()))
        await eventually(lambda: _held(slots) == 1)
        await _ended(held)
        assert _held(slots) == 0
