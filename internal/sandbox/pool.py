"""Sandbox adapter: a warm pool of decoder processes.

A child that crashes or reaches `max_pictures` is closed and replaced on demand; there are never more than `size`. Closing runs to
its end even if the caller is cancelled, so no process and no folder is left.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path

import structlog

from internal.domain.errors import DecoderFailed, SandboxUnavailable, StartRefused
from internal.observability.metrics import SANDBOX_DEATHS
from internal.ports.sandbox import Rendered, RenderJob, Sandbox
from internal.sandbox.cgroup import ChildGroups, is_bounded
from internal.sandbox.decoder import CrashedBeforeStart, Decoder
from internal.sandbox.locked_tempdir import locked_tempdir
from internal.sandbox.process_limits import ProcessLimits
from internal.sandbox.protocol import Ready

log = structlog.get_logger(__name__)

FEATURES = ("landlock", "seccomp", "cgroup")
_MAX_CRASHES_BEFORE_START = 3
"""Number of children that may die in a row before they accept one picture; then the picture counts as the cause."""


class DecoderPool(Sandbox):
    """Pool of `size` children, each with its own folder in `scratch`. Create it with open_pool."""

    def __init__(self, size: int, limits: ProcessLimits, scratch: Path, required: frozenset[str] = frozenset()) -> None:
        self._size, self._limits, self._scratch, self._required = size, limits, scratch, required
        self._groups = ChildGroups.find()
        self._bounded = self._groups is not None or is_bounded()
        self._slots = asyncio.Semaphore(size)
        self._idle: list[Decoder] = []
        self._busy: set[Decoder] = set()
        self._closing: set[asyncio.Task[None]] = set()
        self._numbers = count(1)
        self._closed = False

    @property
    def pids(self) -> list[int]:
        """Process ids of the children, idle ones first."""
        return [decoder.pid for decoder in (*self._idle, *self._busy)]

    def use(self) -> dict[str, int]:
        """Return the number of busy and of idle children."""
        return {"busy": len(self._busy), "idle": len(self._idle)}

    async def warm_up(self) -> None:
        """Start all children, and log their sandbox features. Raises SandboxUnavailable if a child can't be started.

        Raises StartRefused if a required feature is missing.
        """
        outcomes = await asyncio.gather(*(self._start() for _ in range(self._size)), return_exceptions=True)
        self._idle += [outcome for outcome in outcomes if isinstance(outcome, Decoder)]
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
        for features in {decoder.features for decoder in self._idle}:
            missing = self._missing(features)
            if refused := self._required.intersection(missing):
                raise StartRefused(
                    f"SANDBOX_REQUIRE names {', '.join(sorted(refused))}, which is not in force for decoders on this machine."
                )
            write = log.warning if missing else log.info
            write(
                "sandbox.started",
                children=self._size,
                landlock=features.landlock,
                seccomp=features.seccomp,
                cgroup=self._bounded,
                **({"missing": missing} if missing else {}),
            )

    def _missing(self, features: Ready) -> list[str]:
        """Return the missing sandbox features, by their names in SANDBOX_REQUIRE."""
        active = {"landlock": features.landlock is not None, "seccomp": features.seccomp, "cgroup": self._bounded}
        return [name for name in FEATURES if not active[name]]

    async def render(self, job: RenderJob) -> Rendered:
        async with self._slots:
            for _ in range(self._size + _MAX_CRASHES_BEFORE_START):  # any number of idle children may have been killed
                decoder = await self._acquire()
                try:
                    return await decoder.render(job)
                except CrashedBeforeStart:
                    continue
                except DecoderFailed as failure:
                    SANDBOX_DEATHS.labels(failure.code).inc()
                    raise
                finally:
                    await self._release(decoder)
            raise DecoderFailed

    async def check(self) -> None:
        if self._busy or any(decoder.usable for decoder in self._idle):
            return
        async with self._slots:
            await self._release(await self._acquire())

    async def aclose(self) -> None:
        """Close all children. Pictures that are being rendered raise SandboxUnavailable. Repeated calls are safe."""
        self._closed = True
        await asyncio.gather(*(decoder.close() for decoder in (*self._idle, *self._busy)))
        self._idle.clear()
        while self._closing:
            await asyncio.wait(self._closing)

    async def _start(self) -> Decoder:
        return await Decoder.start(self._scratch / str(next(self._numbers)), self._limits, self._groups)

    async def _acquire(self) -> Decoder:
        """Return the idle child that was used last, because its memory is warm, or start a new one."""
        if self._closed:
            raise SandboxUnavailable("The sandbox is closed.")
        while self._idle:
            decoder = self._idle.pop()
            self._busy.add(decoder)
            if decoder.usable:
                return decoder
            await self._release(decoder)
        decoder = await self._start()
        self._busy.add(decoder)
        return decoder

    async def _release(self, decoder: Decoder) -> None:
        if decoder.usable and not self._closed:
            self._busy.discard(decoder)
            self._idle.append(decoder)
            return
        closing = asyncio.create_task(self._reap(decoder))
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)
        await asyncio.shield(closing)

    async def _reap(self, decoder: Decoder) -> None:
        await decoder.close()
        self._busy.discard(decoder)


@asynccontextmanager
async def open_pool(
    *,
    size: int,
    memory_bytes: int,
    cpu_seconds: float,
    wall_seconds: float,
    max_pictures: int,
    scratch: Path,
    heif_input: bool = False,
    required: frozenset[str] = frozenset(),
) -> AsyncIterator[DecoderPool]:
    """Start a sandbox of `size` children, which runs until the context ends. Raises SandboxUnavailable if they can't start.

    One picture may use `cpu_seconds` of CPU time, `wall_seconds` of elapsed time and `memory_bytes` of address space. A child is
    replaced after `max_pictures`. `scratch` is a folder for temporary files, in memory if possible, and in the same file system
    as the jobs' files; it is created if it is missing. If `heif_input` is true, AVIF and HEIC are accepted. `required` are those
    of FEATURES without which it does not start (StartRefused); the log warns of other missing features.

    INVARIANT: no decoder works without a required feature
    (tests/integration/test_sandbox_confinement.py::test_without_a_required_feature_nothing_starts).
    """
    with locked_tempdir(scratch) as folder:
        limits = ProcessLimits(memory_bytes, cpu_seconds, wall_seconds, max_pictures, heif_input)
        pool = DecoderPool(size, limits, folder, required)
        try:
            await pool.warm_up()
            yield pool
        finally:
            await pool.aclose()
