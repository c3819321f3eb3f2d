"""`make bench COMPARE=revision`: what is asked for, which tree is measured, in which order, and what the ratio says."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from bench.compare import Rows, Spent, Turn, compare, ratios, spent, take_turn
from bench.options import PARTS, parsed
from bench.parts import compared
from bench.parts.every import NAMED_ONLY
from bench.parts.scale import Scale
from bench.programs import ProgramFailed
from bench.trees import THIS, RevisionFailed, Tree, checked_out
from internal.runtime.project import PROJECT

OTHER = Tree("before", Path("/nowhere"), Path("/nowhere/python"))
MAKEFILE = "setup:\n\tmkdir -p .venv/bin\n\tln -s $(PYTHON) .venv/bin/python\n\techo made >> .venv/made\n"


def test_every_part_is_compared_or_says_why_it_is_not() -> None:
    measured = {*compared.ALONE, *compared.DEPLOYED}

    assert measured | compared.NOT_COMPARED.keys() == set(PARTS)
    assert not measured & compared.NOT_COMPARED.keys()
    assert all(compared.NOT_COMPARED.values())


def test_without_options_everything_is_measured_but_what_must_be_named() -> None:
    options = parsed([])

    assert set(options.only) == set(PARTS) - NAMED_ONLY
    assert (options.quick, options.compare, options.deployment) == (False, None, ["standalone", "full"])


@pytest.mark.parametrize(
    "arguments", [["--only", "chains,upload"], ["--only", "chains", "--only", "upload"], ["--only", "chains,upload,"]]
)
def test_parts_come_with_commas_or_one_by_one(arguments: list[str]) -> None:
    assert parsed(arguments).only == ["chains", "upload"]


def test_an_unknown_part_is_refused_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parsed(["--only", "chains,chians"])

    assert "no such part: chians" in capsys.readouterr().err


def test_asking_to_compare_only_what_can_not_be_compared_is_refused_with_the_reason(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parsed(["--compare", "main", "--only", "peers,memory"])

    assert compared.NOT_COMPARED["peers"] in capsys.readouterr().err
    assert parsed(["--compare", "main", "--only", "peers,chains"]).only == ["peers", "chains"]


@pytest.mark.parametrize(
    ("variables", "arguments"),
    [
        ([], ""),
        (["QUICK=1", "ONLY=chains,upload"], '--quick --only "chains,upload"'),
        (["QUICK=0", "COMPARE=HEAD~3", "DEPLOYMENT=full"], '--deployment "full" --compare "HEAD~3"'),
    ],
)
def test_make_hands_its_variables_on(variables: list[str], arguments: str) -> None:
    done = subprocess.run(
        ["make", "--dry-run", "bench", *variables], cwd=PROJECT, capture_output=True, text=True, check=True, env=without_make()
    )

    command = " ".join(done.stdout.replace("\\\n", " ").split("-m bench", 1)[1].split())
    assert command == arguments


def without_make() -> dict[str, str]:
    """This may run below `make test`."""
    return {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}


def git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", "-C", str(folder), *who, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository of two commits, with a `make setup` that notes each time it makes something."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "bench").mkdir()
    (folder / ".gitignore").write_text("/.bench/\n.venv/\n")
    (folder / "Makefile").write_text(f".PHONY: setup\nsetup: .venv/made\n.venv/made:\n{MAKEFILE.split(chr(10), 1)[1]}")
    (folder / "bench" / "__init__.py").write_text("")
    (folder / "internal.py").write_text("SAYS = 'before'\n")
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message=before")
    (folder / "internal.py").write_text("SAYS = 'now'\n")
    (folder / "bench" / "__init__.py").write_text("SAYS = 'the new bench'\n")
    git(folder, "commit", "--quiet", "--all", "--message=now")
    return folder


def test_a_revision_is_checked_out_beside_this_tree_and_driven_by_the_new_bench(project: Path) -> None:
    (project / "internal.py").write_text("SAYS = 'not committed'\n")

    tree = checked_out("HEAD~1", project)

    command = [*tree.command("bench")[:-2], "-c", "import bench, internal; print(bench.SAYS, '/', internal.SAYS)"]
    said = subprocess.run(command, env={**os.environ, **tree.variables()}, capture_output=True, text=True, check=True)
    assert said.stdout == "the new bench / before\n"
    assert tree.name == git(project, "rev-parse", "HEAD~1")[:8]
    assert (project / "internal.py").read_text() == "SAYS = 'not committed'\n"
    assert git(project, "status", "--porcelain") == "M internal.py"


def test_what_make_was_told_for_this_tree_is_not_obeyed_in_the_other(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAKEFLAGS", "n -- PYTHON=/nowhere COMPARE=HEAD~1")

    assert checked_out("HEAD~1", project).python.resolve() == Path(sys.executable).resolve()


def test_a_tree_that_is_there_is_used_again(project: Path) -> None:
    first, again = checked_out("main", project), checked_out("main", project)

    assert first == again
    assert (first.folder / ".venv" / "made").read_text() == "made\n"


@pytest.mark.parametrize("harm", ["deleted", "cut short", "changed"])
def test_a_tree_that_is_not_whole_is_made_anew(project: Path, harm: str) -> None:
    folder = checked_out("main", project).folder
    if harm == "deleted":
        subprocess.run(["rm", "-r", str(project / ".bench")], check=True)
    elif harm == "cut short":
        (folder / ".git").unlink()
    else:
        (folder / "internal.py").write_text("SAYS = 'something else'\n")

    tree = checked_out("main", project)

    assert (tree.folder / "internal.py").read_text() == "SAYS = 'now'\n"
    assert tree.python.resolve() == Path(sys.executable).resolve()


@pytest.mark.parametrize("revision", ["no-such-branch", "--help", "", "HEAD:internal.py"])
def test_what_is_no_revision_is_named(project: Path, revision: str) -> None:
    with pytest.raises(RevisionFailed, match="is no revision of this repository"):
        checked_out(revision, project)


def test_a_setup_that_fails_says_why(project: Path) -> None:
    (project / "Makefile").write_text("setup:\n\t@echo the index is not there >&2; exit 3\n")
    git(project, "commit", "--quiet", "--all", "--message=broken")

    with pytest.raises(RevisionFailed, match="the index is not there"):
        checked_out("main", project)


def test_sides_take_turns_in_who_is_first() -> None:
    asked: list[str] = []

    def side(name: str, cpu: float) -> Callable[[], Spent]:
        def measure() -> Spent:
            asked.append(name)
            return Spent(cpu, 1.0)

        return measure

    turns = [take_turn(number, side("this", 1), side("other", 2), OTHER) for number in range(3)]

    assert asked == ["this", "other", "other", "this", "this", "other"]
    assert {(turn.this.cpu, turn.other.cpu) for turn in turns} == {(1, 2)}


def test_a_ratio_is_the_others_over_this_in_the_same_turn() -> None:
    turns = [Turn(Spent(2.0, 4.0, 0.0), Spent(1.0, 8.0, 1.0)), Turn(Spent(10.0, 1.0, None), Spent(9.0, 1.0, 1.0))]

    assert ratios(turns, lambda one: one.cpu) == [0.5, 0.9]
    assert ratios(turns, lambda one: one.seconds) == [2.0, 1.0]
    assert ratios(turns, lambda one: one.servers) == []


def test_the_services_cpu_is_told_from_its_servers_and_the_clients() -> None:
    assert spent({"api": 1.0, "worker": 2.0, "decoders": 4.0, "postgres": 8.0, "s3": 16.0, "client": 32.0}, 0.5) == Spent(
        7, 0.5, 24
    )
    assert spent({"api": 1.0, "client": 32.0}, 0.5).servers is None


def rows(**cpu: list[float]) -> Rows:
    """What each row costs, turn by turn; a row without values can't be made."""

    def measure(values: Iterator[float]) -> Callable[[], Spent]:
        def one() -> Spent:
            if (value := next(values, None)) is None:
                raise ProgramFailed("unknown operation")
            return Spent(value, value)

        return one

    return {name: measure(iter(values)) for name, values in cpu.items()}


