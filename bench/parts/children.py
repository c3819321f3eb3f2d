"""Resident memory of each decoder over a thousand mixed pictures: every format, four sizes, many chains, in an order by chance.

Looked at each hundred pictures, between two of them, and at the end, when the children have been idle for a while. No child is
replaced.
"""

import asyncio
import random
from itertools import islice
from pathlib import Path
from statistics import median

import psutil  # type: ignore[import-untyped]
from msgspec import Struct

from bench.parts.scale import Scale
from bench.report import Result, verdict
from bench.sandbox import folder_in_memory, in_memory, job, open_sandbox
from bench.sources import Source, every_source
from internal.sandbox.child import IDLE_SECONDS
from internal.sandbox.pool import DecoderPool

CHILDREN = 2
PICTURES, EACH = 1000, 100
ENOUGH = 6
"""Looks that it takes to tell growth from chance: one child may meet its largest picture late."""
SEED = 4
FLAT_MEGABYTES = IDLE_MEGABYTES = 32
CHAINS = (
    "resize:300x300|format:jpeg",
    "resize:300x300,fit=cover,gravity=attention|format:webp",
    "resize:1024x1024|format:jpeg",
    "thumbnail:100|format:png",
    "crop:400x300+20+20|format:webp",
    "resize:500x500|rotate:90|format:jpeg",
    "grayscale|resize:640x640|format:jpeg",
    "resize:400x400|blur:2|sharpen|format:jpeg",
)


class Look(Struct, frozen=True):
    """Resident megabytes (10^6) of each child after so many pictures."""

    pictures: int
    megabytes: list[float]


def measure(scale: Scale) -> Result:
    with folder_in_memory() as folder:
        fresh, looks, idle = asyncio.run(_measured(scale.count(PICTURES), folder))
    rows = [_row(f"child {number + 1}", number, fresh, looks, idle) for number in range(CHILDREN)]
    columns = ["what", "fresh", *(f"after {look.pictures:,}" for look in looks), "idle", "growth", "flat", "back down"]
    notes = [
        "RSS in MB (10^6), of which some 40 are libraries that all children share.",
        f"growth: the median of the second half over that of the first; flat: at most {FLAT_MEGABYTES} MB of it. back down: when "
        f"idle, at most {IDLE_MEGABYTES} MB over a fresh child.",
    ]
    short = [columns[0], columns[1], columns[2], *columns[6:7], *columns[11:12], "idle", "growth"]
    return Result("children", "Memory of each decoder", "", columns, rows, notes, {"looks": looks}, list(dict.fromkeys(short)))


async def _measured(count: int, folder: Path) -> tuple[Look, list[Look], Look]:
    sources = [in_memory(source, folder) for source in every_source()]
    chance = random.Random(SEED)
    wanted = iter([(chance.choice(sources), chance.choice(CHAINS)) for _ in range(count)])
    async with open_sandbox(folder, CHILDREN) as pool:
        pids = sorted(pool.pids)
        fresh, looks, made = _look(0, pids), [], 0
        while portion := list(islice(wanted, EACH)):
            await _make(portion, pool, folder)
            made += len(portion)
            looks.append(_look(made, pids))
        await asyncio.sleep(IDLE_SECONDS + 1)
        return fresh, looks, _look(made, pids)


async def _make(portion: list[tuple[Source, str]], pool: DecoderPool, folder: Path) -> None:
    left = iter(portion)

    async def work(number: int) -> None:
        for source, processing in left:
            await pool.render(job(source, folder / f"result-{number}", processing))

    await asyncio.gather(*(work(number) for number in range(CHILDREN)))


def _look(pictures: int, pids: list[int]) -> Look:
    return Look(pictures, [psutil.Process(pid).memory_info().rss / 1e6 for pid in pids])


def _row(name: str, child: int, fresh: Look, looks: list[Look], idle: Look) -> list[str]:
    values = [look.megabytes[child] for look in looks]
    middle = max(1, len(values) // 2)
    growth = median(values[middle:] or values) - median(values[:middle])
    left = idle.megabytes[child] - fresh.megabytes[child]
    return [
        name,
        *(f"{value:.0f}" for value in (fresh.megabytes[child], *values, idle.megabytes[child])),
        f"{growth:+.0f}",
        verdict(growth <= FLAT_MEGABYTES, f"<= {FLAT_MEGABYTES}") if len(values) >= ENOUGH else "-",
        verdict(left <= IDLE_MEGABYTES, f"<= {IDLE_MEGABYTES}"),
    ]
