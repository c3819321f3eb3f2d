"""The common chains in the sandbox, by `render()` in a process, and by hand with pyvips: CPU time and pictures a second.

Of the sandbox counts all that its children use; what their parent spends on a picture stands beside it.
"""

from pathlib import Path
from statistics import median

from bench.baseline_pyvips import CHAINS, Chain
from bench.chain_rounds import BASELINE, RENDER, SANDBOX, Order, Outcome, Round, target_of
from bench.distance import distance
from bench.parts.scale import Scale
from bench.programs import ProgramFailed, run
from bench.report import Result, verdict
from bench.sandbox import folder_in_memory, in_memory

PROCESSES = 2
SECONDS = 0.4
ROUNDS = 5
LARGE_PIXELS = 1_500_000
MARK_LARGE, MARK_SMALL = 1.10, 1.25
COLUMNS = [
    "chain",
    "sandbox CPU ms",
    "render() ms",
    "by hand ms",
    "sandbox/hand",
    "render/hand",
    "mark",
    "parent ms",
    "sandbox pictures/s",
    "by hand /s",
    "dE00",
    "bytes",
]
SHORT = ["chain", "sandbox CPU ms", "render() ms", "by hand ms", "sandbox/hand", "sandbox pictures/s", "by hand /s"]


def measure(scale: Scale) -> Result:
    rows, raw, notes = [], {}, []
    for chain in CHAINS:
        with folder_in_memory() as folder:
            try:
                outcome = _measured(chain, scale, folder)
            except ProgramFailed as error:
                notes.append(f"{chain.name} could not be measured: {str(error).splitlines()[-1]}")
                continue
            rows.append(_row(chain, outcome.rounds, folder))
            raw[chain.name] = outcome.rounds
    notes += [
        f"{PROCESSES} processes each; medians of rounds in turn, and their ratios. `parent`: the sandbox's, for each picture.",
        f"mark: sandbox/hand <= {MARK_LARGE:.2f}, and <= {MARK_SMALL:.2f} for the small picture. `dE00`: how far the sandbox's "
        "result looks from that by hand; `bytes`: its size, by hand = 1.",
    ]
    return Result("chains", "Common chains: sandbox, in-process, by hand", "", COLUMNS, rows, notes, raw, SHORT)


def _measured(chain: Chain, scale: Scale, folder: Path) -> Outcome:
    rounds = ROUNDS if scale.rounds > 1 else 1
    order = Order(chain.name, in_memory(chain.source(), folder), rounds, SECONDS, PROCESSES, folder)
    return run("bench.chain_rounds", order, Outcome)


def _row(chain: Chain, rounds: dict[str, list[Round]], folder: Path) -> list[str]:
    cpu = {way: median(one.cpu for one in rounds[way]) * 1000 for way in rounds}
    rate = {way: median(one.rate for one in rounds[way]) for way in rounds}
    ratio = cpu[SANDBOX] / cpu[BASELINE]
    mark = MARK_LARGE if chain.source().pixels > LARGE_PIXELS else MARK_SMALL
    ours, baseline = target_of(folder, SANDBOX, 0), target_of(folder, BASELINE, 0)
    return [
        chain.name,
        f"{cpu[SANDBOX]:.1f}",
        f"{cpu[RENDER]:.1f}",
        f"{cpu[BASELINE]:.1f}",
        f"{ratio:.2f}",
        f"{cpu[RENDER] / cpu[BASELINE]:.2f}",
        verdict(ratio <= mark, f"<= {mark:.2f}"),
        f"{median(one.parent_cpu for one in rounds[SANDBOX]) * 1000:.1f}",
        f"{rate[SANDBOX]:.1f}",
        f"{rate[BASELINE]:.1f}",
        f"{distance(ours, baseline):.2f}",
        f"{ours.stat().st_size / baseline.stat().st_size:.2f}",
    ]
