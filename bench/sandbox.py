"""The service's own sandbox as its settings make it, without the service around.

`make bench COMPARE=revision` also runs this file on the `internal` of older revisions. When a name that is imported here moves,
import it from the new place and, on ImportError, from the old one.
"""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from functools import cache
from pathlib import Path

from msgspec.structs import replace

from bench.sources import Source
from internal.sandbox.pool import DecoderPool, open_pool

try:
    from internal.ports.sandbox import RenderJob, RenderLimits
    from internal.settings.loader import load_settings
    from internal.settings.sections import Settings
except ImportError:  # revisions up to a0cf3c6
    from internal.configuration import load_settings  # type: ignore[import-not-found, no-redef]
    from internal.sandbox.port import RenderJob, RenderLimits  # type: ignore[import-not-found, no-redef]

    from internal.settings import Settings  # type: ignore[attr-defined, no-redef]

FOR_EVER = 10**9
MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of our own is made there


@cache
def _settings() -> Settings:
    return load_settings({"APP_PROFILE": "standalone"})


def open_sandbox(folder: Path, children: int) -> AbstractAsyncContextManager[DecoderPool]:
    """A warm pool with the default settings, but that no child is ever replaced: what it costs or keeps must show."""
    sandbox = _settings().sandbox
    return open_pool(
        size=children,
        memory_bytes=sandbox.memory_bytes,
        cpu_seconds=sandbox.cpu_seconds,
        wall_seconds=sandbox.wall_seconds,
        max_pictures=FOR_EVER,
        scratch=folder / "scratch",
    )


def job(source: Source, target: Path, processing: str) -> RenderJob:
    """What a worker asks the sandbox to do."""
    limits = _settings().limits
    allowed = RenderLimits(**{name: getattr(limits, name) for name in RenderLimits.__struct_fields__})
    return RenderJob(source.path, target, processing, source.media_type, allowed)


def in_memory(source: Source, folder: Path) -> Source:
    """The same original in `folder`."""
    path = folder / source.path.name
    if not path.exists():
        shutil.copyfile(source.path, path)
    return replace(source, path=path)


def cpu_seconds_of(pid: int) -> float:
    """CPU time of another process so far, all its threads. Linux has a clock for each process, by its number."""
    return time.clock_gettime(~pid << 3 | 2)


@contextmanager
def folder_in_memory() -> Iterator[Path]:
    """Where pictures lie while they are worked on, as in the service: in memory where there is a place for it."""
    place = MEMORY if os.access(MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="image-processor-bench-", dir=place) as folder:
        yield Path(folder)
