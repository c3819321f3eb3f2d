"""Lists the system calls of a sandboxed decoder: `make calls`. It needs strace (Debian: strace).

The golden pictures, the hostile files and CALLS_MUTANTS (300) mutants run in the sandbox under strace. The output is the basis of
the table in internal/sandbox/system_calls.py: each call, its count, its relevant flags, and whether the filter refused it.
"""

import asyncio
import os
import re
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from internal.domain.errors import ServiceError
from internal.pipeline.language.grammar import Grammar
from internal.ports.sandbox import Overlay, RenderJob
from internal.sandbox.pool import DecoderPool, open_pool
from tests.golden.cases import LIMITS, cases, postcard
from tests.hostile.cases import NO_PICTURES, PICTURES
from tests.hostile.mutants import mutant

_CALL = re.compile(r"^\d+\s+(?:<\.\.\. )?(\w+)(?:\((.*)| resumed)")
_FLAGS = {"mmap": r"PROT_[A-Z_|]+, MAP_[A-Z_|]+", "mprotect": r"PROT_[A-Z_|]+", "madvise": r"MADV_\w+", "prctl": r"^\w+",
          "fcntl": r"F_\w+", "ioctl": r"[A-Z]\w+", "openat": r"O_[A-Z_|]+", "futex": r"FUTEX_\w+", "clone": r"CLONE_[A-Z_|]+",
          "rt_sigaction": r"^SIG\w+", "prlimit64": r"^\d+, RLIMIT_\w+, \w+", "clone3": r"CLONE_[A-Z_|]+", "socket": r"AF_\w+",
          "lseek": r"SEEK_\w+", "clock_gettime": r"CLOCK_\w+"}  # fmt: skip


def main() -> None:
    strace = shutil.which("strace")
    if strace is None:
        sys.exit("There is no strace. Debian's package is called strace.")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        program = folder / "python"
        program.write_text(f'#!/bin/sh\nexec {strace} -f -qq -s 32 -o {folder}/calls-$$ -- {sys.executable} "$@"\n')
        program.chmod(0o755)
        sys.executable = str(program)
        asyncio.run(_render_all(folder))
        counts = Counter(call for file in folder.glob("calls-*") for call in _calls(file))
    for call, times in sorted(counts.items()):
        print(f"{times:8}  {call}")


async def _render_all(folder: Path) -> None:
    overlay = folder / "overlay"
    overlay.write_bytes(bytes(postcard().crop(70, 8, 40, 40).pngsave_buffer()))
    options: dict[str, Any] = {"memory_bytes": 2**31, "cpu_seconds": 600, "wall_seconds": 600, "max_pictures": 10**6}
    async with open_pool(size=2, scratch=folder / "scratch", heif_input=True, **options) as pool:
        jobs = _jobs(folder, overlay)
        await asyncio.gather(*(_render(pool, jobs) for _ in range(2)))


async def _render(pool: DecoderPool, jobs: Iterator[RenderJob]) -> None:
    for job in jobs:
        try:
            await pool.render(job)
        except ServiceError as error:
            print(error.code, error.detail, file=sys.stderr)
        job.source.unlink()
        job.target.unlink(missing_ok=True)


def _jobs(folder: Path, overlay: Path) -> Iterator[RenderJob]:
    for number, (data, media_type, chain) in enumerate(_pictures()):
        source, target = folder / f"source-{number}", folder / f"target-{number}"
        source.write_bytes(data)
        parsed = Grammar().parse(chain)
        overlays = {reference: Overlay(overlay, "image/png") for reference in parsed.references}
        yield RenderJob(source, target, parsed.canonical, media_type, LIMITS, overlays=overlays, want_facts=True)


def _pictures() -> Iterator[tuple[bytes, str, str]]:
    for case in cases():
        yield case.source(), case.media_type, case.chain
    for hostile in [*PICTURES, *NO_PICTURES]:
        if "million" not in hostile.name:  # under strace they would take minutes
            yield hostile.make(), hostile.media_type, hostile.chain
    for number in range(int(os.environ.get("CALLS_MUTANTS") or 300)):
        one = mutant(1, number)
        yield one.data, one.media_type, one.pipeline


def _calls(file: Path) -> Iterator[str]:
    """The calls after the filter was installed."""
    behind = False
    with file.open(errors="replace") as lines:
        for line in lines:
            if behind and (found := _CALL.match(line)):
                name, arguments = found.groups()
                flags = re.search(_FLAGS[name], arguments or "") if name in _FLAGS else None
                refused = " refused" if re.search(r"= -1 E(PERM|NOSYS|NOTTY)", line) else ""
                if not (name in _FLAGS and arguments is None):
                    yield f"{name}{f' {flags[0]}' if flags else ''}{refused}"
            behind = behind or "PR_SET_SECCOMP" in line


if __name__ == "__main__":
    main()
