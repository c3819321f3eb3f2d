"""Which offsets of one partition are undone, and what may be committed. Pure: no I/O, no clock."""


class PartitionOffsets:
    """The account of one partition, from its assignment until it is taken away.

    INVARIANT (G1): what is committed never passes an undone message, in whichever order messages finish
    (tests/unit/queue/test_offsets.py; tests/contract/test_queue.py::test_the_lowest_undone_message_is_not_passed).
    """

    def __init__(self) -> None:
        self._undone: set[int] = set()
        self._done: set[int] = set()  # only those above an undone one: the others are covered by the position
        self._next = 0
        self._committed: int | None = None

    def hand_out(self, offset: int, last: int | None = None) -> bool:
        """Note that a fetched message is undone. False: it is known here already, because a rebalance rewound the partition.

        `last`: it stands for all records up to this one.
        """
        if offset in self._undone or offset in self._done:
            return False
        self._undone.add(offset)
        self._next = (offset if last is None else last) + 1
        return True

    def is_undone(self, offset: int) -> bool:
        return offset in self._undone

    def finish(self, offset: int) -> None:
        """Note that a message is done. A second time changes nothing."""
        if offset in self._undone:
            self._undone.discard(offset)
            self._done.add(offset)
            lowest = min(self._undone, default=self._next)
            self._done = {done for done in self._done if done > lowest}

    def to_commit(self) -> int | None:
        """The offset from which a successor has to begin; None when that is committed already, or nothing was done yet."""
        if self._next == 0:
            return None
        position = min(self._undone, default=self._next)
        return None if position == self._committed else position

    def committed(self, position: int) -> None:
        """Note that the broker has `position`."""
        self._committed = position
