"""The sandbox under attack: a picture that goes wrong costs one child, and the next picture does not notice (G7)."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import psutil  # type: ignore[import-untyped]
import pytest

from internal.errors import (
    DecoderFailed,
    DecoderOutOfMemory,
    DecoderTimeout,
    ImageTooLarge,
    InvalidImage,
    OutputTooLarge,
    SandboxUnavailable,
    ServiceError,
)
from internal.sandbox.pool import DecoderPool
from internal.sandbox.port import Rendered, RenderJob
from tests import pictures
from tests.integration.sandbox_bench import DEADLINE, LIMITS, bench, eventually


async def test_a_picture_is_rendered_and_measured(tmp_path: Path) -> None:
    async with bench(tmp_path) as under_test:
        rendered = await under_test.pool.render(under_test.job(pictures.jpeg(640, 480), "resize:100x100|format:png"))

        made = rendered.result
        assert (made.width, made.height, made.frames, made.content_type) == (100, 75, 1, "image/png")
        assert made.size == under_test.target.stat().st_size
        assert 0 < rendered.cpu_seconds < 5


@pytest.mark.parametrize(
    ("data", "chain", "limits", "error"),
    [
        (pictures.cut(pictures.photo_jpeg(300, 300)), "strip", {}, InvalidImage),
        (pictures.jpeg(64, 48), "strip", {"max_width": 63}, ImageTooLarge),
        (pictures.photo_jpeg(300, 300), "quality:100", {"max_output_bytes": 1000}, OutputTooLarge),
        (
            pictures.photo_jpeg(300, 300),
            "resize:3000x3000,enlarge=true|format:png",
            {"max_output_bytes": 100_000},
            OutputTooLarge,
        ),
    ],
)
async def test_a_refusal_costs_no_child(
    data: bytes, chain: str, limits: dict[str, int], error: type[ServiceError], tmp_path: Path
) -> None:
    async with bench(tmp_path) as under_test:
        children = under_test.pool.pids

        with pytest.raises(error) as refusal:
            await under_test.pool.render(under_test.job(data, chain, limits=msgspec.structs.replace(LIMITS, **limits)))

        assert str(tmp_path) not in refusal.value.detail
        assert not under_test.target.exists()
        await under_test.is_unharmed()
        assert under_test.pool.pids == children


@pytest.mark.parametrize(
    ("deadly", "error"),
    [
        (signal.SIGKILL, DecoderOutOfMemory),  # so does the system when memory runs out
        (signal.SIGSEGV, DecoderFailed),
        (signal.SIGABRT, DecoderFailed),
    ],
)
async def test_a_child_that_is_killed_over_a_picture(deadly: signal.Signals, error: type[ServiceError], tmp_path: Path) -> None:
    async with bench(tmp_path) as under_test:
        task, child = await under_test.picture_that_hangs()

        os.kill(child, deadly)

        with pytest.raises(error, match=deadly.name) as death:
            await task
        assert death.type is error
        assert not under_test.target.exists()
        await under_test.is_unharmed()
        assert child not in under_test.pool.pids


async def test_a_child_that_outgrows_its_memory(tmp_path: Path) -> None:
    async with bench(tmp_path, memory_bytes=2**28) as under_test:
        children = under_test.pool.pids
        huge = bytes(pictures.scene(12_000, 12_000).pngsave_buffer(compression=1))

        with pytest.raises(DecoderOutOfMemory):
            await under_test.pool.render(under_test.job(huge, "rotate:90", "image/png"))

        assert not under_test.target.exists()
        await under_test.is_unharmed()
        assert under_test.pool.pids != children


async def test_a_picture_that_takes_too_long(tmp_path: Path) -> None:
    async with bench(tmp_path, wall_seconds=0.7) as under_test:
        began = time.monotonic()
        task, child = await under_test.picture_that_hangs()

        with pytest.raises(DecoderTimeout, match=r"0\.7 seconds"):
            await task
        assert 0.7 <= time.monotonic() - began < 5
        assert not psutil.pid_exists(child)
        await under_test.is_unharmed()


async def test_a_picture_that_takes_too_much_cpu_time(tmp_path: Path) -> None:
    async with bench(tmp_path, cpu_seconds=1) as under_test:
        endless = "|".join(["blur:100"] * 30)

        with pytest.raises(DecoderTimeout, match="1 seconds of CPU"):
            await under_test.pool.render(under_test.job(pictures.jpeg(2000, 2000), endless))

        assert not under_test.target.exists()
        await under_test.is_unharmed()


async def test_cpu_time_is_counted_for_each_picture_anew(tmp_path: Path) -> None:
    async with bench(tmp_path, cpu_seconds=1) as under_test:
        children = under_test.pool.pids
        job = under_test.job(pictures.jpeg(1200, 1200), "blur:40|format:png")
        used = 0.0
        while used < 2.5:
            used += (await under_test.pool.render(job)).cpu_seconds

        assert under_test.pool.pids == children


async def test_cancelling_kills_the_child_at_once(tmp_path: Path) -> None:
    async with bench(tmp_path) as under_test:
        task, child = await under_test.picture_that_hangs()

        task.cancel()

        with pytest.raises(asyncio.CancelledError):
            await task
        assert not psutil.pid_exists(child)
        assert not under_test.target.exists()
        await under_test.is_unharmed()


async def test_an_idle_child_that_was_killed_costs_no_picture(tmp_path: Path) -> None:
    async with bench(tmp_path, size=2) as under_test:
        children = under_test.pool.pids
        for child in children:
            os.kill(child, signal.SIGKILL)

        await under_test.is_unharmed()

        assert not set(children) & {under_test.pool.pids[-1]}


async def test_a_hanging_picture_does_not_hold_up_others(tmp_path: Path) -> None:
    async with bench(tmp_path, size=2) as under_test:
        task, _ = await under_test.picture_that_hangs()

        for _ in range(3):
            await under_test.is_unharmed()

        assert not task.done()
        task.cancel()
        await asyncio.wait([task])


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


async def test_a_png_full_of_text_is_not_noticed(tmp_path: Path) -> None:
    """One megabyte of compressed text takes libvips 2 GB to open."""
    async with bench(tmp_path, memory_bytes=2**29) as under_test:
        bomb = pictures.text_bomb_png(unpacked=2**20 - 64, chunks=900)

        rendered = await under_test.pool.render(under_test.job(bomb, "resize:20x20", "image/png"))

        assert rendered.cpu_seconds < 0.5
        assert sorted(path.name for path in (tmp_path / "scratch").glob("*/*/*")) == ["given", "made", "stderr"]


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
    await eventually(
        lambda: not any(psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE for pid in children)
    )
    assert len(list((tmp_path / "scratch").iterdir())) == 1
    async with bench(tmp_path):  # which finds the folder empty at its end: the next pool clears what the killed one left
        assert len(list((tmp_path / "scratch").iterdir())) == 1
