"""The walls around a decoder process, put up by itself before it reads its first byte; what a system lacks is left out."""

import ctypes
import math
import resource
import signal
import sys
from contextlib import suppress

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
_MAX_FILES = 64
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def confine(memory_bytes: int) -> None:
    """For good: no more address space than this, few files, no core dump, no new rights, and death with the parent."""
    for kind, most in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, _MAX_FILES),
        (resource.RLIMIT_AS, memory_bytes),
    ):
        with suppress(ValueError, OSError):
            resource.setrlimit(kind, (most, most))
    if _libc is not None:
        _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def allow_one_picture(cpu_seconds: float, file_bytes: int) -> None:
    """For the next picture: so much more CPU time, then SIGXCPU, and no file larger than this, then EFBIG.

    RLIMIT_CPU counts a process's whole life, so its soft limit is raised each time; whole seconds are all that it knows.
    """
    used = resource.getrusage(resource.RUSAGE_SELF)
    _soft(resource.RLIMIT_CPU, math.ceil(used.ru_utime + used.ru_stime + cpu_seconds))
    _soft(resource.RLIMIT_FSIZE, file_bytes)


def _soft(kind: int, value: int) -> None:
    hard = resource.getrlimit(kind)[1]
    resource.setrlimit(kind, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))


def give_memory_back() -> None:
    """Return freed memory to the system: glibc keeps it otherwise, and a warm child sits on its largest picture."""
    if _libc is not None and hasattr(_libc, "malloc_trim"):
        _libc.malloc_trim(0)
