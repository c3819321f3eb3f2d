"""All chains in the sandboxes of two trees, a pool of children for each.

Every turn has new children. How its memory happens to lie can make one child slower by a tenth than another of the same code, and
that does not change as long as it lives.
"""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import msgspec

from bench.baseline_pyvips import CHAINS, Chain
from bench.chain_side import Refused, RenderCost, Request, Started
from bench.compare import Rows, Spent, compare
from bench.parts.chains import PROCESSES, SECONDS
from bench.parts.scale import Scale
from bench.programs import ProgramFailed, ended_with_parent
from bench.report import Result
from bench.sandbox import folder_in_memory, in_memory
from bench.sources import Source
from bench.trees import THIS, Tree

QUICK_SECONDS = 0.2
END_SECONDS = 20.0


def measure(other: Tree, scale: Scale) -> Result:
    seconds = SECONDS if scale.share == 1 else QUICK_SECONDS
    with folder_in_memory() as folder:
        asked = {chain.name: _Asked(chain, in_memory(chain.source(), folder), seconds) for chain in CHAINS}

        @contextmanager
        def opened() -> Iterator[tuple[Rows, Rows]]:
            with open_side(THIS, folder) as this, open_side(other, folder) as others:
                yield _rows(asked, this), _rows(asked, others)

        result = compare("chains", "Common chains in the sandbox", opened, other, scale)
    result.notes.append(
        f"{PROCESSES} children each, new ones every turn; CPU: theirs, of one picture; some {seconds:g} s a round."
    )
    return result


def _rows(asked: dict[str, "_Asked"], side: "Side") -> Rows:
    return {name: partial(one.measure, side) for name, one in asked.items()}


class _Asked:
    """A chain, and how many pictures a round has: found out when it is first asked for, and the same in all that follow."""

    def __init__(self, chain: Chain, source: Source, seconds: float) -> None:
        self._chain, self._source, self._seconds = chain, source, seconds
        self._count = 0

    def measure(self, side: "Side") -> Spent:
        if not self._count:
            self._count = max(1, round(self._seconds / (self._made(side, 1).seconds * PROCESSES)))
        made = self._made(side, self._count)
        return Spent(made.cpu, made.seconds)

    def _made(self, side: "Side", count: int) -> RenderCost:
        return side.make(Request(self._source, self._chain.processing, count))


class Side:
    """A running bench.chain_side of one tree."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def make(self, request: Request) -> RenderCost:
        assert self._process.stdin
        try:
            self._process.stdin.write(msgspec.json.encode(request, enc_hook=str) + b"\n")
            self._process.stdin.flush()
        except OSError as error:
            raise ProgramFailed("it has ended") from error
        answer = self.answer()
        if isinstance(answer, RenderCost):
            return answer
        raise ProgramFailed(answer.detail if isinstance(answer, Refused) else "it started twice")

    def answer(self) -> Started | RenderCost | Refused:
        assert self._process.stdout
        if not (line := self._process.stdout.readline()):
            raise ProgramFailed("it has ended")
        return msgspec.json.decode(line, type=Started | RenderCost | Refused, dec_hook=lambda wanted, value: wanted(value))


@contextmanager
def open_side(tree: Tree, folder: Path) -> Iterator[Side]:
    """Raises ProgramFailed when it does not start, or on another tree's code."""
    own = folder / f"side-{tree.name}"
    own.mkdir(exist_ok=True)
    with (own / "log").open("w+b") as log:
        process = subprocess.Popen(
            [*tree.command("bench.chain_side"), str(own), str(PROCESSES)],
            cwd=own,
            env={**os.environ, **tree.variables()},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
            preexec_fn=ended_with_parent,  # noqa: PLW1509 - it calls into the kernel and takes no lock
        )
        try:
            side = Side(process)
            _check(side, tree, own / "log")
            yield side
        finally:
            _end(process)


def _check(side: Side, tree: Tree, log: Path) -> None:
    """INVARIANT: what is compared is the other tree's code (tests/integration/test_bench_compare.py)."""
    try:
        started = side.answer()
    except ProgramFailed as error:
        raise ProgramFailed(f"{tree.name} does not start: {log.read_text(errors='replace').strip()[-2000:]}") from error
    if not isinstance(started, Started) or started.internal.resolve() != (tree.folder / "internal").resolve():
        raise ProgramFailed(f"{tree.name}: {started} is not of {tree.folder}")


def _end(process: subprocess.Popen[bytes]) -> None:
    """It ends when its stdin does."""
    try:
        process.communicate(timeout=END_SECONDS)
    except (subprocess.TimeoutExpired, OSError):
        process.kill()
        process.wait()
