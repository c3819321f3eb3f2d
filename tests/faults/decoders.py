"""A worker's decoder processes, and the picture that each is rendering."""

from contextlib import suppress
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from tests.e2e.processes import Running


def decoders_at(worker: Running, size: int) -> list[psutil.Process]:
    """The worker's children that have a picture of `size` bytes before them."""
    return [child for child in psutil.Process(worker.pid).children() if _picture_before(child) == size]


def _picture_before(child: psutil.Process) -> int | None:
    """The sandbox lays it beside the folder in which the child works."""
    with suppress(OSError, psutil.Error):
        return (Path(child.cwd()).parent / "input/source").stat().st_size
    return None
