"""What a decoder takes beside its limits, looked at from outside, at work and at rest.

The system's limits leave gaps to a process that was taken over: it can hold back the signal of too much CPU time, begin threads
(RLIMIT_NPROC counts all processes of a user), and fill its folder, which mostly lies in memory, with files that are each small
enough.
Most pictures are over before the first look.
"""

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from internal.domain.errors import DecoderFailed, DecoderOutOfMemory, DecoderTimeout
from internal.sandbox.job_directory import MOST_FILES
from internal.sandbox.process_limits import MAX_THREADS, LimitedProcess, ProcessLimits

LOOK_SECONDS, LOOK_AT_REST_SECONDS = 0.5, 5.0
_GRACE_SECONDS = 2.0
"""The limit of CPU time knows whole seconds, and the kernel looks at it now and then: it comes first where it can."""


class Watch:
    """Looks at a process from `work` or `rest` on until `end`. Calls `kill`, once, with what it does too much of."""

    def __init__(
        self, process: LimitedProcess, folder: Path, limits: ProcessLimits, kill: Callable[[DecoderFailed], None]
    ) -> None:
        self._process, self._folder, self._limits, self._kill = process, folder, limits, kill
        self._next: asyncio.TimerHandle | None = None

    def work(self, *, limited: bool) -> None:
        """It has a picture from now on. `limited`: a limit of the system's ends it first, if it does not hold back the signal."""
        self._begin(LOOK_SECONDS, self._limits.cpu_seconds + (_GRACE_SECONDS if limited else 0))

    def rest(self) -> None:
        """It has nothing to do from now on, but to give memory back."""
        self._begin(LOOK_AT_REST_SECONDS, _GRACE_SECONDS)

    def end(self) -> None:
        if self._next is not None:
            self._next.cancel()

    def _begin(self, every: float, cpu_seconds: float) -> None:
        self.end()
        self._every, self._most_cpu = every, self._process.cpu_seconds() + cpu_seconds
        self._next = asyncio.get_running_loop().call_later(every, self._look)

    def _look(self) -> None:
        if misuse := self._misuse():
            self._kill(misuse)
        else:
            self._next = asyncio.get_running_loop().call_later(self._every, self._look)

    def _misuse(self) -> DecoderFailed | None:
        if self._process.cpu_seconds() > self._most_cpu:
            return DecoderTimeout(f"The picture took more than {self._limits.cpu_seconds:g} seconds of CPU time.")
        if self._process.threads() > MAX_THREADS:
            return DecoderFailed("The decoder began more threads than any picture needs.")
        files, size = _held(self._folder)
        if files > MOST_FILES:
            return DecoderFailed("The decoder made more files than any picture needs.")
        if size > self._limits.memory_bytes:
            return DecoderOutOfMemory("The decoder's files took more room than it has memory.")
        return None


def _held(folder: Path) -> tuple[int, int]:
    """How many files there are, as far as it matters, and how many bytes they take."""
    files = size = 0
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            files += 1
            if files > MOST_FILES:
                break
            with suppress(OSError):  # gone meanwhile
                size += entry.stat(follow_symlinks=False).st_blocks * 512
    return files, size
