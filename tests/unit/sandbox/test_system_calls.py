"""Table of system calls: its numbers match the system's headers, and the filter allows no other call."""

import errno
import os
import re
import signal
import struct
from itertools import product
from pathlib import Path

import pytest

from internal.sandbox import seccomp
from internal.sandbox.system_calls import ALLOWED, CHECKED

CALLS = [*ALLOWED, *CHECKED.values()]
MACHINES = ("x86_64", "aarch64")
HEADERS = {"x86_64": Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"), "aarch64": Path("/usr/include/asm-generic/unistd.h")}
MARKS = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
ALLOW, REFUSE, UNKNOWN, KILL = 0x7FFF0000, 0x50000 | errno.EPERM, 0x50000 | errno.ENOSYS, 0x80000000
PID = 4711


def _numbers(header: Path) -> dict[str, int]:
    """Some numbers of asm-generic go by two names: __NR3264_mmap is 222, and __NR_mmap is __NR3264_mmap."""
    defined = dict(re.findall(r"#define (__NR\w+)\s+(\w+)", header.read_text()))
    numbers = {}
    for name, value in defined.items():
        while value in defined:
            value = defined[value]  # noqa: PLW2901
        if value.isdigit() and name.startswith("__NR_"):
            numbers[name.removeprefix("__NR_")] = int(value)
    return numbers


@pytest.mark.parametrize("machine", MACHINES)
def test_the_numbers_are_those_of_the_systems_headers(machine: str) -> None:
    if not HEADERS[machine].exists():
        pytest.skip(f"{HEADERS[machine]} is not installed (Debian: linux-libc-dev)")
    known = _numbers(HEADERS[machine])

    assert {call.name: call.number(machine) for call in CALLS if call.number(machine) != known.get(call.name)} == {}


@pytest.mark.parametrize("machine", MACHINES)
def test_no_name_and_no_number_comes_twice(machine: str) -> None:
    numbers = [number for call in CALLS if (number := call.number(machine)) is not None]

    assert len({call.name for call in CALLS}) == len(CALLS)
    assert len(set(numbers)) == len(numbers)
    assert all(call.why for call in CALLS)


def test_what_younger_calls_have_in_common() -> None:
    """From 424 on the numbers are the same on both machines."""
    for call in CALLS:
        if max(call.x86_64 or 0, call.aarch64 or 0) >= 424:
            assert call.x86_64 == call.aarch64


def verdict(machine: str, number: int, *arguments: int, mark: int | None = None) -> int:
    """Return the kernel's result: run the filter on struct seccomp_data, as classic BPF."""
    values = [argument % 2**64 for argument in (*arguments, *[0] * (6 - len(arguments)))]
    data = struct.pack("<IIQ6Q", number, mark or MARKS[machine], 0, *values)
    lines, at, held = seccomp._filter(machine, PID), 0, 0
    while True:
        code, yes, no, operand = lines[at]
        at += 1
        match code:
            case 0x20:
                (held,) = struct.unpack_from("<I", data, operand)
            case 0x06:
                return operand
            case 0x15:
                at += yes if held == operand else no
            case 0x35:
                at += yes if held >= operand else no
            case 0x45:
                at += yes if held & operand else no
            case _:
                raise ValueError(code)


@pytest.mark.parametrize("machine", MACHINES)
def test_a_call_that_is_not_listed_is_refused(machine: str) -> None:
    listed = {call.number(machine) for call in CALLS}
    for number in range(600):
        if number not in listed:
            assert verdict(machine, number) == (UNKNOWN if number >= 424 else REFUSE), number
    for call in ALLOWED:
        if (known := call.number(machine)) is not None:
            assert verdict(machine, known, *[2**64 - 1] * 6) == ALLOW
            assert verdict(machine, known | 0x40000000) == REFUSE
            assert verdict(machine, known, mark=0x40000003) == KILL  # as 32-bit code


CLONE_THREAD = 0x3D0F00
EXECUTABLE = 0x4
CHECKS = [
    ("mmap", (0, 4096, 3, 0x22), ALLOW),
    ("mmap", (0, 4096, 1, 1), ALLOW),
    ("mmap", (0, 4096, 1 | EXECUTABLE, 2), REFUSE),
    ("mmap", (0, 4096, 7, 0x22), REFUSE),
    ("mprotect", (0, 4096, 3), ALLOW),
    ("mprotect", (0, 4096, EXECUTABLE), REFUSE),
    ("clone", (CLONE_THREAD,), ALLOW),
    ("clone", (CLONE_THREAD & ~0x10000,), REFUSE),
    ("clone", (signal.SIGCHLD,), REFUSE),
    ("clone", (CLONE_THREAD | signal.SIGCHLD,), REFUSE),
    *(("clone", (CLONE_THREAD | namespace,), REFUSE) for namespace in (0x20000, 0x2000000, 0x10000000, 0x40000000, 0x80000000)),
    ("clone3", (), UNKNOWN),
    ("prctl", (15,), ALLOW),
    *(("prctl", (option,), REFUSE) for option in (1, 4, 22, 24, 38, 0x59616D61)),
    *(("fcntl", (3, command), ALLOW) for command in (0, 1, 2, 3, 1030)),
    *(("fcntl", (3, command), REFUSE) for command in (4, 6, 8, 10, 15, 1024, 1026, 1031, 1033)),
    *(("ioctl", (0, request), 0x50000 | errno.ENOTTY) for request in (0x5401, 0x5412, 0x8901)),
    ("prlimit64", (0, 7, 0, 1), ALLOW),
    ("prlimit64", (0, 7, 1, 0), REFUSE),
    ("prlimit64", (0, 7, 2**32, 0), REFUSE),
    ("prlimit64", (1, 7, 0, 1), REFUSE),
    ("rt_sigaction", (signal.SIGABRT,), ALLOW),
    ("rt_sigaction", (signal.SIGXCPU,), REFUSE),
    ("tgkill", (PID, PID, 6), ALLOW),
    ("tgkill", (PID - 1, PID, 6), REFUSE),
    ("tgkill", (-1, PID, 6), REFUSE),
]


@pytest.mark.parametrize(("machine", "check"), list(product(MACHINES, CHECKS)))
def test_arguments_are_looked_at(machine: str, check: tuple[str, tuple[int, ...], int]) -> None:
    name, arguments, expected = check
    number = CHECKED[name].number(machine)
    assert number is not None

    assert verdict(machine, number, *arguments) == expected


@pytest.mark.parametrize("machine", MACHINES)
def test_every_checked_call_has_its_check(machine: str) -> None:
    assert {name for name, _ in seccomp._checks(PID)} == set(CHECKED) == {name for name, *_ in CHECKS}


def test_the_filter_is_short_enough_for_the_kernel() -> None:
    assert all(len(seccomp._filter(machine, os.getpid())) < 4096 for machine in MACHINES)
