"""Slots for uploads in flight: a limit per process, and a share of it for each client address and each owner.

A slot stands for an upload's memory. An upload takes one when its first 64 KiB have arrived, not with its headers, so a client
that sends nothing, or very slowly, delays nobody. An upload that falls behind the minimum rate keeps its slot until another one
waits. Uploads do not wait in a line: one whose owner or address has its share already holds up nobody else's.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Protocol, Self

from internal.domain.errors import Unavailable

FREE_BYTES = 2**16
"""Bytes that may arrive before a slot is taken: as much as is read of a picture before anything is stored."""

SLOT_SECONDS = 10.0
"""How long an upload waits for a slot."""

YIELD_SECONDS = 0.5
"""An upload that waits asks the slowest one to give up its slot, each time these seconds have passed."""

SLOW_SECONDS = 2.0
"""How far behind the minimum rate an upload must be to lose its slot."""


Sharer = tuple[str, str]
"""An address or an owner, as `("address", "192.0.2.7")`: uploads of one share a part of the slots."""


class Client(Protocol):
    """The connection that an upload comes from."""

    @property
    def behind(self) -> float:
        """Seconds that its body is behind the minimum rate."""

    def cut_off(self, reason: str, detail: str) -> None:
        """End its request."""


class UploadSlots:
    """INVARIANT: silent and slow clients delay no other client's upload
    (tests/unit/api/test_upload_slots.py::test_an_upload_of_few_bytes_takes_no_slot and the two after it).
    """

    def __init__(self, slots: int, per_address: int, per_owner: int) -> None:
        self._slots = slots
        self._most = {"address": per_address, "owner": per_owner}
        self._held: dict[UploadSlot, None] = {}
        self._used: Counter[Sharer] = Counter()
        self._freed = asyncio.Condition()

    def slot(self, address: str, owner: str | None, client: Client | None) -> "UploadSlot":
        """A slot for one upload, which takes it when its bytes arrive. `owner`: None without a credential."""
        return UploadSlot(self, (("address", address), *([("owner", owner)] if owner is not None else [])), client)

    async def acquire(self, slot: "UploadSlot") -> None:
        """Wait until a slot is free. Raises Unavailable after SLOT_SECONDS."""
        try:
            async with asyncio.timeout(SLOT_SECONDS), self._freed:
                while slot not in self._held:
                    if self._has_free_slot(slot):
                        self._held[slot] = None
                        self._used.update(slot.sharers)
                    else:
                        await self._wait_for_slot(slot)
        except TimeoutError as error:
            raise Unavailable("Too many uploads are under way.") from error

    def is_held(self, slot: "UploadSlot") -> bool:
        return slot in self._held

    async def release(self, slot: "UploadSlot") -> None:
        async with self._freed:
            del self._held[slot]
            self._used -= Counter(slot.sharers)  # drops what is 0
            self._freed.notify_all()

    def _has_free_slot(self, slot: "UploadSlot") -> bool:
        return len(self._held) < self._slots and not self._full_shares(slot)

    def _full_shares(self, slot: "UploadSlot") -> list[Sharer]:
        return [sharer for sharer in slot.sharers if self._used[sharer] >= self._most[sharer[0]]]

    async def _wait_for_slot(self, slot: "UploadSlot") -> None:
        """Wait until a slot is freed; after YIELD_SECONDS, take the slot of the slowest upload if that is slow enough."""
        try:
            async with asyncio.timeout(YIELD_SECONDS):
                await self._freed.wait()
        except TimeoutError:
            full = self._full_shares(slot)
            candidates = [held for held in self._held if not full or any(sharer in held.sharers for sharer in full)]
            slowest = max(candidates, key=lambda held: held.behind)
            if slowest.behind >= SLOW_SECONDS:
                slowest.yield_slot()


class UploadSlot:
    """One upload's slot, held until the block ends; `hold_for` takes it."""

    def __init__(self, slots: UploadSlots, sharers: tuple[Sharer, ...], client: Client | None) -> None:
        self.sharers = sharers
        self._slots, self._client = slots, client

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._slots.is_held(self):
            await asyncio.shield(self._slots.release(self))

    @property
    def behind(self) -> float:
        return self._client.behind if self._client is not None else 0.0

    def yield_slot(self) -> None:
        if self._client is not None:
            self._client.cut_off("place", "The body came too slowly while others waited. Send it again over a faster connection.")

    async def hold_for(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Yield `chunks`, and take the slot once more than FREE_BYTES, or all, have arrived. Raises Unavailable."""
        received = 0
        async for chunk in chunks:
            received += len(chunk)
            if received > FREE_BYTES:
                await self._acquire()
            yield chunk
        await self._acquire()

    async def _acquire(self) -> None:
        if not self._slots.is_held(self):
            await self._slots.acquire(self)
