"""A program of its own: the sandbox of one source tree, which makes pictures as it is told to, a line each.

    python -m bench.chain_side FOLDER PROCESSES

It says on stdout that it has started, then answers every Request of stdin with a RenderCost or a Refused, until stdin ends. The
Python that runs it is that of the tree that is measured; of `internal` it needs what bench/sandbox.py imports.
"""

import asyncio
import logging
import sys
import time
from pathlib import Path

import msgspec
import structlog
from msgspec import Struct

import internal
from bench.render import confine_libvips
from bench.sandbox import cpu_seconds_of, job, open_sandbox
from bench.sources import Source
from internal.sandbox.pool import DecoderPool


class Started(Struct, frozen=True, tag="started"):
    """Where this program's `internal` is: proof of whose code is measured."""

    internal: Path


class Request(Struct, frozen=True):
    """Make `count` pictures in each process, after one that is not counted."""

    source: Source
    processing: str
    count: int


class RenderCost(Struct, frozen=True, tag="cost"):
    """Seconds on the clock and CPU seconds of the children, both of one picture; the result's size in bytes."""

    seconds: float
    cpu: float
    size: int


class Refused(Struct, frozen=True, tag="refused"):
    """This tree does not make this picture."""

    detail: str


async def serve(folder: Path, processes: int) -> None:
    async with open_sandbox(folder, processes) as pool:
        _say(Started(Path(internal.__path__[0])))
        while line := await asyncio.to_thread(sys.stdin.buffer.readline):
            try:
                _say(await _made(_request(line), pool, folder, processes))
            except Exception as error:
                _say(Refused(f"{type(error).__name__}: {error}"))


async def _made(request: Request, pool: DecoderPool, folder: Path, processes: int) -> RenderCost:
    targets = [folder / f"result-{number}" for number in range(processes)]

    async def work(target: Path, pictures: int) -> None:
        wanted = job(request.source, target, request.processing)
        for _ in range(pictures):
            await pool.render(wanted)

    await asyncio.gather(*(work(target, 1) for target in targets))
    pids = pool.pids
    began, cpu = time.perf_counter(), sum(map(cpu_seconds_of, pids))
    await asyncio.gather(*(work(target, request.count) for target in targets))
    seconds, made = time.perf_counter() - began, request.count * processes
    return RenderCost(seconds / made, (sum(map(cpu_seconds_of, pids)) - cpu) / made, targets[0].stat().st_size)


def _request(line: bytes) -> Request:
    return msgspec.json.decode(line, type=Request, dec_hook=lambda wanted, value: wanted(value))


def _say(answer: Started | RenderCost | Refused) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(answer, enc_hook=str) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    confine_libvips()
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
    )
    asyncio.run(serve(Path(sys.argv[1]), int(sys.argv[2])))
