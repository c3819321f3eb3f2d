"""A folder for work in progress that never outlives its process by long.

Whoever holds a folder holds a lock on a file in it; the system lets go of the lock however the process ends. The next one that
asks for a folder in the same place clears away those that nobody holds: so end the files of an owner that was killed.
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
    """As locked_tempdir, in a folder of this user's alone within `parent`, which may be everybody's. Raises StartRefused."""
    place = private_folder(parent / f"image-processor-work-{os.getuid()}")
    try:
        with locked_tempdir(place) as folder:
            yield folder
    finally:
        with suppress(OSError):  # others work in it
            place.rmdir()


@contextmanager
def locked_tempdir(place: Path) -> Iterator[Path]:
    """A new folder in `place`, which is made when needed; it and all in it are removed at the end."""
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    _clear_forsaken(place)
    folder, lock = _hold(place)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _hold(place: Path) -> tuple[Path, int]:
    while True:
        folder = place / f"work-{uuid4().hex}"
        try:
            folder.mkdir(mode=0o700)
        except FileNotFoundError:  # the last one that worked in `place` has just removed it
            place.mkdir(mode=0o700, exist_ok=True)
            continue
        lock = os.open(folder / _LOCK, os.O_CREAT | os.O_RDWR, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        if folder.exists():  # nobody took it for forsaken before it was locked
            return folder, lock
        os.close(lock)


def _clear_forsaken(place: Path) -> None:
    for folder in place.glob("work-*"):
        try:
            lock = os.open(folder / _LOCK, os.O_RDWR)
        except OSError:  # it is just being made, or removed
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        except BlockingIOError:
            continue
        finally:
            os.close(lock)
