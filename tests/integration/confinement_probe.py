"""A compromised decoder, run in its folder: prints which forbidden actions succeeded.

    confinement_probe.py FEATURES USER OUTSIDE TCP_PORT ABSTRACT

WALLS: `all` locks it in as a decoder is; `landlock`, `seccomp` and `user` by one of these; `none` not at all: there all must
succeed.
"""

import ctypes
import fcntl
import json
import mmap
import os
import platform
import resource
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from internal.runtime.project import PROJECT
from internal.sandbox import landlock, privileges, seccomp
from internal.sandbox.child import INPUT, OUTPUT, confine_process, libraries

user, outside, parent = int(sys.argv[2]), Path(sys.argv[3]), os.getppid()
libc = ctypes.CDLL(None, use_errno=True)
NUMBERS = {
    "x86_64": {"clone": 56, "truncate": 76, "tgkill": 234, "pidfd_open": 434},
    "aarch64": {"clone": 220, "truncate": 45, "tgkill": 131, "pidfd_open": 434},
}
PR_SET_PDEATHSIG, F_SETPIPE_SZ, PROT_EXEC = 1, 1031, 4


def _call(name: str, *arguments: object) -> int:
    """Make a system call by its number, without the C library's checks."""
    return _checked(int(libc.syscall(ctypes.c_long(NUMBERS[platform.machine()][name]), *arguments)))


def _checked(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def _tcp() -> None:
    with socket.socket() as connection:
        connection.connect(("127.0.0.1", int(sys.argv[4])))


def _udp() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as connection:
        connection.sendto(b"secret", ("127.0.0.1", 9))


def _unix(address: str) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(address)


def _fork() -> None:
    if (child := os.fork()) == 0:
        os._exit(0)
    os.waitpid(child, 0)


def _clone() -> None:
    """The new process ends immediately, without running Python code."""
    if (child := _call("clone", ctypes.c_ulong(signal.SIGCHLD), None, None, None, None)) == 0:
        libc._exit(0)
    os.waitpid(child, 0)


def _own_the_end_of_a_pipe() -> None:
    """With this, the kernel would send SIGIO, or any other signal, to the process."""
    fcntl.fcntl(PIPE[0], fcntl.F_SETOWN, parent)


def _run_memory_as_code() -> None:
    mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC).close()


def _turn_memory_into_code() -> None:
    memory = ctypes.c_void_p(ctypes.addressof(ctypes.c_char.from_buffer(PAGE)))
    _checked(libc.mprotect(memory, ctypes.c_size_t(mmap.PAGESIZE), mmap.PROT_READ | PROT_EXEC))


def _lift(kind: int) -> None:
    resource.setrlimit(kind, (resource.getrlimit(kind)[1],) * 2)


def _lift_past_the_c_library(kind: int) -> None:
    resource.prlimit(0, kind, (resource.getrlimit(kind)[1],) * 2)


def _memory_beside() -> None:
    with closing(os.fdopen(os.memfd_create("memory"), "wb")) as memory:
        memory.write(bytes(2**20))


def _shared_memory() -> None:
    file = Path("/dev/shm", f"image-processor-probe-{os.getpid()}")
    file.write_bytes(b"1")
    file.unlink()


PIPE = os.pipe()
PAGE = mmap.mmap(-1, mmap.PAGESIZE)

ATTEMPTS: dict[str, Callable[[], object]] = {
    "read what is given": lambda: (INPUT / "source").read_bytes(),
    "write what is made": lambda: (OUTPUT / "result").write_bytes(b"1"),
    "read a library": lambda: Path("/usr/lib/os-release").read_bytes(),
    "read passwd": lambda: Path("/etc/passwd").read_bytes(),
    "read the configuration": lambda: (PROJECT / "config" / "default.yaml").read_bytes(),
    "read another picture": lambda: (outside / "picture").read_bytes(),
    "list pictures in work": lambda: list(outside.iterdir()),
    "list the scratch folder": lambda: list((OUTPUT / "../..").iterdir()),
    "read the parent's environment": lambda: Path(f"/proc/{parent}/environ").read_bytes(),
    "change what is given": lambda: (INPUT / "source").write_bytes(b"2"),
    "cut what is given": lambda: os.truncate(INPUT / "source", 0),
    "cut elsewhere": lambda: os.truncate(outside / "cut", 1),
    "cut elsewhere past the C library": lambda: _call("truncate", os.fsencode(outside / "cut"), ctypes.c_long(1)),
    "empty elsewhere": lambda: (outside / "cut").open("wb").close(),
    "rename elsewhere": lambda: (outside / "renamed").rename(outside / "new name"),
    "make a folder": lambda: (OUTPUT / "folder").mkdir(),
    "give a second name to what is given": lambda: os.link(INPUT / "source", OUTPUT / "second"),
    "write elsewhere": lambda: (outside / "new").write_bytes(b"3"),
    "remove elsewhere": lambda: (outside / "doomed").unlink(),
    "make a link": lambda: (OUTPUT / "link").symlink_to("/etc/passwd"),
    "signal the parent": lambda: os.kill(parent, 0),
    "signal the parent's thread": lambda: _call("tgkill", parent, parent, 0),
    "find the parent by its number": lambda: os.close(_call("pidfd_open", parent, 0)),
    "signal the parent by a pipe": _own_the_end_of_a_pipe,
    "outlive the parent": lambda: _checked(libc.prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0)),
    "reach for the parent's limits": lambda: resource.prlimit(parent, resource.RLIMIT_CORE),
    "slow the parent down": lambda: os.setpriority(os.PRIO_PROCESS, parent, os.getpriority(os.PRIO_PROCESS, 0)),
    "move the parent to another core": lambda: os.sched_setaffinity(parent, os.sched_getaffinity(parent)),
    "lift its CPU time": lambda: _lift(resource.RLIMIT_CPU),
    "lift its files' size": lambda: _lift(resource.RLIMIT_FSIZE),
    "lift its number of files past the C library": lambda: _lift_past_the_c_library(resource.RLIMIT_NOFILE),
    "ignore the end of its CPU time": lambda: signal.signal(signal.SIGXCPU, signal.SIG_IGN),
    "memory beside its address space": _memory_beside,
    "memory shared with others": _shared_memory,
    "memory in a large pipe": lambda: fcntl.fcntl(PIPE[0], F_SETPIPE_SZ, 2**20),
    "memory that is code": _run_memory_as_code,
    "memory that becomes code": _turn_memory_into_code,
    "close a folder": lambda: outside.chmod(0o700),
    "change a file's time": lambda: os.utime(outside / "picture"),
    "TCP": _tcp,
    "UDP": _udp,
    "a socket in the file system": lambda: _unix(str(outside / "socket")),
    "an abstract socket": lambda: _unix("\0" + sys.argv[5]),
    "two ends of a socket": socket.socketpair,
    "another process": _fork,
    "another process past the C library": _clone,
    "another program": lambda: os.posix_spawn("/bin/true", ["true"], {}),
}
if os.geteuid() == 0:
    ATTEMPTS["become root"] = lambda: os.setresuid(0, 0, 0)


def _succeeds(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except (OSError, ValueError):  # this is how Python tells of a limit that can't be lifted
        return False
    return True


match sys.argv[1]:
    case "all":
        confine_process(user)
    case "landlock":
        landlock.confine(readable=[INPUT, *libraries()], writable=[OUTPUT])
    case "seccomp":
        seccomp.allow_listed_calls()
    case "user":
        privileges.drop_privileges(user)
print(json.dumps([name for name, attempt in ATTEMPTS.items() if _succeeds(attempt)]))
