"""The parent's side of one decoder process: starts it, sends it one job at a time, and finds out why it died."""

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
from internal.sandbox.cgroup import ChildGroups
from internal.sandbox.job_directory import JobDirectory
from internal.sandbox.monitor import ResourceMonitor
from internal.sandbox.process_limits import MAX_THREADS, LimitedProcess, ProcessLimits, child_user
from internal.sandbox.protocol import (
    GO,
    MAX_REPLY,
    PREFIX,
    Accepted,
    Done,
    Ready,
    RenderRefused,
    Reply,
    decode_reply,
    encode_message,
)
from internal.sandbox.reply_checks import check_rendered

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
    """The child died before it accepted the picture, so another child can render it."""


class Decoder:
    """A running child and its folder. Always await `close`, which removes both."""

    def __init__(self, process: asyncio.subprocess.Process, directory: JobDirectory, limits: ProcessLimits) -> None:
        if process.stdin is None or process.stdout is None:
            raise ValueError("the child's stdin and stdout must be pipes")
        self._process, self._directory, self._limits = process, directory, limits
        self._to, self._from = process.stdin, process.stdout
        self.features = Ready(None, False)
        self._limited = LimitedProcess(process.pid)
        self._monitor = ResourceMonitor(self._limited, directory.output, limits, self._kill_because)
        self._group: Path | None = None
        self._violation: DecoderFailed | None = None
        self.pictures = 0
        self._usable = True
        self._closed = False

    @classmethod
    async def start(cls, folder: Path, limits: ProcessLimits, groups: ChildGroups | None = None) -> "Decoder":
        """Start a child and wait until it is ready. It gets its own control group if there are `groups`.

        Raises SandboxUnavailable if it can't be started now, and StartRefused if it never can.
        """
        user = child_user()
        directory = JobDirectory(folder, user)
        decoder: Decoder | None = None
        try:
            await asyncio.to_thread(directory.set_up)
            with directory.stderr.open("ab") as stderr:
                process = await asyncio.create_subprocess_exec(
                    sys.executable, "-P", "-m", "internal.sandbox.child",
                    str(int(limits.heif_input)), str(user),
                    stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=stderr,
                    cwd=directory.output, env=environment(), close_fds=True, start_new_session=True,
                )  # fmt: skip
            decoder = cls(process, directory, limits)
            decoder._limited.limit(limits)
            decoder._group = groups.add(process.pid, limits.memory_bytes, MAX_THREADS) if groups else None
            async with asyncio.timeout(_START_SECONDS):
                decoder.features = await decoder._ready()
        except BaseException as error:
            await asyncio.shield(decoder.close()) if decoder else directory.remove()
            if isinstance(error, OSError | EOFError | TimeoutError | msgspec.MsgspecError):
                raise SandboxUnavailable from error
            raise
        decoder._monitor.watch_idle()
        return decoder

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def usable(self) -> bool:
        """True if the child can take another picture."""
        return self._usable and self._process.returncode is None and self.pictures < self._limits.max_pictures

    async def render(self, job: RenderJob) -> Rendered:
        """Render one picture, as the port says. Also raises CrashedBeforeStart.

        After an error that the picture did not cause, the child is no longer usable.
        """
        self.pictures += 1
        try:
            staged = self._directory.stage(job)
            self._usable = False
            reply = await self._run_job(staged, _largest_file(job))
            if isinstance(reply, Done):
                check_rendered(reply.rendered, job, self._limits.cpu_seconds, self._limits.wall_seconds)
                self._directory.collect(job, reply.rendered)
            self._usable = isinstance(reply, Done) or not reply.fatal
        finally:
            self._clear_directory()
        if isinstance(reply, RenderRefused):
            raise _refusal(reply)
        return reply.rendered

    async def close(self) -> None:
        """Kill the child, wait for its end, and remove its folder. Repeated calls are safe."""
        self._usable, self._closed = False, True
        self._monitor.stop()
        with suppress(ProcessLookupError):
            self._process.kill()
        self._to.close()
        with suppress(RuntimeError, OSError):  # a pending `_reply` reads the end itself
            while await self._from.read(MAX_REPLY):  # unread bytes would keep the pipe open
                pass
        await self._process.wait()
        if self._group is not None:
            ChildGroups.remove(self._group)
        await asyncio.to_thread(self._directory.remove)

    async def _ready(self) -> Ready:
        self._to.write(GO)
        reply = await self._reply()
        if isinstance(reply, RenderRefused):
            raise StartRefused(f"A decoder can't run here: {reply.detail}")
        if not isinstance(reply, Ready):
            raise EOFError("the child does not speak the protocol")
        return reply

    def _clear_directory(self) -> None:
        try:
            self._directory.clear()
        except OSError:  # the child left something that only `close` can remove
            self._usable = False

    async def _run_job(self, job: RenderJob, file_bytes: int) -> Done | RenderRefused:
        self._monitor.watch_job(limited=self._limited.allow_picture(self._limits.cpu_seconds, file_bytes))
        try:
            async with asyncio.timeout(self._limits.wall_seconds):
                reply = await self._exchange(job)
        except TimeoutError as error:
            raise DecoderTimeout(f"The picture took more than {self._limits.wall_seconds:g} seconds.") from error
        except (EOFError, OSError, msgspec.MsgspecError) as error:
            raise self._violation or await self._cause_of_death() from error
        finally:
            self._monitor.watch_idle()
        if isinstance(reply, Done | RenderRefused):
            return reply
        raise DecoderFailed

    def _kill_because(self, violation: DecoderFailed) -> None:
        self._violation = violation
        with suppress(ProcessLookupError):
            self._process.kill()

    async def _exchange(self, job: RenderJob) -> Reply:
        try:
            self._to.write(encode_message(job))
            await self._to.drain()
            accepted = await self._reply()
        except (EOFError, OSError) as error:
            raise CrashedBeforeStart from error
        if not isinstance(accepted, Accepted):
            raise EOFError("the child does not speak the protocol")
        return await self._reply()

    async def _reply(self) -> Reply:
        """Read a reply. Raises asyncio.IncompleteReadError, which is an EOFError, if the child has ended."""
        length = int.from_bytes(await self._from.readexactly(PREFIX), "big")
        if length > MAX_REPLY:
            raise EOFError("the child does not speak the protocol")
        return decode_reply(await self._from.readexactly(length))

    async def _cause_of_death(self) -> ServiceError:
        """Return the error for a child that closed its end or violated the protocol. If it still runs, `close` kills it.

        Killing it here would lose the cause: Popen.kill polls, and so takes the exit code from asyncio's watcher.
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
        if code == -signal.SIGKILL:  # not sent by us: the kernel sends it when the machine or the group is out of memory
            return DecoderOutOfMemory("The decoder was killed (SIGKILL), as the system does when memory runs out.")
        if any(sign in _tail(self._directory.stderr) for sign in _OUT_OF_MEMORY):
            return DecoderOutOfMemory()
        return DecoderFailed(f"The decoder died on this picture ({_exit_description(code)}).")


def _refusal(reply: RenderRefused) -> ServiceError:
    error = _REFUSALS.get(reply.code, DecoderFailed)
    return InvalidProcessing(reply.detail, reply.position) if error is InvalidProcessing else error(reply.detail)


def _exit_description(code: int) -> str:
    with suppress(ValueError):
        return signal.Signals(-code).name if code < 0 else f"exit code {code}"
    return f"signal {-code}"


def _largest_file(job: RenderJob) -> int:
    """Return the maximum size of a file of this job in bytes: a result, or a copy of one of its input pictures."""
    files = [job.source, *(overlay.path for overlay in job.overlays.values())]
    try:
        return max(job.limits.max_output_bytes, EXTRA_BYTES + max(path.stat().st_size for path in files))
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
    """Return the environment of a child. It has no secrets. One thread and one malloc arena measured best (DESIGN §10)."""
    return {
        "PYTHONPATH": str(Path(internal.__path__[0]).parent),
        "PYTHONDONTWRITEBYTECODE": "1",
        "LANG": "C.UTF-8",
        "TMPDIR": ".",
        "VIPS_CONCURRENCY": "1",
        "MALLOC_ARENA_MAX": "1",
    }
