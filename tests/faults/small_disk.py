"""Small disk that a test fills or makes read-only while programs use it.

It is a tmpfs in a mount namespace of its own, held by a process that does nothing else. Without the right to create
one, a user namespace is created too, in which the user is root. The test's programs enter it; the test reads it through /proc.
"""

import errno
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.processes import PROJECT
from tests.services.waiting import wait_until

MOUNT = 'mount -t tmpfs -o size="$1" small-disk "$2"'
HOLD = "{} && echo mounted && exec cat"  # until its stdin ends
BLOCK = 4096


class SmallDisk:
    """`folder` is the disk for those who are started with `command` before their own."""

    def __init__(self, folder: Path, holder: int, user: list[str]) -> None:
        self.folder = folder
        self.command = ["nsenter", f"--target={holder}", "--mount", f"--wd={PROJECT}", *user]
        self.seen = Path(f"/proc/{holder}/root", *folder.parts[1:])

    def fill(self) -> None:
        """To the last byte."""
        with (self.seen / "filler").open("ab", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(BLOCK))
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise

    def make_room(self) -> None:
        (self.seen / "filler").unlink()

    @contextmanager
    def read_only(self) -> Iterator[None]:
        """While the block runs; files that are open stay as they are."""
        self._run("mount", "--bind", str(self.folder), str(self.folder))
        try:
            wait_until(self._no_longer_written, within=30)
            yield
        finally:
            self._run("umount", "--lazy", str(self.folder))

    @contextmanager
    def hidden(self) -> Iterator[None]:
        """While the block runs an empty folder is there in its place, as before a disk is mounted."""
        self._run("mount", "-t", "tmpfs", "nothing", str(self.folder))
        try:
            yield
        finally:
            self._run("umount", "--lazy", str(self.folder))

    def _no_longer_written(self) -> bool:
        """Busy as long as a file is open that was made since it lies over itself."""
        return not subprocess.run([*self.command, "mount", "-o", "remount,bind,ro", str(self.folder)], check=False).returncode

    def _run(self, *command: str) -> None:
        subprocess.run([*self.command, *command], check=True)


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[SmallDisk]:
    """Skips the test where there are no namespaces for everybody; nothing is left of the disk afterwards."""
    folder.mkdir()
    with _held(folder, MOUNT, f"{megabytes}m") as disk:
        yield disk


@contextmanager
def disk_of(folder: Path) -> Iterator[SmallDisk]:
    """`folder` as it is, as large as it may get; what is mounted over it is seen by nobody else. Skips in the same way."""
    with _held(folder, "true", "") as disk:
        yield disk


@contextmanager
def _held(folder: Path, mount: str, size: str) -> Iterator[SmallDisk]:
    if not (shutil.which("unshare") and shutil.which("nsenter")):
        pytest.skip("a small disk needs unshare and nsenter")
    new, user = ["unshare", "--mount"], []
    if subprocess.run([*new, "true"], check=False, capture_output=True).returncode:
        new, user = [*new, "--user", "--map-root-user"], ["--user", "--preserve-credentials"]
    command = [*new, "sh", "-c", HOLD.format(mount), "sh", size, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as holder:
        assert holder.stdout is not None  # leaving closes its stdin, which ends it
        said = holder.stdout.readline().decode().strip()
        if said != "mounted":
            pytest.skip(f"no small disk: {said}")
        yield SmallDisk(folder, holder.pid, user)
