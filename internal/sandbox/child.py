"""A decoder process: `python -m internal.sandbox.child HEIF USER`, started by the pool in a folder of its own.

It locks itself in before it hears of a picture: desk.py says which files are left to it; limits.py, landlock.py and seccomp.py
what else it may not do. Its parent limits what it may use (process_limits.py). It speaks the protocol on stdin and stdout,
renders one picture at a time, and has no secrets and nothing to lose. It ends when stdin does.
"""

import os
import select
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import internal
from internal.domain.errors import DecoderOutOfMemory, InvalidProcessing, SandboxUnavailable, ServiceError
from internal.pipeline.language.grammar import Grammar
from internal.pipeline.operations import known_operations
from internal.pipeline.vips.render import render, restrict_libvips
from internal.pipeline.vips.text import load_fonts
from internal.ports.sandbox import RenderJob
from internal.sandbox import landlock, limits, seccomp
from internal.sandbox.protocol import GO, PREFIX, Accepted, Done, Ready, Refused, Reply, job_from, packed, plain

IDLE_SECONDS = 1.0
"""Without work this long, memory is given back."""
_MAX_CANONICAL = 2**20
MADE, GIVEN = Path(), Path("../given")
"""The child's folders, as it sees them from the one in which it was started (desk.py)."""


def main() -> None:
    heif_input, user = sys.argv[1] == "1", int(sys.argv[2])
    reader, writer = _private_streams()
    restrict_libvips(heif=True) if heif_input else restrict_libvips()
    grammar = Grammar(presets={}, max_operations=_MAX_CANONICAL, max_text=_MAX_CANONICAL)
    known_operations()  # plug-ins bring libraries along, and behind the walls nothing can be loaded that is code
    if user != os.geteuid():
        load_fonts()  # root's libraries may be closed to others; tests/hostile/test_late_imports.py: nothing else comes late
    if not _exactly(reader, len(GO)):
        return
    try:
        _send(writer, lock_in(user))
    except OSError as error:
        _send(writer, Refused(SandboxUnavailable.code, plain(f"it can't give up its rights ({error})"), fatal=True))
        return
    while job := _next_job(reader):
        os.ftruncate(sys.stderr.fileno(), 0)  # what a library has to say about one picture is kept until the next one only
        _send(writer, Accepted())
        reply = _render(grammar, job)
        _send(writer, reply)
        if isinstance(reply, Refused) and reply.fatal:
            return


def lock_in(user: int) -> Ready:
    """From here on this process can do no harm: it reads what it is given, writes into its folder, and runs and reaches nothing.

    Root becomes `user`, and only relative paths lead to its files from there on: the folders above are closed to it.

    Python's libraries, ours and the system's stay readable, for what they load late (codecs, fonts). It happens once all that
    needs more is done, and while there is one thread: the walls would not close around another.

    INVARIANT: a child never reads what it was not given (tests/integration/test_sandbox_walls.py).
    """
    threads = Path("/proc/self/task")
    if threads.exists() and len(list(threads.iterdir())) > 1:
        raise RuntimeError("a library has begun a thread that would stay outside the walls")
    limits.gain_nothing()
    files = landlock.confine(readable=[GIVEN, *libraries()], writable=[MADE])
    limits.give_up_rights(user)
    return Ready(files, seccomp.allow_listed_calls())


def libraries() -> Iterator[Path]:
    """Where code and fonts lie: of this project its package alone, for its root has the configuration."""
    package = Path(internal.__path__[0]).resolve()
    installed = {Path(sysconfig.get_path(kind)).resolve() for kind in ("purelib", "platlib")}
    yield package
    for folder in (Path(entry).resolve() for entry in sys.path if entry):
        if folder != package.parent or folder in installed:
            yield folder
    yield Path(sys.base_prefix, "lib")
    for system in ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/etc/ld.so.cache"):
        yield Path(system)


def _private_streams() -> tuple[BinaryIO, BinaryIO]:
    """The protocol's two ends. Descriptor 1 becomes stderr, so that a library that prints can't garble what we say."""
    reader, writer = os.fdopen(os.dup(0), "rb", buffering=0), os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    return reader, writer


def _render(grammar: Grammar, job: RenderJob) -> Reply:
    try:
        return Done(render(job, grammar.parse(job.pipeline), MADE))
    except MemoryError:
        return Refused(DecoderOutOfMemory.code, DecoderOutOfMemory().detail, fatal=True)
    except ServiceError as error:
        position = error.position if isinstance(error, InvalidProcessing) else None
        return Refused(error.code, plain(error.detail), position, fatal=isinstance(error, DecoderOutOfMemory))


def _next_job(reader: BinaryIO) -> RenderJob | None:
    """The next job, or None when the parent has closed its end."""
    if not select.select([reader], [], [], IDLE_SECONDS)[0]:
        limits.give_memory_back()
    prefix = _exactly(reader, PREFIX)
    return job_from(_exactly(reader, int.from_bytes(prefix, "big"))) if prefix else None


def _exactly(reader: BinaryIO, length: int) -> bytes:
    """So many bytes, or none at the end of the stream."""
    read = b""
    while len(read) < length:
        more = reader.read(length - len(read))
        if not more:
            return b""
        read += more
    return read


def _send(writer: BinaryIO, message: Reply) -> None:
    data = memoryview(packed(message))
    while data:
        data = data[writer.write(data) :]


if __name__ == "__main__":
    main()
