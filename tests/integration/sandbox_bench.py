"""Test bench of the sandbox: a pool that must leave nothing, hanging pictures, and waits with a deadline."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]

from internal.ports.sandbox import Rendered, RenderJob, RenderLimits
from internal.sandbox.pool import DecoderPool, open_pool
from tests import pictures

LIMITS = RenderLimits(
    max_width=30_000,
    max_height=30_000,
    max_pixels=500_000_000,
    max_frames=100,
    max_output_pixels=500_000_000,
    max_output_bytes=50_000_000,
)
DEADLINE = 20.0
"""Seconds after which what was waited for counts as missing."""


class Bench:
    """A folder with pictures, and a pool that renders them."""

    def __init__(self, folder: Path, pool: DecoderPool) -> None:
        self.folder, self.pool = folder, pool
        self.target = folder / "target"
        self._writers: list[int] = []

    def job(
        self, data: bytes | Path, chain: str = "resize:20x20", media_type: str = "image/jpeg", limits: RenderLimits = LIMITS
    ) -> RenderJob:
        source = data if isinstance(data, Path) else self.folder / "source"
        if isinstance(data, bytes):
            source.write_bytes(data)
        return RenderJob(source, self.target, chain, media_type, limits)

    async def is_unharmed(self) -> Rendered:
        """Check that another picture is rendered correctly."""
        rendered = await self.pool.render(self.job(pictures.jpeg(64, 48)))
        assert (rendered.result.width, rendered.result.height) == (20, 15)
        assert self.target.stat().st_size == rendered.result.size
        self.target.unlink()
        return rendered

    async def picture_that_hangs(self) -> tuple["asyncio.Task[Rendered]", int]:
        """Start a picture that never ends, because nothing writes to its pipe. Returns the task and the child's process id."""
        pipe = self.folder / "pipe"
        os.mkfifo(pipe)
        task = asyncio.create_task(self.pool.render(self.job(pipe, media_type="image/webp")))
        writer = await eventually(lambda: _opened(pipe))
        self._writers.append(writer)
        return task, await eventually(lambda: next((pid for pid in self.pool.pids if _has_open(pid, pipe)), None))

    def close(self) -> None:
        for writer in self._writers:
            os.close(writer)


def _opened(pipe: Path) -> int | None:
    try:
        return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
    except OSError:  # nobody reads it yet
        return None


def _has_open(pid: int, path: Path) -> bool:
    """The child has the file under another name."""
    with suppress(FileNotFoundError):  # it has closed one, or ended, since it was listed
        return any(entry.exists() and entry.samefile(path) for entry in Path(f"/proc/{pid}/fd").iterdir())
    return False


def proc_file(pid: int, name: str) -> str:
    return Path(f"/proc/{pid}/{name}").read_text()


def descriptors(pid: int) -> dict[str, str]:
    """Return the open files of a process by descriptor."""
    return {entry.name: str(entry.readlink()) for entry in Path(f"/proc/{pid}/fd").iterdir()}


async def eventually(look: Callable[[], Any]) -> Any:
    """Wait until `look` returns something, and return it. Fails at the deadline."""
    deadline = time.monotonic() + DEADLINE
    while time.monotonic() < deadline:
        if (seen := look()) not in (None, False):
            return seen
        await asyncio.sleep(0.005)
    raise AssertionError("waited in vain")


@asynccontextmanager
async def bench(folder: Path, **changed: Any) -> AsyncIterator[Bench]:
    """A pool of one child. Fails a test that leaves a child, a zombie or a file."""
    settings = {"size": 1, "memory_bytes": 2**30, "cpu_seconds": 20, "wall_seconds": 20, "max_pictures": 100, **changed}
    seen: set[int] = set()
    async with open_pool(**settings, scratch=folder / "scratch") as pool:
        under_test = Bench(folder, pool)
        seen |= set(pool.pids)
        yield under_test
        seen |= set(pool.pids)
        under_test.close()
    assert [pid for pid in seen if psutil.pid_exists(pid)] == []
    assert list((folder / "scratch").iterdir()) == []
