"""The sandbox's pool, without the service around it: `python -m bench.peers.ours < order > outcome`."""

import asyncio
import time
from collections.abc import Iterator

from bench.peers.order import Order, Outcome, result_of
from bench.programs import give_outcome, taken_order
from bench.sandbox import cpu_seconds_of, job, open_sandbox
from bench.sources import Source
from internal.sandbox.pool import DecoderPool


def main() -> None:
    give_outcome(asyncio.run(_make(taken_order(Order))))


async def _make(order: Order) -> Outcome:
    """With as many children as are at once; one more picture than they can take waits, so that none falls idle."""
    async with open_sandbox(order.folder, order.at_once) as pool:
        await asyncio.gather(*(_take(iter([number]), order, pool) for number in range(order.at_once)))
        cpu, began = _cpu_seconds(pool), time.perf_counter()
        numbers = iter(range(len(order.sources)))
        await asyncio.gather(*(_take(numbers, order, pool) for _ in range(order.at_once + 1)))
        return Outcome(time.perf_counter() - began, _cpu_seconds(pool) - cpu, f"sandbox of {order.at_once}")


async def _take(numbers: Iterator[int], order: Order, pool: DecoderPool) -> None:
    processing = f"resize:{order.side}x{order.side}|format:{order.format}|quality:{order.quality}"
    for number in numbers:
        source = Source("", order.sources[number], "image/jpeg", 0)
        await pool.render(job(source, result_of(order.folder, number), processing))


def _cpu_seconds(pool: DecoderPool) -> float:
    return time.process_time() + sum(map(cpu_seconds_of, pool.pids))


if __name__ == "__main__":
    main()
