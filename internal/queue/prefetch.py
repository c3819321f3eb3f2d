"""Buffer between fetching messages and receiving them."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator

from internal.ports.queue import Delivery


class PrefetchBuffer:
    """Queue of prefetched deliveries with `slots` slots. One task fills it; any number of receivers take from it."""

    def __init__(self, slots: int) -> None:
        if slots < 1:
            raise ValueError(f"a consumer needs at least one slot: {slots}")
        self._slots = slots
        self._queue: deque[Delivery] = deque()
        self._filled = asyncio.Event()
        self._taken = asyncio.Event()

    @property
    def free_slots(self) -> int:
        """Number of deliveries that may be fetched now. Never negative."""
        return max(0, self._slots - len(self._queue))

    def __iter__(self) -> Iterator[Delivery]:
        return iter(self._queue)

    async def take(self) -> Delivery:
        """Remove and return the next delivery; waits for one. Cancelling the call loses no delivery."""
        while not self._queue:
            self._filled.clear()
            await self._filled.wait()
        delivery = self._queue.popleft()
        self._taken.set()
        return delivery

    def put(self, delivery: Delivery) -> None:
        self._queue.append(delivery)
        self._filled.set()

    def put_back(self, delivery: Delivery) -> None:
        """Insert a released delivery at the front, so that it does not starve. The buffer may then exceed its slots."""
        self._queue.appendleft(delivery)
        self._filled.set()

    def discard(self, unwanted: Callable[[Delivery], bool]) -> None:
        """Remove the deliveries for which `unwanted` is true."""
        self._queue = deque(delivery for delivery in self._queue if not unwanted(delivery))
        self._taken.set()

    async def wait_for_free_slots(self, within: float) -> None:
        """Return when at least half of the slots are free, or after `within` seconds.

        With half of the slots free, one fetch brings several messages.
        """
        try:
            async with asyncio.timeout(within):
                while self.free_slots < (self._slots + 1) // 2:
                    self._taken.clear()
                    await self._taken.wait()
        except TimeoutError:
            return
