"""Folders of ours in places that everybody may write to, such as /tmp and /dev/shm.

Anybody can make a folder there under our name before we do, and would then read, change or replace what we put into it.
"""

import os
import stat
from pathlib import Path

from internal.domain.errors import StartRefused


def private_folder(path: Path) -> Path:
    """Make the folder if it is missing, and return its path.

    Raises StartRefused, with the path, for a folder that is not this user's alone: another user's, one that others may enter or
    read (its mode is not 0700), a symbolic link, or one in a folder where others may rename it.

    INVARIANT: nothing is written into a folder that somebody else made (tests/unit/runtime/test_private_folder.py).
    """
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        pass  # by an earlier run, or by somebody else
    except OSError as error:
        raise StartRefused(f"The folder {path} can't be made: {error.strerror}.") from error
    if fault := _fault(path):
        raise StartRefused(f"The folder {path} must be this user's alone, but {fault}. Remove it, or give it to this user.")
    return path


def _fault(path: Path) -> str | None:
    """What is wrong with it. It is opened first and then looked at, so that nobody can exchange it in between."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError as error:
        return "it is a symbolic link" if path.is_symlink() else f"it can't be opened: {error.strerror}"
    try:
        state, above = os.fstat(descriptor), os.stat("..", dir_fd=descriptor)
    finally:
        os.close(descriptor)
    if state.st_uid != os.geteuid():
        return f"it belongs to user {state.st_uid}"
    if (mode := stat.S_IMODE(state.st_mode) & 0o777) != 0o700:
        return f"its mode is {mode:04o} and not 0700"
    if above.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not above.st_mode & stat.S_ISVTX:
        return f"others may rename it: {path.parent} is writable for them and not sticky"
    return None
