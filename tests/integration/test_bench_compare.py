"""A side of a comparison is the tree that it says it is, and makes real pictures; the other one's faults are told."""

from pathlib import Path

import pytest

from bench.baseline_pyvips import BY_NAME
from bench.chain_side import Request
from bench.parts.chains_compared import open_side
from bench.programs import ProgramFailed
from bench.sandbox import in_memory
from bench.trees import THIS, Tree

SMALL = BY_NAME["100 kB JPEG -> 300"]


def test_a_side_makes_pictures_refuses_what_it_does_not_know_and_goes_on(tmp_path: Path) -> None:
    source = in_memory(SMALL.source(), tmp_path)

    with open_side(THIS, tmp_path) as side:
        with pytest.raises(ProgramFailed, match="no_such_operation"):
            side.make(Request(source, "no_such_operation:1", 1))
        made = side.make(Request(source, SMALL.processing, 1))

    assert made.cpu > 0
    assert made.size > 1000


def test_a_side_that_runs_the_code_of_another_tree_is_refused(tmp_path: Path) -> None:
    """Its folder has no code of its own, so Python finds this tree's, which is installed."""
    empty = tmp_path / "empty"
    empty.mkdir()
    impostor = Tree("other", empty, THIS.python, THIS.folder)

    with pytest.raises(ProgramFailed, match="is not of"), open_side(impostor, tmp_path):
        pass


def test_a_side_that_does_not_start_says_why(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    (broken / "internal").mkdir(parents=True)
    (broken / "internal" / "__init__.py").write_text("raise RuntimeError('not today')\n")

    with (
        pytest.raises(ProgramFailed, match=r"(?s)other does not start.*not today"),
        open_side(Tree("other", broken, THIS.python), tmp_path),
    ):
        pass
