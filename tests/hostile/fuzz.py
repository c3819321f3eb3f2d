"""Runs thousands of mutants through the sandbox: `make fuzz`.

FUZZ_MUTANTS: number of mutants (2100). FUZZ_SEED: series (1). FUZZ_ONLY: one number of the series, to repeat that mutant. It
fails if an outcome is neither a result nor one of the decoder's errors, and prints how to repeat it. A mutant that kills a
decoder is no failure, because decoders exist for that; it is saved as well.
"""

import asyncio
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from msgspec import Struct

from internal.domain.errors import PERMANENT, DecoderFailed, DecoderOutOfMemory, DecoderTimeout, ServiceError
from internal.ports.sandbox import RenderJob, RenderLimits
from internal.sandbox.pool import DecoderPool, open_pool
from tests.hostile.mutants import Mutant, mutant

DEATHS = {DecoderFailed.code, DecoderOutOfMemory.code, DecoderTimeout.code}
CODES = {error.code for error in PERMANENT} | DEATHS
RESULT = "result"
LIMITS = RenderLimits(20_000, 20_000, 50_000_000, 200, 50_000_000, 20_000_000)


class Outcome(Struct, frozen=True):
    """Outcome of a mutant: RESULT or an error code, and the error's text. `bad`: neither."""

    mutant: Mutant
    code: str
    detail: str
    bad: bool


async def outcome_of(mutant: Mutant, pool: DecoderPool, folder: Path) -> Outcome:
    """Render the mutant in `pool`. Its files are removed."""
    source, target = folder / f"source-{mutant.number}", folder / f"target-{mutant.number}"
    source.write_bytes(mutant.data)
    try:
        rendered = await pool.render(RenderJob(source, target, mutant.pipeline, mutant.media_type, LIMITS, want_facts=True))
        whole = target.stat().st_size == rendered.result.size
        return Outcome(mutant, RESULT, "" if whole else "not as it was told", bad=not whole)
    except ServiceError as error:
        return Outcome(mutant, error.code, error.detail, bad=error.code not in CODES or target.exists())
    except Exception as error:
        return Outcome(mutant, type(error).__name__, str(error), bad=True)
    finally:
        source.unlink()
        target.unlink(missing_ok=True)


async def fuzz(mutants: Iterable[Mutant], folder: Path) -> list[Outcome]:
    """All outcomes in order of arrival. Two decoders run in parallel."""
    outcomes: list[Outcome] = []
    left = iter(mutants)

    async def work() -> None:
        for one in left:
            outcomes.append(await outcome_of(one, pool, folder))

    async with open_pool(
        size=2,
        memory_bytes=2**30,
        cpu_seconds=10,
        wall_seconds=60,
        max_pictures=500,
        scratch=folder / "scratch",
        heif_input=True,
    ) as pool:
        await asyncio.gather(work(), work())
    return outcomes


def main() -> int:
    seed, count = int(os.environ.get("FUZZ_SEED") or 1), int(os.environ.get("FUZZ_MUTANTS") or 2100)
    only = os.environ.get("FUZZ_ONLY")
    numbers = [int(only)] if only else range(count)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        outcomes = asyncio.run(fuzz((mutant(seed, number) for number in numbers), Path(folder)))
    for code, times in Counter(found.code for found in outcomes).most_common():
        print(f"{times:6}  {code}")
    print(f"{len(outcomes):6}  mutants of seed {seed} in {time.monotonic() - began:.0f} s")
    for found in outcomes:
        if found.bad or found.code in DEATHS or only:
            _tell(found)
    return int(any(found.bad for found in outcomes))


def _tell(found: Outcome) -> None:
    one = found.mutant
    path = Path(tempfile.gettempdir()) / f"mutant-{one.seed}-{one.number}.{one.media_type.removeprefix('image/')}"
    path.write_bytes(one.data)
    print(f"{'BAD ' if found.bad else ''}FUZZ_SEED={one.seed} FUZZ_ONLY={one.number}: {one.story} | {one.pipeline}")
    print(f"    {found.code}: {found.detail}; saved as {path}")


if __name__ == "__main__":
    sys.exit(main())
