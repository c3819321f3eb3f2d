"""Confinement of a decoder: what a compromised child can still do, and the resources of a healthy one (G7)."""

import asyncio
import json
import os
import re
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

from internal.domain.errors import ScratchUnavailable, StartRefused
from internal.runtime.project import PROJECT
from internal.sandbox import landlock
from internal.sandbox.cgroup import ChildGroups, is_bounded
from internal.sandbox.decoder import Decoder, environment
from internal.sandbox.job_directory import JobDirectory
from internal.sandbox.process_limits import FILE_BYTES, MAX_THREADS, child_user
from internal.sandbox.protocol import Ready
from tests import pictures
from tests.integration.sandbox_bench import LIMITS, bench, descriptors, proc_file
from tests.services.folders import files_below

PROBE = Path(__file__).parent / "confinement_probe.py"
ABI = landlock.abi() or 0
needs_landlock = pytest.mark.skipif(not ABI, reason="this kernel has no Landlock")

ROOT = os.geteuid() == 0
as_root = pytest.mark.skipif(not ROOT, reason="only root's children change their user")

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
    "empty elsewhere",
    "rename elsewhere",
    "make a folder",
    "give a second name to what is given",
    "memory shared with others",
}
CUTS = {"cut what is given", "cut elsewhere", "cut elsewhere past the C library"}
LANDLOCKED = (
    FILES
    | (CUTS if ABI >= 3 else set())
    | ({"TCP"} if ABI >= 4 else set())
    | ({"signal the parent", "signal the parent's thread", "an abstract socket"} if ABI >= 6 else set())
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
    "signal the parent's thread",
    "find the parent by its number",
    "signal the parent by a pipe",
    "outlive the parent",
    "move the parent to another core",
    "lift its CPU time",
    "lift its files' size",
    "lift its number of files past the C library",
    "ignore the end of its CPU time",
    "memory beside its address space",
    "memory in a large pipe",
    "memory that is code",
    "memory that becomes code",
    "two ends of a socket",
    "another process past the C library",
    "make a link",
    "rename elsewhere",
    "make a folder",
    "give a second name to what is given",
    *CUTS,
    *({"become root"} if ROOT else ()),
}
OURS = {
    "read another picture",
    "list pictures in work",
    "list the scratch folder",
    "read the parent's environment",
    "change what is given",
    "write elsewhere",
    "empty elsewhere",
    "remove elsewhere",
    "rename elsewhere",
    "signal the parent",
    "signal the parent's thread",
    "slow the parent down",
    "close a folder",
    "change a file's time",
    "become root",
    *CUTS,
}
"""What the user that root's children become keeps them from, on any kernel."""
EVERYTHING = HARMLESS | FILES | SECCOMPED


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[tuple[Path, list[str]]]:
    """Return another picture's folder, and the probe's arguments about listening sockets."""
    folder = tmp_path / "task-1"
    folder.mkdir()
    for name in ("picture", "doomed", "cut", "renamed"):
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


def _got_away_with(features: str, outside: tuple[Path, list[str]]) -> set[str]:
    folder, told = outside
    (folder.parent / "scratch").mkdir(mode=0o700)
    user = child_user()
    directory = JobDirectory(folder.parent / "scratch" / "child", user if features in ("all", "user") else os.geteuid())
    directory.set_up()
    (directory.input / "source").write_bytes(b"picture")
    done = subprocess.run(
        [sys.executable, "-P", str(PROBE), features, str(user), *told],
        cwd=directory.output, env=environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout))


def test_an_unconfined_probe_succeeds_in_everything(outside: tuple[Path, list[str]]) -> None:
    """Without this check, the tests below would prove nothing."""
    assert _got_away_with("none", outside) == EVERYTHING


@needs_landlock
def test_a_child_that_was_taken_over_gets_away_with_nothing(outside: tuple[Path, list[str]]) -> None:
    assert _got_away_with("all", outside) == EVERYTHING - LANDLOCKED - SECCOMPED


@needs_landlock
def test_landlock_alone_keeps_it_from_files_and_tcp(outside: tuple[Path, list[str]]) -> None:
    assert _got_away_with("landlock", outside) == EVERYTHING - LANDLOCKED


def test_seccomp_alone_keeps_it_from_sockets_processes_and_limits(outside: tuple[Path, list[str]]) -> None:
    assert _got_away_with("seccomp", outside) == EVERYTHING - SECCOMPED


@as_root
def test_as_another_user_it_reaches_nothing_of_ours(outside: tuple[Path, list[str]]) -> None:
    got = _got_away_with("user", outside)

    assert got & OURS == set()
    assert got >= HARMLESS


