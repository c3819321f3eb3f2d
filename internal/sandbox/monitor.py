"""Monitoring of a decoder's resources from outside, while it works and while it is idle.

The system's limits leave gaps for a compromised process: it can block SIGXCPU, start threads (RLIMIT_NPROC counts all processes
of a user), and fill its folder, which is usually in memory, with many small files. Most pictures are finished before the first
check.
"""

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from internal.domain.errors import DecoderFailed, DecoderOutOfMemory, DecoderTimeout
from internal.sandbox.job_directory import MAX_FILES
from internal.sandbox.process_limits import MAX_THREADS, LimitedProcess, ProcessLimits

CHECK_SECONDS, IDLE_CHECK_SECONDS = 0.5, 5.0
_GRACE_SECONDS = 2.0
"""RLIMIT_CPU counts whole seconds, and the kernel checks it from time to time only. The grace period lets it act first."""


class ResourceMonitor:
    """Checks a process periodically, from `watch_job` or `watch_idle` until `stop`. Calls `kill` once, with the violation."""

    def __init__(
        self, process: LimitedProcess, folder: Path, limits: ProcessLimits, kill: Callable[[DecoderFailed], None]
    ) -> None:
        self._process, self._folder, self._limits, self._kill = process, folder, limits, kill
        self._next: asyncio.TimerHandle | None = None

    def watch_job(self, *, limited: bool) -> None:
        """The process starts a picture. If `limited` is true, RLIMIT_CPU is in force and gets a grace period."""
        self._begin(CHECK_SECONDS, self._limits.cpu_seconds + (_GRACE_SECONDS if limited else 0))

    def watch_idle(self) -> None:
        """The process is idle. It may only return memory to the system."""
        self._begin(IDLE_CHECK_SECONDS, _GRACE_SECONDS)

    def stop(self) -> None:
        if self._next is not None:
            self._next.cancel()

    def _begin(self, every: float, cpu_seconds: float) -> None:
        self.stop()
        self._every, self._most_cpu = every, self._process.cpu_seconds() + cpu_seconds
        self._next = asyncio.get_running_loop().call_later(every, self._check)

    def _check(self) -> None:
        if violation := self._violation():
            self._kill(violation)
        else:
            self._next = asyncio.get_running_loop().call_later(self._every, self._check)

    def _violation(self) -> DecoderFailed | None:
        if self._process.cpu_seconds() > self._most_cpu:
            return DecoderTimeout(f"The picture took more than {self._limits.cpu_seconds:g} seconds of CPU time.")
        if self._process.threads() > MAX_THREADS:
            return DecoderFailed("The decoder started more threads than any picture needs.")
        files, size = _usage(self._folder)
        if files > MAX_FILES:
            return DecoderFailed("The decoder created more files than any picture needs.")
        if size > self._limits.memory_bytes:
            return DecoderOutOfMemory("The decoder's files exceeded its memory limit.")
        return None


def _usage(folder: Path) -> tuple[int, int]:
    """Return the number of files in the folder, counted up to the limit, and their size in bytes."""
    files = size = 0
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            files += 1
            if files > MAX_FILES:
                break
            with suppress(OSError):  # removed meanwhile
                size += entry.stat(follow_symlinks=False).st_blocks * 512
    return files, size
