"""What every peer is asked to do, as JSON on stdin, and what it answers on stdout."""

from pathlib import Path

from msgspec import Struct


class Order(Struct, frozen=True):
    """Make each of `sources`, `at_once` of them in flight, at most `side` pixels wide and high: `result_of(folder, number)`.

    The first `at_once` pictures are made beforehand and count for nothing. `threads` of libvips for one picture; 0: as it comes.
    """

    sources: list[Path]
    folder: Path
    side: int
    format: str
    quality: int
    at_once: int
    threads: int = 0


class Outcome(Struct, frozen=True):
    """How long it took, the CPU time of every process and thread of it, both in seconds, and what made it."""

    seconds: float
    cpu_seconds: float
    version: str


def result_of(folder: Path, number: int) -> Path:
    return folder / f"result-{number}"
