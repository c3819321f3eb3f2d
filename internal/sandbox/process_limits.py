"""Resource limits of a decoder process. Its parent sets them from outside, so the process can neither lift nor skip them.

Limits that a system lacks are skipped. Changing the limits of a process of another user, such as a child of root, needs
CAP_SYS_RESOURCE. If root lacks it, as in a container, the limits of each picture are monitored instead (monitor.py).
"""

import math
import os
import resource
import secrets
import sys
import time
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

MAX_OPEN_FILES = 64
MAX_THREADS = 64
"""libvips starts a few for each picture that it reads, draws or writes, and they end with it."""
FILE_BYTES = 2**32
"""Upper limit for any file of a decoder. Each picture has a lower limit."""
_GRACE_SECONDS = 2


class ProcessLimits(Struct, frozen=True):
    """Limits of a child: address space in bytes, CPU and elapsed seconds for one picture, pictures in its lifetime.

    If `heif_input` is true, it accepts AVIF and HEIC.
    """

    memory_bytes: int
    cpu_seconds: float
    wall_seconds: float
    max_pictures: int
    heif_input: bool = False


def child_user() -> int:
    """Return the user of a new child: this process's own user, but never root.

    Debian reserves 65000 to 65533. Each child of root gets a random one of these, so that children can't reach each other.
    """
    own = os.geteuid()
    return own if own != 0 else 65_000 + secrets.randbelow(500)


class LimitedProcess:
    """Resource limits and usage of a child process."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._cpu_seconds, self._file_bytes = 0, 0

    def limit(self, limits: ProcessLimits) -> None:
        """Set the limits of its lifetime, before it changes its user. Raises OSError if that fails."""
        self._cpu_seconds = math.ceil(limits.cpu_seconds + _GRACE_SECONDS) * limits.max_pictures
        self._file_bytes = FILE_BYTES
        if not hasattr(resource, "prlimit"):
            return
        for kind, most in (
            (resource.RLIMIT_CORE, 0),
            (resource.RLIMIT_MEMLOCK, 0),
            (resource.RLIMIT_MSGQUEUE, 0),
            (resource.RLIMIT_NOFILE, MAX_OPEN_FILES),
            (resource.RLIMIT_AS, limits.memory_bytes),
        ):
            self._set_permanently(kind, most)
        if os.geteuid() == 0:  # it counts all processes of a user, and the child's user has no other
            self._set_permanently(resource.RLIMIT_NPROC, MAX_THREADS)
        self._cpu_seconds = self._set_permanently(resource.RLIMIT_CPU, self._cpu_seconds)
        self._file_bytes = self._set_permanently(resource.RLIMIT_FSIZE, self._file_bytes)

    def allow_picture(self, cpu_seconds: float, file_bytes: int) -> bool:
        """Set the limits of the next picture: CPU seconds (then SIGXCPU) and bytes of a file (then EFBIG).

        Returns False if they are not in force: root without CAP_SYS_RESOURCE can't set them for another user's process.

        RLIMIT_CPU counts the process's lifetime in whole seconds, so its soft limit is raised for each picture.
        """
        with suppress(ProcessLookupError, PermissionError, AttributeError):  # AttributeError: a system without prlimit
            soft = math.ceil(self.cpu_seconds() + cpu_seconds)
            resource.prlimit(self._pid, resource.RLIMIT_CPU, (min(soft, self._cpu_seconds), self._cpu_seconds))
            resource.prlimit(self._pid, resource.RLIMIT_FSIZE, (min(file_bytes, self._file_bytes), self._file_bytes))
            return True
        return False

    def cpu_seconds(self) -> float:
        """Return the CPU seconds of all its threads; 0 if they are unknown or the process has ended."""
        if sys.platform != "linux":
            return 0.0
        try:
            return time.clock_gettime(~self._pid << 3 | 2)  # the CPU clock of a process: clock_getcpuclockid(3)
        except OSError:
            return 0.0

    def threads(self) -> int:
        """Return the number of its threads; 0 if it is unknown or the process has ended."""
        try:
            return Path(f"/proc/{self._pid}/task").stat().st_nlink - 2  # one folder for each thread
        except OSError:
            return 0

    def _set_permanently(self, kind: int, most: int) -> int:
        """Set soft and hard limit. Returns the limit in force, which may be an earlier, lower one."""
        before = resource.prlimit(self._pid, kind)[1]
        limit = most if before == resource.RLIM_INFINITY else min(most, before)
        resource.prlimit(self._pid, kind, (limit, limit))
        return limit
