"""Privileges that a decoder process drops before it reads its first byte. Calls that a system lacks are skipped.

Its parent sets its limits (process_limits.py).
"""

import ctypes
import errno
import os
import signal
import sys

_PR_SET_PDEATHSIG, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS, _PR_CAP_AMBIENT, _CLEAR_ALL = 1, 24, 38, 47, 4
_CAPABILITIES = 64
"""More than exist. Dropping an unknown capability is not an error."""
_CAPABILITY_VERSION = 0x20080522
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


def set_no_new_privileges() -> None:
    """Permanently: executing a program grants no privileges. Landlock and seccomp require this."""
    if _libc is not None:
        _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def drop_privileges(user: int) -> None:
    """Permanently drop all capabilities, and die with the parent. Root becomes `user`, with that group only.

    Raises OSError if root can't change its user. Only a parent that runs as root passes another user than its own.

    INVARIANT: no decoder runs as root (tests/integration/test_sandbox_confinement.py::test_a_child_of_root_is_nobody).
    """
    if _libc is not None:
        for capability in range(_CAPABILITIES):
            _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)
    if user != os.geteuid():
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
        if (os.getresuid(), os.getresgid(), os.getgroups()) != ((user,) * 3, (user,) * 3, []):
            raise OSError(errno.EPERM, "its user can't be changed")
    if _libc is not None:
        _libc.prctl(_PR_CAP_AMBIENT, _CLEAR_ALL, 0, 0, 0)
        if _libc.capset(ctypes.byref(_Header(_CAPABILITY_VERSION, 0)), ctypes.byref((ctypes.c_uint32 * 6)())) != 0:
            raise OSError(ctypes.get_errno(), "its capabilities can't be given up")
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)  # last, because changing the user resets it


def trim_memory() -> None:
    """Return freed memory to the system. Otherwise glibc keeps it, and an idle child occupies as much as its largest picture."""
    if _libc is not None and hasattr(_libc, "malloc_trim"):
        _libc.malloc_trim(0)
