"""The limits of a decoder process, set from outside by its parent: the process can neither lift them nor skip them.

What a system lacks is left out. A process of another user, as a child of root's is, takes CAP_SYS_RESOURCE for all but the first
time; where root has none, as in a container, what changes with each picture is watched instead (watch.py).
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
"""libvips has a handful for each picture that is read, drawn or written, and each ends with it."""
FILE_BYTES = 2**32
"""No file of a decoder is ever larger: for each picture there is a lower limit."""
_GRACE_SECONDS = 2


class ProcessLimits(Struct, frozen=True):
    """What a child may use: address space in bytes, seconds of CPU and on the clock for one picture, pictures in its life.

    `heif_input`: whether it takes AVIF and HEIC.
    """

    memory_bytes: int
    cpu_seconds: float
    wall_seconds: float
    max_pictures: int
    heif_input: bool = False


def user_of_child() -> int:
    """The user as which a new child runs: this process's own, but never root.

    Debian keeps 65000 to 65533 for nobody's use. Each child gets one that others seldom have, so that it can't reach them either.
    """
    own = os.geteuid()
    return own if own != 0 else 65_000 + secrets.randbelow(500)


class LimitedProcess:
    """A process that this one has started."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._cpu_seconds, self._file_bytes = 0, 0

    def limit(self, limits: ProcessLimits) -> None:
        """For its whole life, before it becomes another user. Raises OSError when it can't be limited."""
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
            self._for_good(kind, most)
        if os.geteuid() == 0:  # this one counts all processes of a user, and the child's will have no other
            self._for_good(resource.RLIMIT_NPROC, MAX_THREADS)
        self._cpu_seconds = self._for_good(resource.RLIMIT_CPU, self._cpu_seconds)
        self._file_bytes = self._for_good(resource.RLIMIT_FSIZE, self._file_bytes)

    def allow_picture(self, cpu_seconds: float, file_bytes: int) -> bool:
        """For the next picture: so much more CPU time, then SIGXCPU, and no file larger than this, then EFBIG.

        Returns whether these limits hold: root without CAP_SYS_RESOURCE can't set them for another user's process.

        RLIMIT_CPU counts a process's whole life, so its soft limit is raised each time; whole seconds are all that it knows.
        """
        with suppress(ProcessLookupError, PermissionError, AttributeError):  # the last one: a system without prlimit
            soft = math.ceil(self.cpu_seconds() + cpu_seconds)
            resource.prlimit(self._pid, resource.RLIMIT_CPU, (min(soft, self._cpu_seconds), self._cpu_seconds))
            resource.prlimit(self._pid, resource.RLIMIT_FSIZE, (min(file_bytes, self._file_bytes), self._file_bytes))
            return True
        return False

    def cpu_seconds(self) -> float:
        """What it has used of the CPU, in all its threads; 0 where this can't be asked, or when it is gone."""
        if sys.platform != "linux":
            return 0.0
        try:
            return time.clock_gettime(~self._pid << 3 | 2)  # the clock of a process by its number: clock_getcpuclockid(3)
        except OSError:
            return 0.0

    def threads(self) -> int:
        """How many it has; 0 where this can't be asked, or when it is gone."""
        try:
            return Path(f"/proc/{self._pid}/task").stat().st_nlink - 2  # a folder for each
        except OSError:
            return 0

    def _for_good(self, kind: int, most: int) -> int:
        """Returns the limit that holds now: it may have been lower before."""
        before = resource.prlimit(self._pid, kind)[1]
        limit = most if before == resource.RLIM_INFINITY else min(most, before)
        resource.prlimit(self._pid, kind, (limit, limit))
        return limit
