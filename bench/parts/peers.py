"""The sandbox's pool against sharp and Pillow on the same cores: pictures a second of the same thumbnails, each peer at its best.

Every picture has a name of its own (a link): no cache can answer instead of a decoder. Whether the results can be compared, their
distance from the best possible thumbnail says.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from statistics import median

from msgspec import Struct

from bench.distance import best_thumbnail, to_file
from bench.parts.scale import Scale
from bench.parts.worker import Case
from bench.peers.order import Order, Outcome, result_of
from bench.pictures import SMALL, TWELVE, TWO, picture
from bench.programs import ProgramFailed, run_command
from bench.render import THUMBNAIL, WEB
from bench.report import Result, number, verdict
from bench.sandbox import folder_in_memory, in_memory
from bench.sources import jpeg
from internal.runtime.project import PROJECT

FOLDER = PROJECT / "bench" / "peers"
INSTALL_SECONDS = 120.0
QUALITY = 80
MARK = 1.0
ROW_SECONDS = 50.0
CASES = (Case(TWELVE, THUMBNAIL, 80), Case(TWO, THUMBNAIL, 250), Case(SMALL, THUMBNAIL, 500), Case(TWELVE, WEB, 24))
MARKED = CASES[0]
COLUMNS = ["picture", "peer", "pictures/s", "ours/peer", "mark", "CPU ms", "dE00", "kB"]
SHORT = ["picture", "peer", "pictures/s", "ours/peer", "CPU ms", "dE00"]


class Way(Struct, frozen=True):
    """A peer and how it is run. Of a peer's several ways the quickest counts."""

    peer: str
    command: list[str]
    at_once: int
    threads: int = 0

    @property
    def name(self) -> str:
        return f"{self.peer}, {self.at_once} at once" + (f", {self.threads} threads each" if self.threads else "")


class PeerRound(Struct, frozen=True):
    """One round: pictures a second, CPU seconds of one, and of the first result its distance from the best and its bytes."""

    rate: float
    cpu: float
    distance: float
    size: int
    version: str


def measure(scale: Scale) -> Result:
    ways, notes = _ways()
    rows, raw = [], {}
    versions: dict[str, None] = {}
    for case in CASES:
        rounds: dict[str, list[PeerRound]] = {way.name: [] for way in ways}
        for _ in scale.turns(ROW_SECONDS):
            for way in ways:
                rounds[way.name].append(_round(way, case, scale.count(case.count)))
        rows += _rows(case, ways, rounds)
        raw[case.name] = rounds
        versions |= {made.version: None for mades in rounds.values() for made in mades}
    notes += [
        f"JPEG and WebP of quality {QUALITY}; ways in turns, each peer's best is shown: {', '.join(way.name for way in ways)}.",
        "dE00: mean distance from the best possible thumbnail, which is made of every pixel and not encoded.",
        f"{'; '.join(versions)}.",
    ]
    return Result("peers", "The sandbox, sharp and Pillow", "", COLUMNS, rows, notes, raw, SHORT)


def _ways() -> tuple[list[Way], list[str]]:
    """Ours first; and what is missing of the others."""
    cores = len(os.sched_getaffinity(0))
    ways, missing = [Way("ours", [sys.executable, "-m", "bench.peers.ours"], 2 * cores)], []
    try:
        install_sharp()
        command = ["node", str(FOLDER / "sharp.mjs")]
        ways += [Way("sharp", command, 2 * cores), Way("sharp", command, cores), Way("sharp", command, 2 * cores, cores)]
    except (OSError, subprocess.SubprocessError) as error:
        missing.append(f"sharp is not there: {error}.")
    if importlib.util.find_spec("PIL"):
        ways.append(Way("Pillow", [sys.executable, "-m", "bench.peers.pillow"], cores))
    else:
        missing.append("Pillow is not there: `pip install pillow`.")
    return ways, missing


def install_sharp() -> None:
    """Into bench/peers/node_modules, as the lock file has it; no script of any package is run."""
    if not (FOLDER / "node_modules" / "sharp").is_dir():
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        subprocess.run(command, cwd=FOLDER, check=True, capture_output=True, timeout=INSTALL_SECONDS)
    if shutil.which("node") is None:
        raise FileNotFoundError("no node")


def _round(way: Way, case: Case, count: int) -> PeerRound:
    with folder_in_memory() as folder:
        source = in_memory(jpeg(case.size), folder)
        links = [_link(source.path, folder / f"picture-{number}.jpg") for number in range(count)]
        side, form = case.rendering.side, case.rendering.format
        outcome = run_command(way.command, Order(links, folder, side, form, QUALITY, way.at_once, way.threads), Outcome)
        if missing := sum(not result_of(folder, number).exists() for number in range(count)):
            raise ProgramFailed(f"{way.name} left out {missing} of {count} pictures")
        result = result_of(folder, 0)
        distance = to_file(best_thumbnail(picture(case.size), side), result)
        return PeerRound(count / outcome.seconds, outcome.cpu_seconds / count, distance, result.stat().st_size, outcome.version)


def _link(path: Path, name: Path) -> Path:
    name.hardlink_to(path)
    return name


def _rows(case: Case, ways: list[Way], rounds: dict[str, list[PeerRound]]) -> list[list[str]]:
    rates = {way.name: median(made.rate for made in rounds[way.name]) for way in ways}
    rows = []
    for peer in dict.fromkeys(way.peer for way in ways):
        best = max((way for way in ways if way.peer == peer), key=lambda way: rates[way.name])
        made, ratio = rounds[best.name], rates[ways[0].name] / rates[best.name]
        rows.append(
            [
                case.name,
                best.name,
                number([one.rate for one in made]),
                f"{ratio:.2f}",
                verdict(ratio >= MARK, f">= {MARK}") if peer == "sharp" and case is MARKED else "-",
                f"{median(one.cpu for one in made) * 1000:.1f}",
                f"{made[0].distance:.2f}",
                f"{made[0].size / 1000:.1f}",
            ]
        )
    return rows
