"""`make first-minute`: from `git clone` to a processed picture, of an older commit and of this one, and the second start.

    python -m bench.first_minute [--before COMMIT] [--rounds N]

Each is cloned into a temporary folder of its own, with a home and caches that are empty, and started with `make run`. What is not
committed is not measured. Settings of pip and uv (an index, certificates) are those of whoever runs this.
"""

import argparse
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import psutil  # type: ignore[import-untyped]
from msgspec import Struct

from bench.report import table
from bench.trees import OF_THE_CALLER
from internal.runtime.project import PROJECT
from tests.e2e.processes import end_all, environment
from tests.services.reachable import free_port

BEFORE = "a0cf3c6"
"""The last commit whose `make run` installs with pip what developers need."""

PICTURE = PROJECT / "docs/pictures/landscape.jpg"
START_SECONDS, PICTURE_SECONDS, END_SECONDS = 600.0, 60.0, 60.0
TARGET, TARGET_MB = 0.4, 250
NOT_A_USERS = (*OF_THE_CALLER, "PYTHONDONTWRITEBYTECODE", "PIP_CACHE_DIR", "UV_CACHE_DIR", "INSTALLER")
"""Variables that a fresh shell does not have, or that name a cache."""


class Minute(Struct, frozen=True):
    """Seconds from the clone, and from the second `make run`, to a processed picture; what .venv takes on the disk, in bytes."""

    first: float
    second: float
    venv: int


def main() -> None:
    options = argparse.ArgumentParser(prog="make first-minute", description=__doc__.splitlines()[0])
    options.add_argument("--before", default=BEFORE)
    options.add_argument("--rounds", type=int, default=1)
    chosen = options.parse_args()
    now = _git("rev-parse", "HEAD")
    before = _git("rev-parse", "--verify", f"{chosen.before}^{{commit}}")
    minutes: dict[str, list[Minute]] = {before: [], now: []}
    for _ in range(chosen.rounds):
        for commit, measured in minutes.items():
            measured.append(measure(commit))
            print(f"{commit[:8]}: {measured[-1].first:.1f} s, then {measured[-1].second:.1f} s", file=sys.stderr, flush=True)
    print("\n".join(report(minutes[before], minutes[now], before[:8])))


def report(before: list[Minute], now: list[Minute], name: str) -> list[str]:
    """The table, and whether the targets are met."""
    rows = []
    for title, unit, field, scale in (
        ("`git clone` to a processed picture", "s", "first", 1.0),
        ("second `make run` to a processed picture", "s", "second", 1.0),
        (".venv on the disk", "MB", "venv", 1e6),
    ):
        old, new = (statistics.median(getattr(minute, field) / scale for minute in minutes) for minutes in (before, now))
        rows.append([title, f"{old:.1f} {unit}", f"{new:.1f} {unit}", f"{new / old:.2f}"])
    ratio, size = float(rows[0][3]), statistics.median(minute.venv for minute in now) / 1e6
    met = "met" if ratio <= TARGET and size <= TARGET_MB else "not met"
    return [*table(["what", name, "this commit", "ratio"], rows), "", f"Target ≤ {TARGET} and ≤ {TARGET_MB} MB: {met}."]


def measure(commit: str, project: Path = PROJECT) -> Minute:
    """Clone, start, stop and start again, in a folder that is removed. Ends what it started."""
    with tempfile.TemporaryDirectory(prefix="first-") as folder:
        tree, environ = Path(folder) / "image-processor", _fresh(Path(folder))
        since = time.monotonic()
        subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", str(project), str(tree)], check=True)
        subprocess.run(["git", "-C", str(tree), "checkout", "--quiet", "--detach", commit], check=True)
        first = _until_processed(tree, environ, since)
        size = disk_usage(tree / ".venv")
        second = _until_processed(tree, environ, time.monotonic())
        return Minute(first, second, size)


def _fresh(folder: Path) -> dict[str, str]:
    """The environment of somebody whose home is empty, and whose pip and uv are configured as ours."""
    home = Path.home()
    configured = {
        "PIP_CONFIG_FILE": [home / ".config/pip/pip.conf", home / ".pip/pip.conf"],
        "UV_CONFIG_FILE": [home / ".config/uv/uv.toml"],
    }
    kept = {name: str(path) for name, paths in configured.items() for path in reversed(paths) if path.exists()}
    own = {"HOME": folder / "home", "XDG_CACHE_HOME": folder / "home/.cache", "XDG_RUNTIME_DIR": folder / "run"}
    for path in own.values():
        path.mkdir(parents=True, mode=0o700)
    ports = {"SERVER_PORT": free_port(), "WORKER_PORT": free_port()}
    inherited = {name: value for name, value in environment().items() if name not in NOT_A_USERS and not name.startswith("XDG_")}
    return {**kept, **inherited, **{name: str(value) for name, value in {**own, **ports}.items()}}


def _until_processed(tree: Path, environ: dict[str, str], since: float) -> float:
    """Start the service, have it process a picture, end it; returns the seconds from `since` to the result."""
    with _running(tree, environ) as process, httpx2.Client(base_url=f"http://127.0.0.1:{environ['SERVER_PORT']}") as http:
        _wait_until_ready(http, process)
        fields = {"processing": "resize:300x300"}
        image = http.post("/api/v1/images", files={"image": PICTURE.read_bytes()}, data=fields).raise_for_status().json()
        answer = http.get(
            f"/api/v1/images/{image['id']}", headers={"Prefer": f"wait={PICTURE_SECONDS:g}"}, timeout=PICTURE_SECONDS + 10
        )
        if answer.status_code != 200:
            raise SystemExit(f"The picture was not processed: {answer.status_code} {answer.text}")
        return time.monotonic() - since


@contextmanager
def _running(tree: Path, environ: dict[str, str]) -> Iterator["subprocess.Popen[bytes]"]:
    """`make run` until the block's end, when all its processes get a SIGTERM, as from a service manager; none of them stays."""
    with (tree / "said").open("ab") as log:
        process = subprocess.Popen(
            ["make", "run"], cwd=tree, env=environ, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True
        )
    family = []
    try:
        yield process
    finally:
        with_children = psutil.Process(process.pid) if process.poll() is None else None
        family = [with_children, *with_children.children(recursive=True)] if with_children else []
        family += _postgres(tree)
        if with_children:
            os.killpg(process.pid, signal.SIGTERM)  # SIGINT is ignored where this was started in the background
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        finally:
            end_all(family)


def _postgres(tree: Path) -> list[psutil.Process]:
    """The embedded server, which is no child of the others."""
    try:
        return [psutil.Process(int((tree / "data/postgres/postmaster.pid").read_text().split()[0]))]
    except (OSError, ValueError, IndexError, psutil.NoSuchProcess):
        return []


def _wait_until_ready(http: httpx2.Client, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            if http.get("/health/ready").status_code == 200:
                return
        except httpx2.TransportError:
            pass  # it does not listen yet
        if process.poll() is not None or time.monotonic() > deadline:
            raise SystemExit("`make run` did not come up.")
        time.sleep(0.02)


def disk_usage(folder: Path) -> int:
    """Bytes that its files take on the disk; one with several names counts once."""
    found = [path.lstat() for path in folder.rglob("*")]
    return sum({(entry.st_dev, entry.st_ino): entry.st_blocks * 512 for entry in found}.values())


def _git(*words: str) -> str:
    done = subprocess.run(["git", "-C", str(PROJECT), *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"git {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout.strip()


if __name__ == "__main__":
    main()