def opener(this: Rows, others: Rows, opened: list[str]) -> Callable[[], AbstractContextManager[tuple[Rows, Rows]]]:
    @contextmanager
    def sides() -> Iterator[tuple[Rows, Rows]]:
        opened.append("opened")
        yield this, others

    return sides


def test_the_table_has_the_medians_of_the_ratios_and_marks_what_is_slower() -> None:
    opened: list[str] = []
    this = rows(same=[1.0, 2.0, 3.0], slower=[1.0, 1.0, 1.0])
    others = rows(same=[1.0, 2.0, 6.0], slower=[0.9, 0.96, 0.97])

    result = compare("chains", "Chains", opener(this, others, opened), OTHER, Scale(rounds=3, share=1.0))

    assert len(opened) == 3
    assert result.columns[:5] == ["what", "this CPU ms", "before CPU ms", "CPU ratio", "mark"]
    assert [row[:5] for row in result.rows] == [
        ["same", "2000.00", "2000.00", "1.00 [1.00-2.00]", ">= 0.97 met"],
        ["slower", "1000.00", "960.00", "0.96 [0.90-0.97]", ">= 0.97 NOT MET"],
    ]
    assert result.part == "chains against before"


def test_a_row_that_one_side_can_not_make_is_named_and_not_measured_alone() -> None:
    opened: list[str] = []
    this, others = rows(known=[1.0] * 3, new=[1.0] * 3), rows(known=[1.0] * 3, new=[])

    result = compare("chains", "Chains", opener(this, others, opened), OTHER, Scale(rounds=3, share=1.0))

    assert [row[0] for row in result.rows] == ["known"]
    assert result.notes[0] == "new can't be compared: before: unknown operation"


def test_this_tree_is_the_one_of_this_python() -> None:
    assert (THIS.folder, THIS.python) == (PROJECT, Path(sys.executable))
