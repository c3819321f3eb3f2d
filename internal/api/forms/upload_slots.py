"""Places for uploads in flight: so many in this process, and only a share of them for one client address.

A place stands for an upload's memory: it is taken when bytes have come, and not by headers. An upload has none before its first
64 KiB are here, and so who sends nothing, or a drop a second, holds up nobody. One that has a place and falls behind the least
rate keeps it as long as nobody waits.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Protocol, Self

from internal.domain.errors import Unavailable

FREE_BYTES = 2**16
"""What may come before a place is taken: as much as is read of a picture before anything is stored."""

PLACE_SECONDS = 10.0
"""How long an upload waits for a place."""

GIVE_WAY_SECONDS = 0.5
"""After waiting so long, and again after each further time, it asks a slow one for its place."""

SLOW_SECONDS = 2.0
"""So far behind the least rate an upload has to be that is asked."""


class Client(Protocol):
    """The connection that an upload comes from."""

    @property
    def behind(self) -> float:
        """Seconds that its body is behind the least rate."""

    def cut_off(self, reason: str, detail: str) -> None:
        """End its request."""


class UploadPlaces:
    """INVARIANT: silent and slow clients hold up no other one's upload
    (tests/unit/api/test_upload_slots.py::test_who_sends_little_takes_no_place and the two behind it).
    """

    def __init__(self, places: int, of_one_address: int) -> None:
        self._places, self._of_one_address = places, of_one_address
        self._held: dict[UploadPlace, None] = {}
        self._addresses: Counter[str] = Counter()
        self._freed = asyncio.Condition()

    def place(self, address: str, client: Client | None) -> "UploadPlace":
        """For one upload, which takes it when its bytes come."""
        return UploadPlace(self, address, client)

    async def take(self, place: "UploadPlace") -> None:
        """Raises Unavailable when none gets free in time."""
        try:
            async with asyncio.timeout(PLACE_SECONDS), self._freed:
                while place not in self._held:
                    if self._is_free(place.address):
                        self._held[place] = None
                        self._addresses[place.address] += 1
                    else:
                        await self._one_freed(place.address)
        except TimeoutError as error:
            raise Unavailable("Too many uploads are under way.") from error

    def is_held(self, place: "UploadPlace") -> bool:
        return place in self._held

    async def release(self, place: "UploadPlace") -> None:
        async with self._freed:
            del self._held[place]
            self._addresses[place.address] -= 1
            if not self._addresses[place.address]:
                del self._addresses[place.address]
            self._freed.notify_all()

    def _is_free(self, address: str) -> bool:
        return len(self._held) < self._places and self._addresses[address] < self._of_one_address

    async def _one_freed(self, address: str) -> None:
        """Wait until a place gets free; after a while ask the slowest for its own, if it is slow."""
        try:
            async with asyncio.timeout(GIVE_WAY_SECONDS):
                await self._freed.wait()
        except TimeoutError:
            full_address = self._addresses[address] >= self._of_one_address
            asked = [held for held in self._held if not full_address or held.address == address]
            slowest = max(asked, key=lambda held: held.behind)
            if slowest.behind >= SLOW_SECONDS:
                slowest.give_way()


class UploadPlace:
    """One upload's place, for the time of the block; `held_by` takes it."""

    def __init__(self, places: UploadPlaces, address: str, client: Client | None) -> None:
        self.address = address
        self._places, self._client = places, client

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._places.is_held(self):
            await asyncio.shield(self._places.release(self))

    @property
    def behind(self) -> float:
        return self._client.behind if self._client is not None else 0.0

    def give_way(self) -> None:
        if self._client is not None:
            self._client.cut_off("place", "The body came too slowly while others waited. Send it again over a faster connection.")

    async def held_by(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """`chunks`, with a place from the moment when more than FREE_BYTES have come, or all of them. Raises Unavailable."""
        came = 0
        async for chunk in chunks:
            came += len(chunk)
            if came > FREE_BYTES:
                await self._take()
            yield chunk
        await self._take()

    async def _take(self) -> None:
        if not self._places.is_held(self):
            await self._places.take(self)
