"""seccomp: a decoder may make the system calls of the list in system_calls.py, and no other, for good.

Landlock keeps files and TCP away where the kernel has it; this holds without it, on kernels of any age: no sockets, no programs,
no further processes, no signals to others, no limits of its own, no files cut or renamed by their path, no memory that is code.

For x86-64 and ARM64; elsewhere nothing is done. It binds the calling thread and those begun later. A call that is not on the list
fails: with ENOSYS if it is younger than Linux 5.1, so that a C library that tries it takes the older one, else with EPERM.
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
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16  # where they lie in struct seccomp_data
_MARKS = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
"""How the kernel calls the machine. What runs in another mode, as 32-bit code does, ends at once."""
_X32 = 0x40000000
"""x86-64 has its calls a second time from here on; ARM64 has none that high."""
_YOUNG = 424
"""From here on calls have the same number everywhere: Linux 5.1 and later."""

_PROT_EXEC = 4
_CLONE_THREAD = 0x00010000
_THREAD = 0x017D0F00
"""The flags with which C libraries begin a thread: it shares all, and is told where to note its number."""
_PR_SET_NAME = 15
_F_DUPFD, _F_GETFD, _F_SETFD, _F_GETFL, _F_DUPFD_CLOEXEC = 0, 1, 2, 3, 1030

_Line = tuple[int, int, int, int]
"""What to do, how many lines to skip when it holds, and when it does not, and its operand."""


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("lines", ctypes.c_char_p))


def allow_listed_calls() -> bool:
    """Whether the list is in force from now on: False where the system or the machine has no such thing."""
    machine = platform.machine()
    if sys.platform != "linux" or machine not in _MARKS:
        return False
    code = b"".join(struct.pack("=HBBI", *line) for line in _filter(machine, os.getpid()))
    program = _Program(len(code) // 8, code)
    libc, none = ctypes.CDLL(None, use_errno=True), ctypes.c_ulong(0)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, ctypes.c_ulong(1), none, none, none)
    return bool(libc.prctl(_PR_SET_SECCOMP, ctypes.c_ulong(_MODE_FILTER), ctypes.byref(program), none, none) == 0)


def _filter(machine: str, own_pid: int) -> list[_Line]:
    """The program that the kernel runs at each call. For calls that are always allowed it remembers the answer (since 5.11)."""
    lines: list[_Line] = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_IF_EQUAL, 1, 0, _MARKS[machine]),
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
    return [*lines, (_IF_AT_LEAST, 0, 1, _YOUNG), (_RETURN, 0, 0, _UNKNOWN), (_RETURN, 0, 0, _REFUSE)]


def _checks(own_pid: int) -> Iterator[tuple[str, list[_Line]]]:
    """For each call of CHECKED what is looked at. The last line of each returns."""
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
    """One half of an argument, of which each has 64 bits. The kernel reads the lower one of numbers, flags and commands."""
    return (_LOAD, 0, 0, _ARGUMENTS + 8 * argument + 4 * high)


def _one_of(*values: int) -> Iterator[_Line]:
    for value in values:
        yield from ((_IF_EQUAL, 0, 1, value), (_RETURN, 0, 0, _ALLOW))
