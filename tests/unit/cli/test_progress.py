"""Progress of long commands: printed at each round number, once, and never on stdout."""

import pytest

from internal.cli.progress import ProgressCounter


def test_each_full_number_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    progress = ProgressCounter("dead letters", every=3)

    for _ in range(7):
        progress.add()

    assert capsys.readouterr() == ("", "imagectl: 3 dead letters\nimagectl: 6 dead letters\n")
    assert progress.count == 7


def test_a_step_over_several_is_told_as_what_it_reached(capsys: pytest.CaptureFixture[str]) -> None:
    progress = ProgressCounter("objects looked at", every=3)

    progress.add(2)
    progress.add(1233)

    assert capsys.readouterr() == ("", "imagectl: 1,235 objects looked at\n")
