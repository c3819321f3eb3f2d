"""Flat graphics: bytes and CPU of ours, of sharp with its usual settings, and of gifsicle -O3, for palette PNG, WebP and GIF.

One picture at a time, with one thread of libvips. gifsicle is found on PATH (Debian package gifsicle); what is not there, a note
says.
"""

import asyncio
import resource
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import pyvips
from msgspec import Struct

from bench.distance import distance
from bench.parts.peers import FOLDER, install_sharp
from bench.parts.scale import Scale
from bench.programs import ProgramFailed, run_command
from bench.render import confine_libvips
from bench.report import Result
from bench.sandbox import cpu_seconds_of, folder_in_memory, job, open_sandbox
from bench.sources import Source

COLUMNS = ["picture", "asked for", "peer", "bytes", "of what came", "CPU ms", "dE00 to ours"]
SHORT = COLUMNS[:-1]
FRAMES = 24
ROUNDS = 5
SECONDS = 20.0


class Order(Struct, frozen=True):
    """Make `source` at most `side` pixels wide, 0 for as it is, as `format`: `target`, `count` times."""

    source: Path
    target: Path
    side: int
    format: str
    count: int


class Outcome(Struct, frozen=True):
    """CPU seconds of one picture, and what made it."""

    cpu_seconds: float
    version: str


class Case(Struct, frozen=True):
    """A picture and what is made of it."""

    name: str
    media_type: str
    make: Callable[[], bytes]
    side: int
    format: str

    @property
    def asked_for(self) -> str:
        return f"{self.side} px {self.format}" if self.side else self.format


def drawing() -> pyvips.Image:
    """A diagram of discs and lines in 64 colours; 1200x900."""
    image = pyvips.Image.black(1200, 900, bands=3).linear(1, 250).cast("uchar").copy(interpretation="srgb")
    for number in range(60):
        ink = [number * 4 % 256, 255 - number * 3 % 200, number * 53 % 256]
        image = image.draw_circle(ink, number * 197 % 1200, number * 337 % 900, 45, fill=True)
    for number in range(0, 900, 9):
        image = image.draw_line([0, 0, 0], 20, number, 500 - number % 90, number + 4)
    return image


def recording() -> bytes:
    """A still screen on which a small square moves; 480x360."""
    screen = drawing().crop(0, 0, 480, 360)
    steps = [screen.draw_rect([220, 30, 30], 20 + 5 * step, 20 + 3 * step, 12, 12, fill=True) for step in range(FRAMES)]
    roll = pyvips.Image.arrayjoin(steps, across=1).copy()
    roll.set_type(pyvips.GValue.gint_type, "page-height", 360)
    return bytes(roll.gifsave_buffer(dither=0, keep="none"))


def _palette() -> bytes:
    return bytes(drawing().pngsave_buffer(palette=True, dither=0, keep="none"))


def _one_bit() -> bytes:
    return bytes((drawing()[1] > 128).copy(interpretation="b-w").pngsave_buffer(bitdepth=1, keep="none"))


CASES = (
    Case("PNG, 64 colours", "image/png", _palette, 0, "png"),
    Case("PNG, 64 colours", "image/png", _palette, 800, "png"),
    Case("PNG, 64 colours", "image/png", _palette, 0, "webp"),
    Case("PNG, 1 bit", "image/png", _one_bit, 0, "png"),
    Case("PNG, 1 bit", "image/png", _one_bit, 800, "png"),
    Case(f"GIF of a screen, {FRAMES} frames", "image/gif", recording, 0, "gif"),
    Case(f"GIF of a screen, {FRAMES} frames", "image/gif", recording, 400, "gif"),
)


def measure(scale: Scale) -> Result:
    confine_libvips()
    peers, notes = _peers()
    rows, raw = [], {}
    versions: dict[str, None] = {}
    for case in CASES:
        with folder_in_memory() as folder:
            source = folder / "source"
            source.write_bytes(case.make())
            count = 1 if scale.rounds == 1 else ROUNDS
            for name, make in peers.items():
                order = Order(source, folder / name, case.side, case.format, count)
                if name == "gifsicle" and case.format != "gif":
                    continue
                outcome = make(order, case)
                versions[outcome.version] = None
                raw[f"{case.name}, {case.asked_for}, {name}"] = outcome
                rows.append(_row(case, name, order, outcome, folder / "ours"))
    notes += ["One picture at a time. sharp with its usual settings of each format, gifsicle -O3.", f"{'; '.join(versions)}."]
    return Result("flat", "Flat graphics: ours, sharp and gifsicle", "", COLUMNS, rows, notes, raw, SHORT)


def _row(case: Case, name: str, order: Order, outcome: Outcome, ours: Path) -> list[str]:
    size, came = order.target.stat().st_size, order.source.stat().st_size
    away = "-" if order.target == ours else f"{distance(order.target, ours):.2f}"
    return [case.name, case.asked_for, name, f"{size:,}", f"{size / came:.2f}", f"{outcome.cpu_seconds * 1000:.1f}", away]


def _peers() -> tuple[dict[str, Callable[[Order, Case], Outcome]], list[str]]:
    """Ours first; and what is missing of the others."""
    peers: dict[str, Callable[[Order, Case], Outcome]] = {"ours": _ours}
    missing = []
    try:
        install_sharp()
        peers["sharp"] = _sharp
    except (OSError, subprocess.SubprocessError) as error:
        missing.append(f"sharp is not there: {error}.")
    if shutil.which("gifsicle"):
        peers["gifsicle"] = _gifsicle
    else:
        missing.append("gifsicle is not there (Debian package gifsicle).")
    return peers, missing


def _ours(order: Order, case: Case) -> Outcome:
    async def make() -> Iterator[float]:
        async with open_sandbox(order.target.parent, 1) as pool:
            resize = f"resize:{order.side}x|" if order.side else ""
            wanted = job(Source("", order.source, case.media_type, 0), order.target, f"{resize}format:{order.format}")
            await pool.render(wanted)
            spent = []
            for _ in range(order.count):
                before = sum(map(cpu_seconds_of, pool.pids))
                await pool.render(wanted)
                spent.append(sum(map(cpu_seconds_of, pool.pids)) - before)
            return iter(spent)

    return Outcome(median(asyncio.run(make())), "ours: the sandbox")


def _sharp(order: Order, _case: Case) -> Outcome:
    return run_command(["node", str(FOLDER / "flat.mjs")], order, Outcome)


def _gifsicle(order: Order, _case: Case) -> Outcome:
    resize = ["--resize-width", str(order.side)] if order.side else []
    command = ["gifsicle", "-O3", *resize, str(order.source), "-o", str(order.target)]
    before = _cpu_of_children()
    for _ in range(order.count):
        if subprocess.run(command, check=False, capture_output=True, timeout=SECONDS).returncode:
            raise ProgramFailed("gifsicle could not make it")
    version = subprocess.run(["gifsicle", "--version"], check=True, capture_output=True, text=True).stdout.splitlines()[0]
    return Outcome((_cpu_of_children() - before) / order.count, version)


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
