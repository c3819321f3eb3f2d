"""Sandbox under attack: a bad picture costs one child, and does not affect the next picture (G7)."""

import asyncio
import os
import signal
import time
from pathlib import Path

import msgspec
import psutil  # type: ignore[import-untyped]
import pytest

from internal.domain.errors import (
    DecoderFailed,
    DecoderOutOfMemory,
    DecoderTimeout,
    ImageTooLarge,
    InvalidImage,
    OutputTooLarge,
    ServiceError,
)
from internal.sandbox.process_limits import LimitedProcess
from tests import pictures
from tests.integration.sandbox_bench import LIMITS, bench
from tests.tiff_pictures import tiff


async def test_a_picture_is_rendered_and_measured(tmp_path: Path) -> None:
    async with bench(tmp_path) as under_test:
        rendered = await under_test.pool.render(under_test.job(pictures.jpeg(640, 480), "resize:100x100|format:png"))

        made = rendered.result
        assert (made.width, made.height, made.frames, made.content_type) == (100, 75, 1, "image/png")
        assert made.size == under_test.target.stat().st_size
        assert 0 < rendered.cpu_seconds < 5


async def test_a_copy_with_other_directories_may_be_larger_than_the_original(tmp_path: Path) -> None:
    """It is also larger than any result: the limit of a decoder's files allows it."""
    data = tiff((0.5,), (1.0,), "f4")
    limits = msgspec.structs.replace(LIMITS, max_output_bytes=1000)
    assert len(data) > 1000
    async with bench(tmp_path) as under_test:
        rendered = await under_test.pool.render(under_test.job(data, "format:png", media_type="image/tiff", limits=limits))
        assert rendered.result.width == 32


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
        (child,) = under_test.pool.pids
        endless = tmp_path / "pipe"
        os.mkfifo(endless)  # nobody will ever write to it
        began = time.monotonic()

        with pytest.raises(DecoderTimeout, match=r"0\.7 seconds"):
            await under_test.pool.render(under_test.job(endless, media_type="image/webp"))

        assert time.monotonic() - began >= 0.7
        assert not psutil.pid_exists(child)
        under_test.pool._limits = msgspec.structs.replace(under_test.pool._limits, wall_seconds=20)
        await under_test.is_unharmed()


@pytest.mark.parametrize("limited", [True, False])
async def test_a_picture_that_takes_too_much_cpu_time(limited: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's limit ends it, or the parent's check, if the parent can't set the limit (root in most containers)."""
    monkeypatch.setattr("internal.sandbox.decoder.child_user", os.geteuid)
    if not limited:
        monkeypatch.setattr(LimitedProcess, "allow_picture", lambda *_: False)
    async with bench(tmp_path, cpu_seconds=1) as under_test:
        endless = "|".join(["blur:10"] * 30)

        with pytest.raises(DecoderTimeout, match="1 seconds of CPU"):
            await under_test.pool.render(under_test.job(pictures.jpeg(2000, 2000), endless))

        assert not under_test.target.exists()
        await under_test.is_unharmed()


async def test_cpu_time_is_counted_for_each_picture_anew(tmp_path: Path) -> None:
    """Each picture takes a small part of its CPU limit, and all of them more than one picture may."""
    async with bench(tmp_path, cpu_seconds=1, max_pictures=10_000) as under_test:
        children = under_test.pool.pids
        job = under_test.job(pictures.jpeg(400, 400), "blur:5|format:png")
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
