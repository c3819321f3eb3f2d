"""seccomp: permanently restricts a decoder to the system calls of the list in system_calls.py.

Landlock protects files and TCP if the kernel has it. seccomp does not need it and works on older kernels: no sockets, no
programs, no other processes, no signals to others, no changed limits, no files truncated or renamed by path, no executable
memory.

It supports x86-64 and ARM64, and does nothing elsewhere. It applies to the calling thread and to threads that are started later.
A call that is not on the list fails with ENOSYS if it was added after Linux 5.1, so that C libraries fall back to an older call,
and else with EPERM.
"""

import ctypes
import errno
import os
import platform
import signal
import struct
import sys
from collections.abc import Iterator

from internal.sandbox.system_calls import ALLOWED, CHECKED

_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _MODE_FILTER = 38, 22, 2
_ALLOW, _KILL, _FAIL_WITH = 0x7FFF0000, 0x80000000, 0x00050000
_REFUSE, _UNKNOWN, _NO_TERMINAL = (_FAIL_WITH | code for code in (errno.EPERM, errno.ENOSYS, errno.ENOTTY))
_LOAD, _IF_EQUAL, _IF_AT_LEAST, _IF_SET, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data
_AUDIT_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
"""The kernel's number of each architecture. Code in another mode, such as 32-bit code, is killed."""
_X32 = 0x40000000
"""First number of the x32 calls of x86-64. ARM64 has no numbers that high."""
_FIRST_SHARED_NUMBER = 424
"""First number that is the same on every architecture: calls of Linux 5.1 and later."""

_PROT_EXEC = 4
_CLONE_THREAD = 0x00010000
_THREAD = 0x017D0F00
"""The flags with which C libraries start a thread."""
_PR_SET_NAME = 15
_F_DUPFD, _F_GETFD, _F_SETFD, _F_GETFL, _F_DUPFD_CLOEXEC = 0, 1, 2, 3, 1030

_Line = tuple[int, int, int, int]
"""An instruction: its code, the lines to skip if the condition is true, the lines to skip if it is false, and its operand."""


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("lines", ctypes.c_char_p))


def allow_listed_calls() -> bool:
    """Restrict this thread to the listed calls. Returns False if the system or the machine does not support it."""
    machine = platform.machine()
    if sys.platform != "linux" or machine not in _AUDIT_ARCHITECTURES:
        return False
    code = b"".join(struct.pack("=HBBI", *line) for line in _filter(machine, os.getpid()))
    program = _Program(len(code) // 8, code)
    libc, none = ctypes.CDLL(None, use_errno=True), ctypes.c_ulong(0)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, ctypes.c_ulong(1), none, none, none)
    return bool(libc.prctl(_PR_SET_SECCOMP, ctypes.c_ulong(_MODE_FILTER), ctypes.byref(program), none, none) == 0)


def _filter(machine: str, own_pid: int) -> list[_Line]:
    """Return the program that the kernel runs on each call. Since 5.11 it caches the result of calls that are always allowed."""
    lines: list[_Line] = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_IF_EQUAL, 1, 0, _AUDIT_ARCHITECTURES[machine]),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
        (_IF_AT_LEAST, 0, 1, _X32),
        (_RETURN, 0, 0, _REFUSE),
    ]
    for call in ALLOWED:
        if (number := call.number(machine)) is not None:
            lines += [(_IF_EQUAL, 0, 1, number), (_RETURN, 0, 0, _ALLOW)]
    for name, check in _checks(own_pid):
        if (number := CHECKED[name].number(machine)) is not None:
            lines += [(_IF_EQUAL, 0, len(check), number), *check]
    return [*lines, (_IF_AT_LEAST, 0, 1, _FIRST_SHARED_NUMBER), (_RETURN, 0, 0, _UNKNOWN), (_RETURN, 0, 0, _REFUSE)]


def _checks(own_pid: int) -> Iterator[tuple[str, list[_Line]]]:
    """Yield the check of each call of CHECKED. The last line of each check returns."""
    refused, allowed = (_RETURN, 0, 0, _REFUSE), (_RETURN, 0, 0, _ALLOW)
    for name in ("mmap", "mprotect"):
        yield name, [_load(2), (_IF_SET, 0, 1, _PROT_EXEC), refused, allowed]
    yield "clone", [_load(0), (_IF_SET, 0, 1, 0xFFFFFFFF & ~_THREAD), refused, (_IF_SET, 1, 0, _CLONE_THREAD), refused, allowed]
    yield "clone3", [(_RETURN, 0, 0, _UNKNOWN)]
    yield "prctl", [_load(0), (_IF_EQUAL, 1, 0, _PR_SET_NAME), refused, allowed]
    yield "fcntl", [_load(1), *_one_of(_F_DUPFD, _F_GETFD, _F_SETFD, _F_GETFL, _F_DUPFD_CLOEXEC), refused]
    yield "ioctl", [(_RETURN, 0, 0, _NO_TERMINAL)]
    nothing = [line for half in (_load(2), _load(2, high=True)) for line in (half, (_IF_EQUAL, 1, 0, 0), refused)]
    yield "prlimit64", [_load(0), (_IF_EQUAL, 1, 0, 0), refused, *nothing, allowed]
    yield "rt_sigaction", [_load(0), (_IF_EQUAL, 0, 1, signal.SIGXCPU), refused, allowed]
    yield "tgkill", [_load(0), (_IF_EQUAL, 1, 0, own_pid), refused, allowed]


def _load(argument: int, *, high: bool = False) -> _Line:
    """Load one half of a 64-bit argument. The kernel reads the lower half of numbers, flags and commands."""
    return (_LOAD, 0, 0, _ARGUMENTS + 8 * argument + 4 * high)


def _one_of(*values: int) -> Iterator[_Line]:
    for value in values:
        yield from ((_IF_EQUAL, 0, 1, value), (_RETURN, 0, 0, _ALLOW))
