"""What may be committed of a partition, in every order in which messages can finish."""

import random
from itertools import permutations

import pytest

from internal.queue.kafka.offsets import PartitionOffsets


def handed_out(*offsets: int) -> PartitionOffsets:
    account = PartitionOffsets()
    for offset in offsets:
        assert account.track(offset)
    return account


def test_nothing_fetched_is_nothing_to_commit() -> None:
    assert PartitionOffsets().to_commit() is None


@pytest.mark.parametrize("order", list(permutations([4, 5, 6, 7])))
def test_the_position_is_the_lowest_undone_offset_in_any_order(order: tuple[int, ...]) -> None:
    account = handed_out(4, 5, 6, 7)
    undone = {4, 5, 6, 7}
    for offset in order:
        account.finish(offset)
        undone.discard(offset)
        assert account.to_commit() == min(undone, default=8)


def test_a_gap_in_the_offsets_is_passed() -> None:
    account = handed_out(4, 9)  # between them: a transaction's marker, or what compaction took
    account.finish(4)
    assert account.to_commit() == 9
    account.finish(9)
    assert account.to_commit() == 10


def test_what_stands_for_several_offsets_is_passed_when_it_is_done_and_not_before() -> None:
    account = handed_out(4)
    assert account.track(5, last=8)
    assert account.track(9)
    account.finish(4)
    account.finish(9)
    assert account.to_commit() == 5
    account.finish(5)
    assert account.to_commit() == 10


def test_what_is_committed_is_not_committed_again() -> None:
    account = handed_out(0, 1)
    account.finish(0)
    account.committed(1)
    assert account.to_commit() is None
    account.finish(1)
    assert account.to_commit() == 2


def test_finishing_twice_or_what_was_never_here_changes_nothing() -> None:
    account = handed_out(3, 4)
    account.finish(3)
    account.finish(3)
    account.finish(17)
    assert account.to_commit() == 4


def test_after_a_rewind_only_what_is_not_in_hand_is_handed_out() -> None:
    account = handed_out(0, 1, 2)
    account.finish(1)
    assert [account.track(offset) for offset in (0, 1, 2, 3)] == [False, False, False, True]
    for offset in (0, 2, 3):
        account.finish(offset)
    assert account.to_commit() == 4


def test_a_message_that_comes_again_after_it_was_done_holds_the_position_back() -> None:
    account = handed_out(0, 1)
    account.finish(0)
    account.finish(1)
    account.committed(2)
    assert account.track(0)
    assert account.to_commit() == 0
    account.finish(0)
    assert account.to_commit() == 1
    assert account.track(1)
    account.finish(1)
    assert account.to_commit() is None


def test_the_account_stays_small_behind_a_slow_message() -> None:
    account = handed_out(0)
    for offset in range(1, 1000):
        account.track(offset)
        account.finish(offset)
    account.finish(0)
    assert account.to_commit() == 1000
    assert account.track(500)  # nothing below the position is remembered


def test_after_a_rewind_below_the_position_what_is_in_hand_or_done_above_it_is_not_handed_out() -> None:
    account = handed_out(*range(6))
    for offset in (0, 1, 2, 4):
        account.finish(offset)
    assert [account.track(offset) for offset in range(1, 7)] == [True, True, False, False, False, True]
    assert account.to_commit() == 1


class Counted(int):
    """An offset that counts the steps which are made with it: each comparison, and each look into a set or dictionary."""

    steps = 0

    def __hash__(self) -> int:
        Counted.steps += 1
        return super().__hash__()

    def __lt__(self, other: int) -> bool:
        Counted.steps += 1
        return super().__lt__(other)

    def __le__(self, other: int) -> bool:
        Counted.steps += 1
        return super().__le__(other)

    def __gt__(self, other: int) -> bool:
        Counted.steps += 1
        return super().__gt__(other)

    def __ge__(self, other: int) -> bool:
        Counted.steps += 1
        return super().__ge__(other)


def steps_of_finishing(count: int, *, shuffled: bool) -> int:
    """Of `count` messages above one that is not done."""
    account = handed_out(*(Counted(offset) for offset in range(count + 1)))
    order = list(range(1, count + 1))
    if shuffled:
        random.Random(count).shuffle(order)
    Counted.steps = 0
    for offset in order:
        account.finish(Counted(offset))
    assert account.to_commit() == 0
    return Counted.steps


@pytest.mark.parametrize("shuffled", [False, True])
def test_an_acknowledgement_costs_the_same_however_many_there_are_above_one_that_waits(shuffled: bool) -> None:
    """The whole account was looked through for each: 16 ms at 200,000."""
    assert steps_of_finishing(4000, shuffled=shuffled) < 11 * steps_of_finishing(400, shuffled=shuffled)


def test_a_million_above_one_that_waits() -> None:
    account = PartitionOffsets()
    for offset in range(1_000_001):
        account.track(offset)
    for offset in range(1_000_000, 0, -1):
        account.finish(offset)

    assert account.to_commit() == 0
    assert account.ranges == 1
    account.finish(0)
    assert account.to_commit() == 1_000_001
    assert account.ranges == 0


def test_what_is_done_is_kept_as_ranges() -> None:
    account = handed_out(*range(10))
    for offset in (3, 5, 4, 8, 7):
        account.finish(offset)
    assert account.ranges == 2
    assert [account.track(offset) for offset in (2, 3, 4, 5, 6, 7, 8, 9)] == [False] * 8
    for offset in (0, 1, 2):
        account.finish(offset)
    assert (account.to_commit(), account.ranges) == (6, 1)


def test_every_order_is_accounted_for_as_a_plain_set_would() -> None:
    """Random finishes, rewinds and gaps, held against the definition: the position is the lowest message that is not done."""
    for seed in range(200):
        chance = random.Random(seed)
        account, undone, done, end = PartitionOffsets(), set[int](), set[int](), 0
        for _ in range(80):
            if chance.random() < 0.5:
                offset = end + chance.choice((0, 0, 0, 3))
                assert account.track(offset)
                undone.add(offset)
                end = offset + 1
            elif undone:
                offset = chance.choice(sorted(undone))
                account.finish(offset)
                undone.discard(offset)
                done.add(offset)
            lowest = min(undone, default=end)
            assert account.to_commit() == (lowest or None) or lowest == 0
            above = {offset for offset in done if offset > lowest}
            assert not any(account.track(offset) for offset in undone | above)
            assert account.ranges <= len(above)
