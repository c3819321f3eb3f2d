"""Which offsets of one partition are undone, and what may be committed. Pure: no I/O, no clock."""

from heapq import heappop, heappush


class PartitionOffsets:
    """The account of one partition, from its assignment until it is taken away.

    An acknowledgement costs the same however many others are done above a message that waits: what is done is kept as ranges, and
    both heaps drop an entry once, when it has become the lowest.

    INVARIANT (G1): what is committed never passes an undone message, in whichever order messages finish
    (tests/unit/queue/test_offsets.py; tests/contract/test_queue.py::test_the_lowest_undone_message_is_not_passed).
    """

    def __init__(self) -> None:
        self._undone: dict[int, int] = {}  # offset → the offset behind all that it stands for
        self._in_order: list[int] = []  # a heap of the undone offsets; those that are done leave it late
        self._done = _Ranges()  # only above an undone one: the others are covered by the position
        self._next = 0
        self._highest = 0  # what is not below it was never handed out
        self._committed: int | None = None

    @property
    def ranges(self) -> int:
        """How many ranges of done offsets are remembered."""
        return len(self._done)

    def track(self, offset: int, last: int | None = None) -> bool:
        """Note that a fetched message is undone. False: it is known here already, because a rebalance rewound the partition.

        `last`: it stands for all records up to this one.
        """
        if offset in self._undone or (offset < self._highest and offset in self._done):
            return False
        self._next = (offset if last is None else last) + 1
        self._highest = max(self._highest, self._next)
        self._undone[offset] = self._next
        heappush(self._in_order, offset)
        return True

    def is_undone(self, offset: int) -> bool:
        return offset in self._undone

    def finish(self, offset: int) -> None:
        """Note that a message is done. A second time changes nothing."""
        end = self._undone.pop(offset, None)
        if end is None:
            return
        self._done.add(offset, end)
        while self._in_order and self._in_order[0] not in self._undone:
            heappop(self._in_order)
        if self._in_order:
            self._done.drop_below(self._in_order[0])
        else:
            self._done = _Ranges()

    def to_commit(self) -> int | None:
        """The offset from which a successor has to begin; None when that is committed already, or nothing was done yet."""
        if self._next == 0:
            return None
        position = self._in_order[0] if self._in_order else self._next
        return None if position == self._committed else position

    def committed(self, position: int) -> None:
        """Note that the broker has `position`."""
        self._committed = position


class _Ranges:
    """Sets of numbers as half-open ranges; those that touch become one. Adding costs what a heap does."""

    def __init__(self) -> None:
        self._ends: dict[int, int] = {}  # of each range, by its start
        self._starts: dict[int, int] = {}  # and the other way round
        self._in_order: list[int] = []  # a heap of starts; those that have gone into an earlier range leave it late

    def __len__(self) -> int:
        return len(self._ends)

    def __contains__(self, number: int) -> bool:
        """Asked after a rewind only: it looks at every range, and there are about as many as messages in hand."""
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
        """Forget the ranges that begin below `number`."""
        while self._in_order and self._in_order[0] < number:
            if (end := self._ends.pop(heappop(self._in_order), None)) is not None:
                self._starts.pop(end, None)
