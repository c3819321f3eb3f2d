"""A decoder process: `python -m internal.sandbox.child HEIF USER`, which the pool starts in its own folder.

It confines itself before it reads the first job: job_directory.py says which files it can reach; privileges.py, landlock.py and
seccomp.py take away everything else. Its parent limits its resources (process_limits.py). It speaks the protocol on stdin and
stdout, renders one picture at a time, and has no secrets. It ends when stdin ends.
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
from internal.sandbox import landlock, privileges, seccomp
from internal.sandbox.protocol import (
    GO,
    PREFIX,
    Accepted,
    Done,
    Ready,
    RenderRefused,
    Reply,
    decode_job,
    encode_message,
    sanitize_detail,
)

IDLE_SECONDS = 1.0
"""Idle time after which memory is returned to the system."""
_MAX_CANONICAL = 2**20
OUTPUT, INPUT = Path(), Path("../input")
"""The child's folders, relative to its working directory (job_directory.py)."""


def main() -> None:
    heif_input, user = sys.argv[1] == "1", int(sys.argv[2])
    reader, writer = _private_streams()
    restrict_libvips(heif=True) if heif_input else restrict_libvips()
    grammar = Grammar(presets={}, max_operations=_MAX_CANONICAL, max_text=_MAX_CANONICAL)
    known_operations()  # plug-ins load libraries, and the confined process can't load code
    if user != os.geteuid():
        load_fonts()  # other users may not read root's libraries; tests/hostile/test_late_imports.py: only fonts are loaded late
    if not _read_exactly(reader, len(GO)):
        return
    try:
        _send(writer, confine_process(user))
    except OSError as error:
        detail = sanitize_detail(f"it can't drop its privileges ({error})")
        _send(writer, RenderRefused(SandboxUnavailable.code, detail, fatal=True))
        return
    while job := _next_job(reader):
        os.ftruncate(sys.stderr.fileno(), 0)  # messages of libraries are kept for one picture only
        _send(writer, Accepted())
        reply = _render(grammar, job)
        _send(writer, reply)
        if isinstance(reply, RenderRefused) and reply.fatal:
            return


def confine_process(user: int) -> Ready:
    """Confine this process permanently: it can read its input, write its output, and do nothing else.

    Root becomes `user`, and from then on reaches its files by relative paths only, because it can't enter the folders above.

    The libraries of Python, of this project and of the system stay readable, because they load some files later (codecs, fonts).
    Call it after everything that needs more rights, and while there is one thread: other threads would not be confined.

    INVARIANT: a child reads only its own input (tests/integration/test_sandbox_confinement.py).
    """
    threads = Path("/proc/self/task")
    if threads.exists() and len(list(threads.iterdir())) > 1:
        raise RuntimeError("a library has started a thread, which would not be confined")
    privileges.set_no_new_privileges()
    files = landlock.confine(readable=[INPUT, *libraries()], writable=[OUTPUT])
    privileges.drop_privileges(user)
    return Ready(files, seccomp.allow_listed_calls())


def libraries() -> Iterator[Path]:
    """Yield the folders of code and fonts. Of this project only the package, because its root has the configuration."""
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
    """Return the protocol's streams. Descriptor 1 becomes stderr, so that printing libraries can't corrupt the protocol."""
    reader, writer = os.fdopen(os.dup(0), "rb", buffering=0), os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    return reader, writer


def _render(grammar: Grammar, job: RenderJob) -> Reply:
    try:
        return Done(render(job, grammar.parse(job.pipeline), OUTPUT))
    except MemoryError:
        return RenderRefused(DecoderOutOfMemory.code, DecoderOutOfMemory().detail, fatal=True)
    except ServiceError as error:
        position = error.position if isinstance(error, InvalidProcessing) else None
        return RenderRefused(error.code, sanitize_detail(error.detail), position, fatal=isinstance(error, DecoderOutOfMemory))


def _next_job(reader: BinaryIO) -> RenderJob | None:
    """Read the next job; None if the parent has closed its end."""
    if not select.select([reader], [], [], IDLE_SECONDS)[0]:
        privileges.trim_memory()
    prefix = _read_exactly(reader, PREFIX)
    return decode_job(_read_exactly(reader, int.from_bytes(prefix, "big"))) if prefix else None


def _read_exactly(reader: BinaryIO, length: int) -> bytes:
    """Read `length` bytes, or return no bytes at the end of the stream."""
    read = b""
    while len(read) < length:
        more = reader.read(length - len(read))
        if not more:
            return b""
        read += more
    return read


def _send(writer: BinaryIO, message: Reply) -> None:
    data = memoryview(encode_message(message))
    while data:
        data = data[writer.write(data) :]


if __name__ == "__main__":
    main()
