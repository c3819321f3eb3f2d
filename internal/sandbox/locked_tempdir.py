"""Temporary folder for work in progress, which is removed even if its process is killed.

The owner of a folder holds a lock on a file in it, and the system releases the lock however the process ends. The next process
that creates a folder in the same place removes stale folders, whose lock is free.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from internal.runtime.private_folder import private_folder

_LOCK = ".held"


@contextmanager
def private_locked_tempdir(parent: Path) -> Iterator[Path]:
    """A locked_tempdir in a private folder of this user within `parent`, which may be world-writable. Raises StartRefused."""
    place = private_folder(parent / f"image-processor-work-{os.getuid()}")
    try:
        with locked_tempdir(place) as folder:
            yield folder
    finally:
        with suppress(OSError):  # other processes use it
            place.rmdir()


@contextmanager
def locked_tempdir(place: Path) -> Iterator[Path]:
    """Create a folder in `place`, and remove it with its content at the end. Creates `place` if it is missing."""
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    _remove_stale(place)
    folder, lock = _create_locked(place)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _create_locked(place: Path) -> tuple[Path, int]:
    while True:
        folder = place / f"work-{uuid4().hex}"
        try:
            folder.mkdir(mode=0o700)
        except FileNotFoundError:  # the last other process has just removed `place`
            place.mkdir(mode=0o700, exist_ok=True)
            continue
        lock = os.open(folder / _LOCK, os.O_CREAT | os.O_RDWR, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        if folder.exists():  # no other process removed it as stale before it was locked
            return folder, lock
        os.close(lock)


def _remove_stale(place: Path) -> None:
    for folder in place.glob("work-*"):
        try:
            lock = os.open(folder / _LOCK, os.O_RDWR)
        except OSError:  # it is being created or removed
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        except BlockingIOError:
            continue
        finally:
            os.close(lock)
