"""What may be committed of a partition, in every order in which messages can finish."""

from itertools import permutations

import pytest

from internal.queue.offsets import PartitionOffsets


def handed_out(*offsets: int) -> PartitionOffsets:
    account = PartitionOffsets()
    for offset in offsets:
        assert account.hand_out(offset)
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
    assert account.hand_out(5, last=8)
    assert account.hand_out(9)
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
    assert [account.hand_out(offset) for offset in (0, 1, 2, 3)] == [False, False, False, True]
    for offset in (0, 2, 3):
        account.finish(offset)
    assert account.to_commit() == 4


def test_a_message_that_comes_again_after_it_was_done_holds_the_position_back() -> None:
    account = handed_out(0, 1)
    account.finish(0)
    account.finish(1)
    account.committed(2)
    assert account.hand_out(0)
    assert account.to_commit() == 0
    account.finish(0)
    assert account.to_commit() == 1
    assert account.hand_out(1)
    account.finish(1)
    assert account.to_commit() is None


def test_the_account_stays_small_behind_a_slow_message() -> None:
    account = handed_out(0)
    for offset in range(1, 1000):
        account.hand_out(offset)
        account.finish(offset)
    account.finish(0)
    assert account.to_commit() == 1000
    assert account.hand_out(500)  # nothing below the position is remembered
