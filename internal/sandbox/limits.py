"""What a decoder process gives up by itself before it reads its first byte; what a system lacks is left out.

Its limits are set by its parent (process_limits.py).
"""

import ctypes
import errno
import os
import signal
import sys

_PR_SET_PDEATHSIG, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS, _PR_CAP_AMBIENT, _CLEAR_ALL = 1, 24, 38, 47, 4
_CAPABILITIES = 64
"""More than there are: one that there is not is no error."""
_CAPABILITY_VERSION = 0x20080522
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


def gain_nothing() -> None:
    """For good: no program that is run brings rights along. Landlock and seccomp ask for that."""
    if _libc is not None:
        _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def give_up_rights(user: int) -> None:
    """For good: no capability, and death with the parent. Root becomes `user`, and has no group but that.

    Raises OSError when root can't. No parent but root names a user that it is not itself.

    INVARIANT: no decoder runs as root (tests/integration/test_sandbox_walls.py::test_a_child_of_root_is_nobody).
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
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)  # last, for a change of the user takes it back


def give_memory_back() -> None:
    """Return freed memory to the system: glibc keeps it otherwise, and a warm child sits on its largest picture."""
    if _libc is not None and hasattr(_libc, "malloc_trim"):
        _libc.malloc_trim(0)
