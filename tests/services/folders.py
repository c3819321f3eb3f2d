"""Looking at folders that processes work in: what they remove meanwhile is not found, and is no error, as it is for rglob."""

import os
from collections.abc import Iterator
from pathlib import Path


def everything_below(folder: Path) -> Iterator[Path]:
    """Every file and folder below it, in no order."""
    for place, folders, files in os.walk(folder):
        yield from (Path(place, name) for name in [*folders, *files])


def files_below(folder: Path) -> Iterator[Path]:
    for place, _, files in os.walk(folder):
        yield from (Path(place, name) for name in files)
