"""Children of a pool: their number, their replacement, and that none outlives its parent."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest

from internal.domain.errors import SandboxUnavailable
from internal.ports.sandbox import Rendered, RenderJob
from internal.sandbox.pool import DecoderPool
from tests import pictures
from tests.integration.sandbox_bench import DEADLINE, LIMITS, bench, eventually


async def test_a_child_is_replaced_after_its_share_of_pictures(tmp_path: Path) -> None:
    async with bench(tmp_path, max_pictures=2) as under_test:
        seen = set()
        for _ in range(4):
            seen |= set(under_test.pool.pids)
            await under_test.is_unharmed()
        assert len(seen) == 2


async def test_never_more_children_than_the_pool_has_places(tmp_path: Path) -> None:
    async with bench(tmp_path, size=2, max_pictures=1) as under_test:
        source = tmp_path / "shared"
        source.write_bytes(pictures.jpeg(64, 48))
        jobs = [RenderJob(source, tmp_path / f"target-{number}", "resize:20x20", "image/jpeg", LIMITS) for number in range(6)]

        async def watched(job: RenderJob) -> Rendered:
            rendered = await under_test.pool.render(job)
            assert len(under_test.pool.pids) <= 2
            return rendered

        assert len(await asyncio.gather(*(watched(job) for job in jobs))) == 6


async def test_closing_ends_pictures_in_work(tmp_path: Path) -> None:
    async with bench(tmp_path) as under_test:
        task, child = await under_test.picture_that_hangs()

        await under_test.pool.aclose()

        with pytest.raises(SandboxUnavailable):
            await task
        assert not psutil.pid_exists(child)
        with pytest.raises(SandboxUnavailable):
            await under_test.pool.render(under_test.job(pictures.jpeg()))


async def _refusal(pool: DecoderPool) -> str:
    try:
        await pool.check()
    except SandboxUnavailable as error:
        return error.detail
    return ""


async def test_check_says_whether_a_child_can_be_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with bench(tmp_path) as under_test:
        await under_test.pool.check()
        monkeypatch.setattr(sys, "executable", "/bin/false")
        await under_test.pool.check()  # there is one that lives

        os.kill(under_test.pool.pids[0], signal.SIGKILL)

        async with asyncio.timeout(DEADLINE):
            while not (reason := await _refusal(under_test.pool)):  # noqa: ASYNC110 - until asyncio has heard of the death
                await asyncio.sleep(0.005)
        assert "can be started" in reason
        monkeypatch.undo()
        await under_test.pool.check()
        await under_test.is_unharmed()


def _lives(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


async def test_children_die_with_their_parent(tmp_path: Path) -> None:
    program = f"""
import asyncio, os, signal
from pathlib import Path
from internal.sandbox.pool import open_pool
limits = dict(memory_bytes=2**30, cpu_seconds=5, wall_seconds=5, max_pictures=5)
async def main():
    async with open_pool(size=2, scratch=Path({str(tmp_path / "scratch")!r}), **limits) as pool:
        print(*pool.pids, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(main())
"""
    root = Path(__file__).parents[2]
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=False
    )

    children = [int(pid) for pid in done.stdout.splitlines()[-1].split()]  # its log comes first
    assert len(children) == 2
    await eventually(lambda: not any(_lives(pid) for pid in children))
    assert len(list((tmp_path / "scratch").iterdir())) == 1
    async with bench(tmp_path):  # which finds the folder empty at its end: the next pool clears what the killed one left
        assert len(list((tmp_path / "scratch").iterdir())) == 1


async def test_a_decoder_that_cannot_be_started_is_an_outage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with bench(tmp_path, max_pictures=1) as under_test:
        await under_test.is_unharmed()
        monkeypatch.setattr(sys, "executable", "/bin/false")

        with pytest.raises(SandboxUnavailable):
            await under_test.pool.render(under_test.job(pictures.jpeg()))

        monkeypatch.undo()
        await under_test.is_unharmed()
