"""Offsets of one partition: which are pending, and which may be committed. Pure: no I/O, no clock."""

from heapq import heappop, heappush


class PartitionOffsets:
    """Pending and done offsets of one partition, from its assignment until it is revoked.

    An acknowledgement costs the same however many offsets are done above a pending one: done offsets are stored as ranges, and
    both heaps remove an entry once, when it has become the lowest.

    INVARIANT (G1): the committed position never passes a pending message, in whichever order messages finish
    (tests/unit/queue/test_offsets.py; tests/contract/test_queue.py::test_the_lowest_pending_message_is_not_passed).
    """

    def __init__(self) -> None:
        self._pending: dict[int, int] = {}  # offset → the offset after the last one that it stands for
        self._in_order: list[int] = []  # a heap of pending offsets; done ones are removed later
        self._done = _Ranges()  # only those above a pending offset; the position covers the others
        self._next = 0
        self._highest = 0  # offsets from here on have never been tracked
        self._committed: int | None = None

    @property
    def ranges(self) -> int:
        """Number of ranges of done offsets in memory."""
        return len(self._done)

    def track(self, offset: int, last: int | None = None) -> bool:
        """Record a fetched message as pending. Returns False if it is known already, because a rebalance rewound the partition.

        With `last`, the message stands for all records up to that offset.
        """
        if offset in self._pending or (offset < self._highest and offset in self._done):
            return False
        self._next = (offset if last is None else last) + 1
        self._highest = max(self._highest, self._next)
        self._pending[offset] = self._next
        heappush(self._in_order, offset)
        return True

    def is_pending(self, offset: int) -> bool:
        return offset in self._pending

    def finish(self, offset: int) -> None:
        """Record that a message is done. A second call changes nothing."""
        end = self._pending.pop(offset, None)
        if end is None:
            return
        self._done.add(offset, end)
        while self._in_order and self._in_order[0] not in self._pending:
            heappop(self._in_order)
        if self._in_order:
            self._done.drop_below(self._in_order[0])
        else:
            self._done = _Ranges()

    def to_commit(self) -> int | None:
        """Return the offset at which a successor has to start, or None if it is committed already or nothing was tracked."""
        if self._next == 0:
            return None
        position = self._in_order[0] if self._in_order else self._next
        return None if position == self._committed else position

    def committed(self, position: int) -> None:
        """Record that the broker has stored `position`."""
        self._committed = position


class _Ranges:
    """Set of numbers, stored as half-open ranges; adjacent ranges are merged. Adding costs what a heap costs."""

    def __init__(self) -> None:
        self._ends: dict[int, int] = {}  # start of a range → its end
        self._starts: dict[int, int] = {}  # end of a range → its start
        self._in_order: list[int] = []  # a heap of starts; merged ones are removed later

    def __len__(self) -> int:
        return len(self._ends)

    def __contains__(self, number: int) -> bool:
        """Called after a rewind only. It looks at every range, and there are about as many ranges as held messages."""
        return any(start <= number < end for start, end in self._ends.items())

    def add(self, start: int, end: int) -> None:
        if (further := self._ends.pop(end, None)) is not None:
            end = further
        if (earlier := self._starts.pop(start, None)) is not None:
            start = earlier
        else:
            heappush(self._in_order, start)
        self._ends[start] = end
        self._starts[end] = start

    def drop_below(self, number: int) -> None:
        """Remove the ranges that start below `number`."""
        while self._in_order and self._in_order[0] < number:
            if (end := self._ends.pop(heappop(self._in_order), None)) is not None:
                self._starts.pop(end, None)
