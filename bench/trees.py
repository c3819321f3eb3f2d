"""Source trees that can be measured: this one, and another revision in a git worktree with a virtual environment of its own.

    .bench/<commit>        the worktree; its own `make setup` fills its .venv from its own lock
    .bench/driver/bench    a link to this tree's bench

A program of the bench that runs in another tree finds `bench` in the driver folder and `internal` in the other tree: this bench
measures that code, so a revision needs to know nothing of comparisons. `.bench` is ignored by git and may be deleted at any time.
"""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

from internal.runtime.project import PROJECT

GIT_SECONDS = 120.0
SETUP_SECONDS = 1200.0
OF_THE_CALLER = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "PYTHONPATH", "VIRTUAL_ENV")
"""What `make bench` leaves in the environment and another tree's `make setup` must not obey."""


class RevisionFailed(Exception):
    """The revision does not exist, or its tree could not be set up; the text says why."""


class NoSuchRevision(RevisionFailed):
    """It is not in this repository's history, or there is no history here: a shallow clone, an archive, no git."""


class Tree(Struct, frozen=True):
    """A checkout and the Python of its virtual environment. `name` is what the tables call it."""

    name: str
    folder: Path
    python: Path
    driver: Path | None = None

    def command(self, module: str) -> list[str]:
        """Runs a module of this bench on the tree's code."""
        return [str(self.python), "-P", "-m", module]

    def variables(self) -> dict[str, str]:
        """What the environment of such a program must say: where `bench` and `internal` are."""
        folders = [self.driver, self.folder] if self.driver else [self.folder]
        return {"PYTHONPATH": os.pathsep.join(str(folder) for folder in folders)}


THIS = Tree("this", PROJECT, Path(sys.executable))


def checked_out(revision: str, project: Path = PROJECT) -> Tree:
    """The tree of a commit, branch or tag, set up when it is not yet. Raises RevisionFailed, NoSuchRevision."""
    commit = _commit(revision, project)
    folder = project / ".bench" / commit[:12]
    with _locked(folder.parent):
        if not _is_checked_out(folder, commit):
            shutil.rmtree(folder, ignore_errors=True)
            _git(project, "worktree", "prune")  # git still lists a worktree whose folder is gone
            _git(project, "worktree", "add", "--detach", str(folder), commit)
        _set_up(folder)
        driver = _linked(project / "bench", folder.parent / "driver")
    return Tree(commit[:8], folder, folder / ".venv" / "bin" / "python", driver)


def _commit(revision: str, project: Path) -> str:
    try:
        return _git(project, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    except RevisionFailed as error:
        raise NoSuchRevision(f"{revision!r} is no revision of this repository") from error


def _is_checked_out(folder: Path, commit: str) -> bool:
    """False also for a checkout that was cut short: git writes HEAD first and the index last."""
    if not (folder / ".git").exists():
        return False
    try:
        return _git(folder, "rev-parse", "HEAD") == commit and not _git(folder, "status", "--porcelain", "--untracked-files=no")
    except RevisionFailed:
        return False


def _set_up(folder: Path) -> None:
    """`make setup`, which does nothing when all is there."""
    environment = {name: value for name, value in os.environ.items() if name not in OF_THE_CALLER}
    command = ["make", "--silent", "setup", f"PYTHON={sys.executable}"]
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=SETUP_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RevisionFailed(f"`make setup` of {folder.name}: {error}") from error
    if done.returncode:
        raise RevisionFailed(f"`make setup` of {folder.name}: {(done.stderr or done.stdout).strip()[-2000:]}")


def _linked(bench: Path, driver: Path) -> Path:
    driver.mkdir(exist_ok=True)
    link = driver / "bench"
    if not link.is_symlink():
        link.symlink_to(bench, target_is_directory=True)
    return driver


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Two runs at once must not set up the same tree; the second waits."""
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _git(folder: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=GIT_SECONDS, check=True
        )
    except FileNotFoundError as error:
        raise RevisionFailed("git is not installed") from error
    except subprocess.SubprocessError as error:
        raise RevisionFailed(str(getattr(error, "stderr", None) or error).strip()) from error
    return done.stdout.strip()
