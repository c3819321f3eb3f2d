"""One part in this tree and in another: both are set up side by side, and each turn measures every row in the one and the other.

A part takes part by a function that opens one side (a Place, so a deployment's processes of one tree) and names its rows: what is
called for one round and says what a picture cost. What counts is the ratio of the two sides within a turn, since the machine may
be another one a minute later; the table shows the median of these, above 1 where this tree needs less.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack, nullcontext
from itertools import chain
from statistics import median
from typing import TypeAlias

from msgspec import Struct

from bench.deployments import Deployment, Place
from bench.parts.scale import Scale
from bench.programs import ProgramFailed
from bench.report import Result, number, verdict
from bench.requests import RequestFailed
from bench.trees import THIS, Tree

FULL = Scale(rounds=9, share=1.0)
QUICK = Scale(rounds=5, share=0.5)
PART_SECONDS = 600.0
MARK = 0.97
SERVICE = ("api", "worker", "decoders")
"""Whose CPU time is compared. The servers behind them belong to both sides, so theirs stands beside it."""


class Spent(Struct, frozen=True):
    """What one picture (or request) took in one round: CPU seconds, seconds on the clock, and CPU seconds of the servers."""

    cpu: float
    seconds: float
    servers: float | None = None


Measure: TypeAlias = Callable[[], Spent]
"""Measure one round of a row. Raises ProgramFailed or RequestFailed when this side can't."""

Rows: TypeAlias = Mapping[str, Measure]
Open: TypeAlias = Callable[[Place, Scale], AbstractContextManager[Rows]]
"""Set up one side of a part; its rows are the same on both sides."""

Opened: TypeAlias = Callable[[], AbstractContextManager[tuple[Rows, Rows]]]
"""Both sides, this tree's first, for one turn."""


class Turn(Struct, frozen=True):
    """One round of each side, one directly after the other."""

    this: Spent
    other: Spent


def spent(cpu: Mapping[str, float], seconds: float) -> Spent:
    """From CPU seconds by who used them."""
    servers = [used for name, used in cpu.items() if name not in (*SERVICE, "client")]
    return Spent(sum(cpu.get(name, 0.0) for name in SERVICE), seconds, sum(servers) if servers else None)


def compare_deployed(part: str, title: str, open_side: Open, deployment: Deployment, other: Tree, scale: Scale) -> Result:
    """A part of the deployment; its processes stay for all turns. Raises ProgramFailed when a side does not start."""
    with ExitStack() as stack:
        places = [stack.enter_context(deployment.place(tree=tree)) for tree in (THIS, other)]
        this, others = (stack.enter_context(open_side(place, scale)) for place in places)
        return compare(part, f"{title} ({deployment.name})", lambda: nullcontext((this, others)), other, scale)


def compare(part: str, title: str, opened: Opened, other: Tree, scale: Scale) -> Result:
    """The table of all rows. A row that one side can't make is named in a note, with what it said."""
    turns: dict[str, list[Turn]] = {}
    failed: dict[str, str] = {}
    for turn in scale.turns(PART_SECONDS):
        with opened() as (this, others):
            for name in this:
                if name not in failed:
                    try:
                        turns.setdefault(name, []).append(take_turn(turn, this[name], others[name], other))
                    except (ProgramFailed, RequestFailed) as error:
                        failed[name] = str(error)
    compared = {name: taken for name, taken in turns.items() if name not in failed}
    return _result(part, title, compared, failed, other)


def take_turn(number: int, this: Measure, others: Measure, other: Tree) -> Turn:
    """Both sides, the other one first in every second turn: neither always meets what its neighbour has left behind."""
    if number % 2:
        first = _measured(others, other)
        return Turn(_measured(this, THIS), first)
    first = _measured(this, THIS)
    return Turn(first, _measured(others, other))


def _measured(measure: Measure, tree: Tree) -> Spent:
    try:
        return measure()
    except (ProgramFailed, RequestFailed) as error:
        raise ProgramFailed(f"{tree.name}: {error}") from error


def ratios(turns: list[Turn], of: Callable[[Spent], float | None]) -> list[float]:
    """The other's over this tree's, turn by turn; turns in which one of them used nothing are left out."""
    pairs = [(of(turn.other), of(turn.this)) for turn in turns]
    return [others / this for others, this in pairs if others and this]


def _result(part: str, title: str, turns: dict[str, list[Turn]], failed: dict[str, str], other: Tree) -> Result:
    columns = ["what", "this CPU ms", f"{other.name} CPU ms", "CPU ratio", "mark", "this ms", f"{other.name} ms", "time ratio"]
    rows = [[name, *_cells(taken)] for name, taken in turns.items()]
    if any(turn.this.servers is not None for turn in chain(*turns.values())):
        columns.append("servers' CPU ratio")
        rows = [[*row, number(ratios(turns[row[0]], lambda spent: spent.servers), 2)] for row in rows]
    notes = [f"{name} can't be compared: {error}" for name, error in failed.items()]
    notes.append(
        f"{max(map(len, turns.values()), default=0)} turns. Ratios: {other.name} / this in the same turn, median and range; "
        f"above 1 this tree needs less. mark: CPU ratio >= {MARK}."
    )
    heading = f"{title}: this tree against {other.name}"
    return Result(f"{part} against {other.name}", heading, "", columns, rows, notes, dict(turns))


def _cells(turns: list[Turn]) -> list[str]:
    cpu, seconds = ratios(turns, lambda spent: spent.cpu), ratios(turns, lambda spent: spent.seconds)
    return [
        f"{median(turn.this.cpu for turn in turns) * 1000:.2f}",
        f"{median(turn.other.cpu for turn in turns) * 1000:.2f}",
        number(cpu, 2),
        verdict(median(cpu) >= MARK, f">= {MARK}") if cpu else "-",
        f"{median(turn.this.seconds for turn in turns) * 1000:.2f}",
        f"{median(turn.other.seconds for turn in turns) * 1000:.2f}",
        number(seconds, 2),
    ]
