"""The walls around a decoder: what a child that was taken over can still do, and what a healthy one is made of (G7)."""

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil  # type: ignore[import-untyped]
import pytest
from structlog.testing import capture_logs

from internal.errors import ScratchUnavailable
from internal.sandbox import landlock
from internal.sandbox.decoder import environment
from internal.sandbox.desk import Desk
from tests import pictures
from tests.integration.sandbox_bench import LIMITS, bench, descriptors, proc_file
from tests.services.folders import files_below

PROBE = Path(__file__).parent / "walls_probe.py"
ABI = landlock.abi() or 0
needs_landlock = pytest.mark.skipif(not ABI, reason="this kernel has no Landlock")

HARMLESS = {"read what is given", "write what is made", "read a library"}
FILES = {
    "read passwd",
    "read the configuration",
    "read another picture",
    "list pictures in work",
    "list the scratch folder",
    "read the parent's environment",
    "change what is given",
    "write elsewhere",
    "remove elsewhere",
    "make a link",
    "another program",
}
LANDLOCKED = (
    FILES
    | ({"cut what is given"} if ABI >= 3 else set())
    | ({"TCP"} if ABI >= 4 else set())
    | ({"signal the parent", "an abstract socket"} if ABI >= 6 else set())
)
SECCOMPED = {
    "TCP",
    "UDP",
    "a socket in the file system",
    "an abstract socket",
    "another process",
    "another program",
    "signal the parent",
    "reach for the parent's limits",
    "slow the parent down",
    "close a folder",
    "change a file's time",
}
EVERYTHING = HARMLESS | FILES | SECCOMPED | {"cut what is given"}


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[tuple[Path, list[str]]]:
    """Another picture's folder, and what the probe must know of who listens where."""
    folder = tmp_path / "task-1"
    folder.mkdir()
    for name in ("picture", "doomed"):
        (folder / name).write_bytes(b"private")
    abstract = f"image-processor-{uuid4().hex}"
    listeners: list[tuple[int, Any]] = [
        (socket.AF_INET, ("127.0.0.1", 0)),
        (socket.AF_UNIX, str(folder / "socket")),
        (socket.AF_UNIX, f"\0{abstract}"),
    ]
    sockets = []
    for family, address in listeners:
        sockets.append(socket.socket(family))
        sockets[-1].bind(address)
        sockets[-1].listen()
    yield folder, [str(folder), str(sockets[0].getsockname()[1]), abstract]
    for listening in sockets:
        listening.close()


def _got_away_with(walls: str, outside: tuple[Path, list[str]]) -> set[str]:
    folder, told = outside
    desk = Desk(folder.parent / "child")
    desk.set_up()
    (desk.given / "source").write_bytes(b"picture")
    done = subprocess.run(
        [sys.executable, "-P", str(PROBE), walls, *told],
        cwd=desk.made, env=environment(desk.made), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout))


def test_without_walls_all_of_it_succeeds(outside: tuple[Path, list[str]]) -> None:
    """Else the tests below would prove nothing."""
    assert _got_away_with("none", outside) == EVERYTHING


@needs_landlock
def test_a_child_that_was_taken_over_gets_away_with_nothing(outside: tuple[Path, list[str]]) -> None:
    assert _got_away_with("all", outside) == EVERYTHING - LANDLOCKED - SECCOMPED


@needs_landlock
def test_landlock_alone_keeps_it_from_files_and_tcp(outside: tuple[Path, list[str]]) -> None:
    assert _got_away_with("landlock", outside) == EVERYTHING - LANDLOCKED


def test_seccomp_alone_keeps_it_from_sockets_and_processes(outside: tuple[Path, list[str]]) -> None:
    assert _got_away_with("seccomp", outside) == EVERYTHING - SECCOMPED


