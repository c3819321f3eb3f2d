"""A program of its own: one chain in three ways, in turns: in the sandbox, by `render()` in a process, by hand with pyvips.

    python -m bench.chain_rounds < order > outcome

Every way has as many processes, one libvips thread each, and all of them stay for all rounds; one way works at a time. A round
begins with a picture in each process that is not counted, since memory that lay idle is slow to come back.
"""

import asyncio
import multiprocessing
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

from msgspec import Struct

from bench.baseline_pyvips import BY_NAME
from bench.programs import give_outcome, taken_order
from bench.render import confine_libvips
from bench.sandbox import cpu_seconds_of, job, open_sandbox
from bench.sources import Source
from internal.pipeline.language.grammar import Grammar
from internal.ports.sandbox import RenderJob
from internal.sandbox.pool import DecoderPool

SANDBOX, RENDER, BASELINE = WAYS = ("sandbox", "render", "baseline")


class Order(Struct, frozen=True):
    """The chain's name and its original, how often each way gets its turn and for about how long, and in how many processes."""

    chain: str
    source: Source
    rounds: int
    seconds: float
    processes: int
    folder: Path


class Round(Struct, frozen=True):
    """Pictures a second; CPU seconds of one picture: of the processes that make it, and, for the sandbox, of their parent."""

    rate: float
    cpu: float
    parent_cpu: float = 0.0


class Outcome(Struct, frozen=True):
    """The rounds of each way. What it made last lies in `target_of(folder, way, 0)`."""

    rounds: dict[str, list[Round]]


def main() -> None:
    order = taken_order(Order)
    confine_libvips()
    processes = {way: _Processes(way, order) for way in (RENDER, BASELINE)}
    give_outcome(asyncio.run(_measure(order, processes)))


async def _measure(order: Order, processes: dict[str, "_Processes"]) -> Outcome:
    rounds: dict[str, list[Round]] = {way: [] for way in WAYS}
    async with open_sandbox(order.folder, order.processes) as pool:
        count = _pictures_in(order.seconds, processes[BASELINE])
        for turn in range(order.rounds):
            for way in (*WAYS[turn % 3 :], *WAYS[: turn % 3]):
                rounds[way].append(await _sandboxed(pool, order, count) if way == SANDBOX else processes[way].work(count))
    for other in processes.values():
        other.end()
    return Outcome(rounds)


def target_of(folder: Path, way: str, number: int) -> Path:
    return folder / f"{way}-{number}"


def _pictures_in(seconds: float, baseline: "_Processes") -> int:
    """How many pictures one process makes by hand in this time."""
    baseline.work(1)
    return max(1, round(seconds * baseline.work(2).rate / len(baseline)))


async def _sandboxed(pool: DecoderPool, order: Order, count: int) -> Round:
    async def work(number: int, pictures: int) -> None:
        wanted = _job(order, SANDBOX, number)
        for _ in range(pictures):
            await pool.render(wanted)

    await asyncio.gather(*(work(number, 1) for number in range(order.processes)))
    pids = pool.pids
    began, parent, cpu = time.perf_counter(), time.process_time(), sum(map(cpu_seconds_of, pids))
    await asyncio.gather(*(work(number, count) for number in range(order.processes)))
    seconds, parent = time.perf_counter() - began, time.process_time() - parent
    made = count * order.processes
    return Round(made / seconds, (sum(map(cpu_seconds_of, pids)) - cpu) / made, parent / made)


class _Processes:
    """Processes that make the picture as often as they are told to, in one of the two other ways."""

    def __init__(self, way: str, order: Order) -> None:
        context = multiprocessing.get_context("spawn")  # so that the C library and libvips read the environment when they start
        self._ends: list[Connection] = []
        for number in range(order.processes):
            here, there = context.Pipe()
            context.Process(target=_work, args=(there, way, order, number), daemon=True).start()
            self._ends.append(here)

    def __len__(self) -> int:
        return len(self._ends)

    def work(self, count: int) -> Round:
        """So many pictures in each process."""
        self._tell(1)
        began = time.perf_counter()
        cpu = sum(self._tell(count))
        made = count * len(self)
        return Round(made / (time.perf_counter() - began), cpu / made)

    def end(self) -> None:
        for end in self._ends:
            end.send(0)

    def _tell(self, count: int) -> list[float]:
        for end in self._ends:
            end.send(count)
        return [end.recv() for end in self._ends]


def _work(pipe: Connection, way: str, order: Order, number: int) -> None:
    make = (_rendering if way == RENDER else _baseline)(order, number)
    while count := _told(pipe):
        cpu = time.process_time()
        for _ in range(count):
            make()
        pipe.send(time.process_time() - cpu)


def _told(pipe: Connection) -> int:
    """How many pictures are to be made next; 0 is the end, also when nobody is there any more."""
    try:
        return int(pipe.recv())
    except EOFError:
        return 0


def _rendering(order: Order, number: int) -> Callable[[], object]:
    from internal.pipeline.vips.render import render

    wanted = _job(order, RENDER, number)
    scratch = order.folder / f"scratch-{number}"
    scratch.mkdir()
    chain = Grammar().parse(wanted.pipeline)
    return lambda: render(wanted, chain, scratch)


def _baseline(order: Order, number: int) -> Callable[[], object]:
    import pyvips

    pyvips.cache_set_max(0)
    source, target = str(order.source.path), str(target_of(order.folder, BASELINE, number))
    baseline = BY_NAME[order.chain].baseline
    return lambda: baseline(source, target)


def _job(order: Order, way: str, number: int) -> RenderJob:
    return job(order.source, target_of(order.folder, way, number), BY_NAME[order.chain].processing)


if __name__ == "__main__":
    main()
