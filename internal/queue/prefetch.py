"""The messages that a consumer has fetched and nobody has received yet."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator

from internal.ports.queue import Delivery


class PrefetchBuffer:
    """A line of deliveries, `slots` long. One task fills it; any number of receivers take from it."""

    def __init__(self, slots: int) -> None:
        if slots < 1:
            raise ValueError(f"a consumer needs a slot: {slots}")
        self._slots = slots
        self._line: deque[Delivery] = deque()
        self._filled = asyncio.Event()
        self._taken = asyncio.Event()

    @property
    def room(self) -> int:
        """How many more may be fetched now; never below 0."""
        return max(0, self._slots - len(self._line))

    def __iter__(self) -> Iterator[Delivery]:
        return iter(self._line)

    async def take(self) -> Delivery:
        """The next one, as soon as there is one. Loses nothing when it is cancelled."""
        while not self._line:
            self._filled.clear()
            await self._filled.wait()
        delivery = self._line.popleft()
        self._taken.set()
        return delivery

    def put(self, delivery: Delivery) -> None:
        self._line.append(delivery)
        self._filled.set()

    def put_back(self, delivery: Delivery) -> None:
        """As the first in line, so that what was given back is not overtaken for ever. May exceed the slots."""
        self._line.appendleft(delivery)
        self._filled.set()

    def keep(self, wanted: Callable[[Delivery], bool]) -> None:
        """Drop the others."""
        self._line = deque(filter(wanted, self._line))
        self._taken.set()

    async def wait_for_room(self, within: float) -> None:
        """Return when at least half of the slots are free, or after `within` seconds.

        Half, so that a fetch brings several messages and not one after each that was taken.
        """
        try:
            async with asyncio.timeout(within):
                while self.room < (self._slots + 1) // 2:
                    self._taken.clear()
                    await self._taken.wait()
        except TimeoutError:
            return
