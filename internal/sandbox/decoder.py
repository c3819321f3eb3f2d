"""One decoder process as its parent sees it: start it, give it one picture at a time, tell from its death what it died of."""

import asyncio
import signal
import sys
from contextlib import suppress
from pathlib import Path

import msgspec

import internal
from internal.domain.errors import (
    PERMANENT,
    DecoderFailed,
    DecoderOutOfMemory,
    DecoderTimeout,
    InvalidProcessing,
    SandboxUnavailable,
    ScratchUnavailable,
    ServiceError,
    StartRefused,
)
from internal.pipeline.containers.tiff_copy import EXTRA_BYTES
from internal.ports.sandbox import Rendered, RenderJob
from internal.runtime.regular_file import open_regular
from internal.sandbox.believable import require_believable
from internal.sandbox.cgroup import ChildGroups
from internal.sandbox.job_directory import JobDirectory
from internal.sandbox.process_limits import MAX_THREADS, LimitedProcess, ProcessLimits, user_of_child
from internal.sandbox.protocol import GO, MAX_REPLY, PREFIX, Accepted, Done, Ready, Refused, Reply, packed, reply_from
from internal.sandbox.watch import Watch

_START_SECONDS = 30.0
_DYING_SECONDS = 5.0
_OUT_OF_MEMORY = (
    b"MemoryError",
    b"failed to allocate",
    b"out of memory",
    b"unable to allocate",
    b"Cannot allocate",
    b"bad_alloc",
)
_ERRORS: tuple[type[ServiceError], ...] = (*PERMANENT, DecoderFailed, DecoderOutOfMemory, DecoderTimeout)
_REFUSALS = {error.code: error for error in _ERRORS}


class CrashedBeforeStart(Exception):
    """The child was dead before it accepted the picture: another one may have it, and nobody needs to know."""


