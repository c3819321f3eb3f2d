"""A decoder gone bad: `walls_probe.py WALLS OUTSIDE TCP_PORT ABSTRACT`, run in its folder, prints what it got away with.

WALLS: `all` locks it in as a decoder is, `landlock` and `seccomp` by one of the two, `none` not at all: there all must succeed.
"""

import json
import os
import resource
import socket
import sys
from collections.abc import Callable
from pathlib import Path

from internal.sandbox import landlock, seccomp
from internal.sandbox.child import libraries, lock_in
from internal.settings import PROJECT

made, outside = Path.cwd(), Path(sys.argv[2])
given = made.parent / "given"


def _tcp() -> None:
    with socket.socket() as connection:
        connection.connect(("127.0.0.1", int(sys.argv[3])))


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


ATTEMPTS: dict[str, Callable[[], object]] = {
    "read what is given": lambda: (given / "source").read_bytes(),
    "write what is made": lambda: (made / "result").write_bytes(b"1"),
    "read a library": lambda: Path(os.__file__).read_bytes(),
    "read passwd": lambda: Path("/etc/passwd").read_bytes(),
    "read the configuration": lambda: (PROJECT / "config" / "default.yaml").read_bytes(),
    "read another picture": lambda: (outside / "picture").read_bytes(),
    "list pictures in work": lambda: list(outside.iterdir()),
    "list the scratch folder": lambda: list(made.parent.parent.iterdir()),
    "read the parent's environment": lambda: Path(f"/proc/{os.getppid()}/environ").read_bytes(),
    "change what is given": lambda: (given / "source").write_bytes(b"2"),
    "cut what is given": lambda: os.truncate(given / "source", 0),
    "write elsewhere": lambda: (outside / "new").write_bytes(b"3"),
    "remove elsewhere": lambda: (outside / "doomed").unlink(),
    "make a link": lambda: (made / "link").symlink_to("/etc/passwd"),
    "signal the parent": lambda: os.kill(os.getppid(), 0),
    "reach for the parent's limits": lambda: resource.prlimit(os.getppid(), resource.RLIMIT_CORE),
    "slow the parent down": lambda: os.setpriority(os.PRIO_PROCESS, os.getppid(), os.getpriority(os.PRIO_PROCESS, 0)),
    "close a folder": lambda: outside.chmod(0o700),
    "change a file's time": lambda: os.utime(outside / "picture"),
    "TCP": _tcp,
    "UDP": _udp,
    "a socket in the file system": lambda: _unix(str(outside / "socket")),
    "an abstract socket": lambda: _unix("\0" + sys.argv[4]),
    "another process": _fork,
    "another program": lambda: os.posix_spawn("/bin/true", ["true"], {}),
}


def _succeeds(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except OSError:
        return False
    return True


match sys.argv[1]:
    case "all":
        lock_in(made)
    case "landlock":
        landlock.confine(readable=[given, *libraries()], writable=[made])
    case "seccomp":
        seccomp.forbid_sockets_and_processes()
print(json.dumps([name for name, attempt in ATTEMPTS.items() if _succeeds(attempt)]))
