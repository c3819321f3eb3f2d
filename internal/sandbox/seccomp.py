"""seccomp: a few system calls that a decoder never makes are refused, for good.

Landlock keeps files and TCP away; this closes what it leaves open: sockets of any kind (UDP, and those of PostgreSQL or Docker,
which are files), programs, further processes (they would outlive the child), other processes' memory, and doors into the kernel
that libraries for pictures have no use for. Threads are let through.

It is a list of what is forbidden, for x86-64 and ARM64; elsewhere nothing is done. It binds the calling thread and those begun
later.
"""

import ctypes
import errno
import platform
import struct
import sys

_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _MODE_FILTER = 38, 22, 2
_ALLOW, _KILL, _FAIL_WITH = 0x7FFF0000, 0x80000000, 0x00050000
_REFUSE, _UNKNOWN = _FAIL_WITH | errno.EPERM, _FAIL_WITH | errno.ENOSYS
_LOAD, _IF_EQUAL, _IF_AT_LEAST, _IF_SET, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16  # where they lie in struct seccomp_data
_X32 = 0x40000000
"""x86-64 has its calls a second time from here on; ARM64 has none that high."""
_CLONE_THREAD = 0x00010000
_CLONE3 = 435
"""Its arguments can't be looked at. The C library takes `clone` where there is none."""

_EVERYWHERE = (425, 426, 427, 438, 424, 452)
"""io_uring_setup, _enter, _register: sockets by another way; pidfd_getfd, pidfd_send_signal; fchmodat2."""
_PRLIMIT = {"x86_64": 302, "aarch64": 261}
"""Its first argument is the process: only 0, which is oneself, is let through."""
_FORBIDDEN = {
    # socket, socketpair, execve, execveat, ptrace, process_vm_readv, process_vm_writev, mount, unshare, setns, add_key,
    # request_key, keyctl, perf_event_open, bpf, userfaultfd; x86-64 also: fork, vfork
    # what reaches other processes of the same user, or files that Landlock lets nobody open: kill, tkill, rt_sigqueueinfo,
    # rt_tgsigqueueinfo, setpriority, sched_setparam, sched_setscheduler, sched_setaffinity, sched_setattr, ioprio_set, shmget,
    # semget, msgget, fchmod, fchmodat, fchown, fchownat, utimensat, setxattr, lsetxattr, fsetxattr, removexattr, lremovexattr,
    # fremovexattr; x86-64 also: chmod, chown, lchown, utime, utimes, futimesat
    "x86_64": (
        41, 53, 59, 322, 101, 310, 311, 165, 272, 308, 248, 249, 250, 298, 321, 323, 57, 58, 62, 200, 129, 297, 141, 142, 144,
        203, 314, 251, 29, 64, 68, 91, 268, 93, 260, 280, 188, 189, 190, 197, 198, 199, 90, 92, 94, 132, 235, 261,
    ),
    "aarch64": (
        198, 199, 221, 281, 117, 270, 271, 40, 97, 268, 217, 218, 219, 241, 280, 282, 129, 130, 138, 240, 140, 118, 119, 122,
        274, 30, 194, 190, 186, 52, 53, 55, 54, 88, 5, 6, 7, 14, 15, 16,
    ),
}  # fmt: skip
_MACHINES = {"x86_64": (0xC000003E, 56), "aarch64": (0xC00000B7, 220)}  # the architecture's mark, the number of clone

_Line = tuple[int, int, int, int]
"""What to do, how many lines to skip when it holds, and when it does not, and its operand."""


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("lines", ctypes.c_char_p))


def forbid_sockets_and_processes() -> bool:
    """Whether it is in force from now on: False where the system or the machine has no such thing."""
    machine = platform.machine()
    if sys.platform != "linux" or machine not in _MACHINES:
        return False
    code = b"".join(struct.pack("=HBBI", *line) for line in _filter(machine))
    program = _Program(len(code) // 8, code)
    libc, none = ctypes.CDLL(None, use_errno=True), ctypes.c_ulong(0)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, ctypes.c_ulong(1), none, none, none)
    return bool(libc.prctl(_PR_SET_SECCOMP, ctypes.c_ulong(_MODE_FILTER), ctypes.byref(program), none, none) == 0)


def _filter(machine: str) -> list[_Line]:
    """The program that the kernel runs at each call."""
    architecture, clone = _MACHINES[machine]
    lines: list[_Line] = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_IF_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
    ]
    verdicts = [(_IF_AT_LEAST, _X32, _REFUSE), (_IF_EQUAL, _CLONE3, _UNKNOWN)]
    verdicts += [(_IF_EQUAL, number, _REFUSE) for number in (*_FORBIDDEN[machine], *_EVERYWHERE)]
    for test, operand, verdict in verdicts:
        lines += [(test, 0, 1, operand), (_RETURN, 0, 0, verdict)]
    return [
        *lines,
        (_IF_EQUAL, 0, 3, _PRLIMIT[machine]),
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        (_IF_EQUAL, 2, 0, 0),
        (_RETURN, 0, 0, _REFUSE),
        (_IF_EQUAL, 1, 0, clone),
        (_RETURN, 0, 0, _ALLOW),
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        (_IF_SET, 0, 1, _CLONE_THREAD),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _REFUSE),
    ]
