"""Landlock: permanently restricts a process to the files that it names, and keeps it from the network. It needs no privileges.

It takes three system calls, whose numbers are the same on every architecture. The kernel reports its ABI; each ABI adds
restrictions. Restrictions that a kernel does not know are omitted, so older kernels apply the others:

    1  opening, making and removing files, running programs (Linux 5.13)      5  device ioctl (6.10)
    2  linking and renaming across folders (5.19)                              6  signals and abstract sockets (6.12)
    3  truncating (6.2)                                                        7  nothing that is used here
    4  TCP: bind and connect (6.7)

Landlock does not cover stat, chmod and similar calls, UDP, and sockets in the file system. `seccomp` forbids all sockets.
A ruleset applies to the calling thread and to threads that are started later: call `confine` while there is only one.
"""

import ctypes
import errno
import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION_FLAG = 1
_PATH_BENEATH = 1
_NEWEST = 7

_WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 1, 1 << 2, 1 << 3
_REMOVE_FILE, _MAKE_REG, _TRUNCATE = 1 << 5, 1 << 8, 1 << 14
_FILE_BITS = {1: 13, 2: 14, 3: 15, 5: 16}
"""ABI → number of the lowest bits that are file rights, from this ABI on."""
_NET = 0b11  # bind, connect
_SCOPES = 0b11  # abstract sockets, signals

_READING = _READ_FILE | _READ_DIR
_WRITING = _READING | _WRITE_FILE | _REMOVE_FILE | _MAKE_REG | _TRUNCATE
_ON_A_FILE = _READ_FILE | _WRITE_FILE | _TRUNCATE

_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scopes", ctypes.c_uint64))


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def abi() -> int | None:
    """Return the kernel's ABI, or None if Landlock is missing or disabled."""
    try:
        return _call(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(_VERSION_FLAG))
    except OSError:
        return None


def confine(*, readable: Iterable[Path], writable: Iterable[Path]) -> int | None:
    """Restrict this thread and its descendants to these paths. Returns the ABI in force, or None without Landlock.

    A path includes everything beneath it; missing paths are skipped. In `writable`, regular files can be created, changed and
    removed. No program can be executed from anywhere. Raises OSError if the kernel refuses a right that its ABI includes.
    """
    version = abi()
    if version is None:
        return None
    known = (1 << max(bits for since, bits in _FILE_BITS.items() if since <= version)) - 1
    rules = _Ruleset(known, _NET if version >= 4 else 0, _SCOPES if version >= 6 else 0)
    size = 8 if version < 4 else 16 if version < 6 else 24
    ruleset = _call(_CREATE_RULESET, ctypes.byref(rules), ctypes.c_size_t(size), ctypes.c_uint32(0))
    try:
        for paths, rights in ((readable, _READING), (writable, _WRITING)):
            for path in paths:
                with suppress(FileNotFoundError):
                    _allow(ruleset, path, rights & known)
        _call(_RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint32(0))
    finally:
        os.close(ruleset)
    return min(version, _NEWEST)


def _allow(ruleset: int, path: Path, rights: int) -> None:
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        rule = _Beneath(rights if path.is_dir() else rights & _ON_A_FILE, descriptor)
        _call(_ADD_RULE, ctypes.c_int(ruleset), ctypes.c_int(_PATH_BENEATH), ctypes.byref(rule), ctypes.c_uint32(0))
    finally:
        os.close(descriptor)


def _call(number: int, *arguments: object) -> int:
    if _libc is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    result: int = _libc.syscall(ctypes.c_long(number), *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