@as_root
async def test_a_child_of_root_is_nobody(tmp_path: Path) -> None:
    async with bench(tmp_path, size=2) as under_test:
        await under_test.is_unharmed()
        for child in under_test.pool.pids:
            state = dict(line.split(":", 1) for line in proc_file(child, "status").splitlines())
            (user,) = set(state["Uid"].split())
            assert 65_000 <= int(user) < 65_534
            assert set(state["Gid"].split()) == {user}
            assert state["Groups"].split() == []
            assert {state[f"Cap{kind}"].strip() for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb")} == {"0" * 16}


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
            assert known == set(environment())
            targets = descriptors(child)
            assert {target.split(":")[0] for target in targets.values()} <= {os.devnull, "pipe", targets["2"]}
            assert targets["2"].endswith("/stderr")


def _limits_of(pid: int) -> dict[str, tuple[str, str]]:
    """Return soft and hard limits by their names in proc(5), which is readable for other users' processes."""
    lines = [re.split(r"\s{2,}", line) for line in proc_file(pid, "limits").splitlines()[1:]]
    return {name: (soft, hard) for name, soft, hard, *_ in lines}


async def test_a_child_is_confined_in_every_thread(tmp_path: Path) -> None:
    async with bench(tmp_path, cpu_seconds=7) as under_test:
        await under_test.pool.render(under_test.job(pictures.jpeg(900, 700), "blur:3|resize:20x20"))
        child = psutil.Process(under_test.pool.pids[0])

        limits = _limits_of(child.pid)
        fixed = {"core file size": 0, "open files": 64, "address space": 2**30, "locked memory": 0, "msgqueue size": 0}
        fixed |= {"processes": MAX_THREADS} if ROOT else {}
        assert {name: limits[f"Max {name}"] for name in fixed} == {name: (str(most), str(most)) for name, most in fixed.items()}
        assert limits["Max cpu time"][1] == str((7 + 2) * 100)  # pictures in its life
        assert limits["Max file size"][1] == str(FILE_BYTES)
        threads = [proc_file(child.pid, f"task/{thread.id}/status") for thread in child.threads()]
        assert len(threads) > 1
        assert all("NoNewPrivs:\t1" in status and "Seccomp:\t2" in status for status in threads)


async def test_a_picture_has_limits_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The parent sets them: it may if the child has the same user, or if it is root with CAP_SYS_RESOURCE."""
    monkeypatch.setattr("internal.sandbox.decoder.child_user", os.geteuid)
    async with bench(tmp_path, cpu_seconds=7) as under_test:
        for _ in range(2):
            await under_test.is_unharmed()
        limits = _limits_of(under_test.pool.pids[0])

        assert limits["Max file size"] == (str(LIMITS.max_output_bytes), str(FILE_BYTES))
        assert 7 <= int(limits["Max cpu time"][0]) <= 7 + 5


@pytest.mark.parametrize("chain", ["format:avif", "format:webp", "format:gif", "watermark:text=Hello", "keep:icc|format:png"])
async def test_files_that_are_loaded_late_are_found_by_a_confined_child(chain: str, tmp_path: Path) -> None:
    async with bench(tmp_path) as under_test:
        rendered = await under_test.pool.render(under_test.job(pictures.profiled_jpeg(90, 60), chain))
        assert (rendered.result.width, rendered.result.height) == (90, 60)


async def test_the_log_lists_the_active_features(tmp_path: Path) -> None:
    with capture_logs() as logged:
        async with bench(tmp_path):
            pass

    started = next(line for line in logged if line["event"] == "sandbox.started")
    assert (started["children"], started["landlock"]) == (1, min(ABI, 7) or None)
    up = {"landlock": bool(ABI), "seccomp": started["seccomp"], "cgroup": is_bounded() or ChildGroups.find() is not None}
    missing = [feature for feature, there in up.items() if not there]
    assert started["cgroup"] == up["cgroup"]
    assert started.get("missing", []) == missing
    assert started["log_level"] == ("warning" if missing else "info")


@pytest.mark.parametrize("feature", ["landlock", "seccomp", "cgroup"])
async def test_without_a_required_feature_nothing_starts(feature: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    children: list[int] = []
    monkeypatch.setattr("internal.sandbox.pool.is_bounded", lambda: feature != "cgroup")
    monkeypatch.setattr("internal.sandbox.pool.ChildGroups.find", lambda: None)

    async def lacking(decoder: Decoder) -> Ready:
        children.append(decoder.pid)
        return Ready(None if feature == "landlock" else 7, feature != "seccomp")

    monkeypatch.setattr(Decoder, "_ready", lacking)

    with pytest.raises(StartRefused, match=f"SANDBOX_REQUIRE names {feature}"):
        async with bench(tmp_path, required=frozenset({"landlock", "seccomp", "cgroup"})):
            pytest.fail("it has started")

    assert not any(psutil.pid_exists(child) for child in children)
    async with bench(tmp_path, required=frozenset({"landlock", "seccomp", "cgroup"} - {feature})):
        pass


@as_root
async def test_root_that_can_not_give_up_its_rights_does_not_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("internal.sandbox.decoder.child_user", lambda: -1)  # which leaves it as it is

    with pytest.raises(StartRefused, match="drop its privileges"):
        async with bench(tmp_path):
            pytest.fail("it has started")


@as_root
async def test_root_that_can_not_hand_over_a_folder_does_not_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr("os.chown", refused)

    with pytest.raises(StartRefused, match="Run the worker as another user"):
        async with bench(tmp_path):
            pytest.fail("it has started")


async def test_a_worker_that_is_refused_says_why_on_one_line(tmp_path: Path) -> None:
    program = """
from internal.domain.errors import StartRefused
from internal.runtime.lifecycle import run_until_signalled
async def refused(stopping):
    raise StartRefused("SANDBOX_REQUIRE names landlock")
run_until_signalled(refused)
"""
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (1, "SANDBOX_REQUIRE names landlock\n")


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