class Decoder:
    """A live child and its folder. `close` must be awaited, whatever happens; after it, neither is left."""

    def __init__(self, process: asyncio.subprocess.Process, desk: JobDirectory, limits: ProcessLimits) -> None:
        if process.stdin is None or process.stdout is None:
            raise ValueError("the child's stdin and stdout must be pipes")
        self._process, self._desk, self._limits = process, desk, limits
        self._to, self._from = process.stdin, process.stdout
        self.walls = Ready(None, False)
        self._limited = LimitedProcess(process.pid)
        self._watch = Watch(self._limited, desk.made, limits, self._kill_for)
        self._group: Path | None = None
        self._misuse: DecoderFailed | None = None
        self.pictures = 0
        self._fit = True
        self._closed = False

    @classmethod
    async def start(cls, folder: Path, limits: ProcessLimits, groups: ChildGroups | None = None) -> "Decoder":
        """A child that is ready for work, in a group of its own if there are `groups`.

        Raises SandboxUnavailable when it can't be started: no picture is to blame for that; StartRefused when it never can.
        """
        user = user_of_child()
        desk = JobDirectory(folder, user)
        decoder: Decoder | None = None
        try:
            await asyncio.to_thread(desk.set_up)
            with desk.stderr.open("ab") as stderr:
                process = await asyncio.create_subprocess_exec(
                    sys.executable, "-P", "-m", "internal.sandbox.child",
                    str(int(limits.heif_input)), str(user),
                    stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=stderr,
                    cwd=desk.made, env=environment(), close_fds=True, start_new_session=True,
                )  # fmt: skip
            decoder = cls(process, desk, limits)
            decoder._limited.limit(limits)
            decoder._group = groups.add(process.pid, limits.memory_bytes, MAX_THREADS) if groups else None
            async with asyncio.timeout(_START_SECONDS):
                decoder.walls = await decoder._ready()
        except BaseException as error:
            await asyncio.shield(decoder.close()) if decoder else desk.remove()
            if isinstance(error, OSError | EOFError | TimeoutError | msgspec.MsgspecError):
                raise SandboxUnavailable from error
            raise
        decoder._watch.rest()
        return decoder

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def fit(self) -> bool:
        """Whether it can take another picture."""
        return self._fit and self._process.returncode is None and self.pictures < self._limits.max_pictures

    async def render(self, job: RenderJob) -> Rendered:
        """As the port says, but for CrashedBeforeStart. The child is not usable after an error that is not the picture's."""
        self.pictures += 1
        try:
            laid_out = self._desk.lay_out(job)
            self._fit = False
            reply = await self._answer(laid_out, _largest_file(job))
            if isinstance(reply, Done):
                require_believable(reply.rendered, job, self._limits.cpu_seconds, self._limits.wall_seconds)
                self._desk.deliver(job, reply.rendered)
            self._fit = isinstance(reply, Done) or not reply.fatal
        finally:
            self._tidy()
        if isinstance(reply, Refused):
            raise _refusal(reply)
        return reply.rendered

    async def close(self) -> None:
        """Kill it, wait until it is gone, and remove its folder. May be called again."""
        self._fit, self._closed = False, True
        self._watch.end()
        with suppress(ProcessLookupError):
            self._process.kill()
        self._to.close()
        with suppress(RuntimeError, OSError):  # whoever waits for a reply reads the end by himself
            while await self._from.read(MAX_REPLY):  # what is left unread keeps the pipe open
                pass
        await self._process.wait()
        if self._group is not None:
            ChildGroups.remove(self._group)
        await asyncio.to_thread(self._desk.remove)

    async def _ready(self) -> Ready:
        self._to.write(GO)
        reply = await self._reply()
        if isinstance(reply, Refused):
            raise StartRefused(f"A decoder can't run here: {reply.detail}")
        if not isinstance(reply, Ready):
            raise EOFError("the child does not speak the protocol")
        return reply

    def _tidy(self) -> None:
        try:
            self._desk.clear()
        except OSError:  # it left something behind that can't be removed like that: `close` will
            self._fit = False

    async def _answer(self, job: RenderJob, file_bytes: int) -> Done | Refused:
        self._watch.work(limited=self._limited.allow_picture(self._limits.cpu_seconds, file_bytes))
        try:
            async with asyncio.timeout(self._limits.wall_seconds):
                reply = await self._exchange(job)
        except TimeoutError as error:
            raise DecoderTimeout(f"The picture took more than {self._limits.wall_seconds:g} seconds.") from error
        except (EOFError, OSError, msgspec.MsgspecError) as error:
            raise self._misuse or await self._cause_of_death() from error
        finally:
            self._watch.rest()
        if isinstance(reply, Done | Refused):
            return reply
        raise DecoderFailed

    def _kill_for(self, misuse: DecoderFailed) -> None:
        self._misuse = misuse
        with suppress(ProcessLookupError):
            self._process.kill()

    async def _exchange(self, job: RenderJob) -> Reply:
        try:
            self._to.write(packed(job))
            await self._to.drain()
            accepted = await self._reply()
        except (EOFError, OSError) as error:
            raise CrashedBeforeStart from error
        if not isinstance(accepted, Accepted):
            raise EOFError("the child does not speak the protocol")
        return await self._reply()

    async def _reply(self) -> Reply:
        """Raises asyncio.IncompleteReadError, which is an EOFError, when the child is gone."""
        length = int.from_bytes(await self._from.readexactly(PREFIX), "big")
        if length > MAX_REPLY:
            raise EOFError("the child does not speak the protocol")
        return reply_from(await self._from.readexactly(length))

    async def _cause_of_death(self) -> ServiceError:
        """Called when the child has closed its end or talks nonsense. One that won't die by itself is killed by `close`.

        Killing at once would lose the cause: Popen.kill polls, and so takes the exit code from asyncio's watcher.
        """
        try:
            async with asyncio.timeout(_DYING_SECONDS):
                code = await self._process.wait()
        except TimeoutError:
            return DecoderFailed()
        if self._closed:
            return SandboxUnavailable()
        if code == -signal.SIGXCPU:
            return DecoderTimeout(f"The picture took more than {self._limits.cpu_seconds:g} seconds of CPU time.")
        if code == -signal.SIGKILL:  # not ours: the kernel kills the largest process when the machine, or its group, is full
            return DecoderOutOfMemory("The decoder was killed (SIGKILL), as the system does when memory runs out.")
        if any(sign in _tail(self._desk.stderr) for sign in _OUT_OF_MEMORY):
            return DecoderOutOfMemory()
        return DecoderFailed(f"The decoder died on this picture ({_ending(code)}).")


def _refusal(reply: Refused) -> ServiceError:
    error = _REFUSALS.get(reply.code, DecoderFailed)
    return InvalidProcessing(reply.detail, reply.position) if error is InvalidProcessing else error(reply.detail)


def _ending(code: int) -> str:
    with suppress(ValueError):
        return signal.Signals(-code).name if code < 0 else f"exit code {code}"
    return f"signal {-code}"


def _largest_file(job: RenderJob) -> int:
    """Bytes that one file of this picture may have: a result, or a copy of one of the pictures that the child is given."""
    given = [job.source, *(overlay.path for overlay in job.overlays.values())]
    try:
        return max(job.limits.max_output_bytes, EXTRA_BYTES + max(path.stat().st_size for path in given))
    except OSError as error:
        raise ScratchUnavailable from error


def _tail(path: Path) -> bytes:
    try:
        with open_regular(path) as file:
            file.seek(max(0, path.stat().st_size - 4096))
            return file.read(4096)
    except OSError:
        return b""


def environment() -> dict[str, str]:
    """All that a child gets to see, and no secret in it. One thread and one arena are what DESIGN §10 measured."""
    return {
        "PYTHONPATH": str(Path(internal.__path__[0]).parent),
        "PYTHONDONTWRITEBYTECODE": "1",
        "LANG": "C.UTF-8",
        "TMPDIR": ".",
        "VIPS_CONCURRENCY": "1",
        "MALLOC_ARENA_MAX": "1",
    }
