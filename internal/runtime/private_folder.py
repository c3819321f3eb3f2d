"""Private folders in world-writable places such as /tmp and /dev/shm.

Another user can create a folder there with our name before we do, and could then read, change or replace our files.
"""

import os
import stat
from pathlib import Path

from internal.domain.errors import StartRefused


def private_folder(path: Path) -> Path:
    """Create the folder if it is missing, and return its path.

    Raises StartRefused, with the path, if the folder is not private: it belongs to another user, its mode is not 0700, it is a
    symbolic link, or others may rename it.

    INVARIANT: nothing is written into a folder that another user created (tests/unit/runtime/test_private_folder.py).
    """
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        pass  # created by an earlier run, or by another user
    except OSError as error:
        raise StartRefused(f"The folder {path} can't be created: {error.strerror}.") from error
    if fault := _fault(path):
        raise StartRefused(
            f"The folder {path} must be private to this user, but {fault}. Remove it, or change its owner and mode."
        )
    return path


def _fault(path: Path) -> str | None:
    """Return the fault, or None. The folder is opened before it is checked, so that it can't be exchanged in between."""
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
        return f"others may rename it: {path.parent} is writable by them and not sticky"
    return None