async def test_a_child_has_no_secret_and_no_descriptor_of_its_parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINIO_ROOT_PASSWORD", "hush-hush")
    private = tmp_path / "private"
    with private.open("wb") as opened:
        os.set_inheritable(opened.fileno(), True)
        async with bench(tmp_path) as under_test:
            await under_test.is_unharmed()
            child = under_test.pool.pids[0]

            assert "hush-hush" not in proc_file(child, "environ")
            known = {name.split("=")[0] for name in proc_file(child, "environ").split("\0") if name}
            assert known == set(environment(tmp_path))
            targets = descriptors(child)
            assert {target.split(":")[0] for target in targets.values()} <= {os.devnull, "pipe", targets["2"]}
            assert targets["2"].endswith("/stderr")


async def test_a_child_is_confined_in_every_thread(tmp_path: Path) -> None:
    async with bench(tmp_path, cpu_seconds=7) as under_test:
        await under_test.pool.render(under_test.job(pictures.jpeg(900, 700), "blur:3|resize:20x20"))
        child = psutil.Process(under_test.pool.pids[0])

        assert child.rlimit(psutil.RLIMIT_AS) == (2**30, 2**30)
        assert child.rlimit(psutil.RLIMIT_CORE) == (0, 0)
        assert child.rlimit(psutil.RLIMIT_NOFILE) == (64, 64)
        assert child.rlimit(psutil.RLIMIT_FSIZE)[0] == LIMITS.max_output_bytes
        assert 7 <= child.rlimit(psutil.RLIMIT_CPU)[0] <= 7 + 5
        threads = [proc_file(child.pid, f"task/{thread.id}/status") for thread in child.threads()]
        assert len(threads) > 1
        assert all("NoNewPrivs:\t1" in status and "Seccomp:\t2" in status for status in threads)


@pytest.mark.parametrize("chain", ["format:avif", "format:webp", "format:gif", "watermark:text=Hello", "keep:icc|format:png"])
async def test_what_loads_late_is_found_behind_the_walls(chain: str, tmp_path: Path) -> None:
    async with bench(tmp_path) as under_test:
        rendered = await under_test.pool.render(under_test.job(pictures.profiled_jpeg(90, 60), chain))
        assert (rendered.result.width, rendered.result.height) == (90, 60)


async def test_the_log_says_which_walls_are_up(tmp_path: Path) -> None:
    with capture_logs() as logged:
        async with bench(tmp_path):
            pass

    started = next(line for line in logged if line["event"] == "sandbox.started")
    assert (started["children"], started["landlock"]) == (1, min(ABI, 7) or None)
    assert started["log_level"] == ("info" if ABI and started["seccomp"] else "warning")


async def test_a_picture_is_laid_in_without_a_copy_and_leaves_nothing(tmp_path: Path) -> None:
    async with bench(tmp_path) as under_test:
        task, _ = await under_test.picture_that_hangs()

        assert (tmp_path / "pipe").stat().st_nlink == 2
        task.cancel()
        await asyncio.wait([task])

        assert (tmp_path / "pipe").stat().st_nlink == 1
        await under_test.is_unharmed()
        left = [path.name for path in files_below(tmp_path / "scratch")]
        assert sorted(left) == [".held", "stderr"]


@pytest.fixture
def far_away(tmp_path: Path) -> Iterator[Path]:
    """A picture in another file system."""
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no other file system here")
    source = memory / f"image-processor-test-{uuid4().hex}"
    source.write_bytes(pictures.jpeg(64, 48))
    yield source
    source.unlink()


async def test_a_picture_of_another_file_system_is_copied(tmp_path: Path, far_away: Path) -> None:
    async with bench(tmp_path) as under_test:
        assert (await under_test.pool.render(under_test.job(far_away))).result.width == 20
        assert under_test.target.exists()


async def test_a_source_that_is_gone_is_an_outage_and_no_death(tmp_path: Path) -> None:
    async with bench(tmp_path) as under_test:
        children = under_test.pool.pids

        with pytest.raises(ScratchUnavailable):
            await under_test.pool.render(under_test.job(tmp_path / "gone"))

        await under_test.is_unharmed()
        assert under_test.pool.pids == children
