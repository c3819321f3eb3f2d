"""The sandbox's adapter: a warm pool of decoder processes.

One that dies, is killed, or has done its share is buried, and the next picture that finds no idle one starts another: there are
never more than `size`. A burial runs to its end also when whoever asked for the picture has gone: nothing stays behind.
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

WALLS = ("landlock", "seccomp", "cgroup")
_MAX_UNTOUCHED = 3
"""So many children in a row that die before they accept one picture: it is the picture, after all."""


class DecoderPool(Sandbox):
    """`size` children, each with a folder of its own in `scratch`. Made by open_pool."""

    def __init__(self, size: int, limits: ProcessLimits, scratch: Path, required: frozenset[str] = frozenset()) -> None:
        self._size, self._limits, self._scratch, self._required = size, limits, scratch, required
        self._groups = ChildGroups.find()
        self._bounded = self._groups is not None or is_bounded()
        self._slots = asyncio.Semaphore(size)
        self._idle: list[Decoder] = []
        self._busy: set[Decoder] = set()
        self._burials: set[asyncio.Task[None]] = set()
        self._numbers = count(1)
        self._closed = False

    @property
    def pids(self) -> list[int]:
        """The children's process ids, idle ones first."""
        return [decoder.pid for decoder in (*self._idle, *self._busy)]

    def use(self) -> dict[str, int]:
        """How many children are busy and idle."""
        return {"busy": len(self._busy), "idle": len(self._idle)}

    async def warm_up(self) -> None:
        """Start all children at once, and log which walls they have. Raises SandboxUnavailable when one can't be started."""
        outcomes = await asyncio.gather(*(self._start() for _ in range(self._size)), return_exceptions=True)
        self._idle += [outcome for outcome in outcomes if isinstance(outcome, Decoder)]
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
        for walls in {decoder.walls for decoder in self._idle}:
            missing = self._missing(walls)
            if refused := self._required.intersection(missing):
                raise StartRefused(
                    f"SANDBOX_REQUIRE names {', '.join(sorted(refused))}: not in force for the decoders of this machine."
                )
            tell = log.warning if missing else log.info
            tell(
                "sandbox.started", children=self._size, landlock=walls.landlock, seccomp=walls.seccomp, cgroup=self._bounded,
                **({"missing": missing} if missing else {}),
            )  # fmt: skip

    def _missing(self, walls: Ready) -> list[str]:
        """Which walls are not up, by the names that SANDBOX_REQUIRE takes."""
        up = {"landlock": walls.landlock is not None, "seccomp": walls.seccomp, "cgroup": self._bounded}
        return [name for name in WALLS if not up[name]]

    async def render(self, job: RenderJob) -> Rendered:
        async with self._slots:
            for _ in range(self._size + _MAX_UNTOUCHED):  # any number of idle ones may have been killed
                decoder = await self._borrow()
                try:
                    return await decoder.render(job)
                except CrashedBeforeStart:
                    continue
                except DecoderFailed as death:
                    SANDBOX_DEATHS.labels(death.code).inc()
                    raise
                finally:
                    await self._give_back(decoder)
            raise DecoderFailed

    async def check(self) -> None:
        if self._busy or any(decoder.fit for decoder in self._idle):
            return
        async with self._slots:
            await self._give_back(await self._borrow())

    async def aclose(self) -> None:
        """End all children, those at work too: their pictures raise SandboxUnavailable. May be called again."""
        self._closed = True
        await asyncio.gather(*(decoder.close() for decoder in (*self._idle, *self._busy)))
        self._idle.clear()
        while self._burials:
            await asyncio.wait(self._burials)

    async def _start(self) -> Decoder:
        return await Decoder.start(self._scratch / str(next(self._numbers)), self._limits, self._groups)

    async def _borrow(self) -> Decoder:
        """An idle child, the one used last: its memory is warm, and the others have given theirs back. Else a new one."""
        if self._closed:
            raise SandboxUnavailable("The sandbox is closed.")
        while self._idle:
            decoder = self._idle.pop()
            self._busy.add(decoder)
            if decoder.fit:
                return decoder
            await self._give_back(decoder)
        decoder = await self._start()
        self._busy.add(decoder)
        return decoder

    async def _give_back(self, decoder: Decoder) -> None:
        if decoder.fit and not self._closed:
            self._busy.discard(decoder)
            self._idle.append(decoder)
            return
        burial = asyncio.create_task(self._bury(decoder))
        self._burials.add(burial)
        burial.add_done_callback(self._burials.discard)
        await asyncio.shield(burial)

    async def _bury(self, decoder: Decoder) -> None:
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
    """A warm sandbox of `size` children, until the context ends. Raises SandboxUnavailable when they can't be started.

    For one picture: `cpu_seconds` of CPU time, `wall_seconds` on the clock, `memory_bytes` of address space. A child is replaced
    after `max_pictures`. `scratch` is a folder of ours, in memory if possible and in one file system with the jobs' files; it is
    made when it is not there. `heif_input`: AVIF and HEIC are taken too. `required`: those of WALLS without which it does not
    start (StartRefused); another one that is missing is a warning in the log.

    INVARIANT: no decoder works without a wall that is required
    (tests/integration/test_sandbox_walls.py::test_without_a_required_wall_nothing_starts).
    """
    with locked_tempdir(scratch) as folder:
        limits = ProcessLimits(memory_bytes, cpu_seconds, wall_seconds, max_pictures, heif_input)
        pool = DecoderPool(size, limits, folder, required)
        try:
            await pool.warm_up()
            yield pool
        finally:
            await pool.aclose()
