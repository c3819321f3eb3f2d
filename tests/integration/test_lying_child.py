"""A compromised child lies in its replies: none is believed, and the next picture is not affected (G7)."""

import asyncio
import hashlib
import os
import sys
from pathlib import Path

import msgspec
import psutil  # type: ignore[import-untyped]
import pytest

from internal.domain.errors import DecoderFailed, DecoderOutOfMemory, DecoderTimeout, ServiceError
from internal.domain.status import Status
from internal.rendering.output_file import OutputFile
from internal.sandbox.pool import open_pool
from internal.sandbox.protocol import sanitize_detail
from tests import pictures
from tests.integration.lying_child import RESULT
from tests.integration.sandbox_bench import LIMITS, bench, eventually
from tests.integration.service import Service

LIES = [
    "not accepted",
    *(f"file:{made}" for made in ("missing", "pipe", "link", "another name", "folder", "device")),
    *("size:limit", "size:1", "size:-1", "pixels:many"),
    *("alternative:image/webp", "facts:unasked"),
    *(f"seconds:{name}:{value}" for name in ("seconds", "cpu_seconds") for value in ("nan", "inf", "-inf", "-1", "1e300", "60")),
    *("reply:long", "reply:endless", "reply:nonsense"),
    *(f"encoded:width:{value}" for value in ("0", "-1", "2**20 + 1", "2**63", "1.5", "'1'", "None", "True")),
    *("encoded:height:0", "encoded:frames:0", "encoded:frames:2**20 + 1"),
    *("encoded:size:0", "encoded:size:-1", "encoded:size:2**62"),
    *(f"encoded:content_type:{value}" for value in ("'text/html'", "'image/jpeg\\n'", "'image/jpeg\\0'", "'a' * 60000")),
    *(f"refused:detail:{value}" for value in ("'a\\0b'", "'a\\nb'", "'a\\n'", "'\\x1b[2J'", "'\\u202e'", "'\\x9b'")),
    *(f"refused:detail:{value}" for value in ("'a' * 1001", "'a' * 60000", "''", "7", "None")),
    *(f"refused:code:{value}" for value in ("'invalid_image\\n'", "'INVALID'", "'a' * 65", "''", "None")),
    *("refused:position:-1", "refused:position:2**40", "refused:fatal:'no'"),
]
FACTS = [
    *("dominant_colour:#00ff00\n", "dominant_colour:red"),
    *("thumbhash:abcd\n", "thumbhash:a b", f"thumbhash:{'a' * 65}", "width:0"),
]


@pytest.fixture(autouse=True)
def liar(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Start children that tell this lie."""
    program = tmp_path / "python"
    told = request.node.callspec.params.get("lie", "truth") if hasattr(request.node, "callspec") else "truth"
    (tmp_path / "lie").write_text(told)
    script = Path(__file__).with_name("lying_child.py")
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -P {script} "$(cat {tmp_path / "lie"}; printf .)"\n')
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    monkeypatch.setattr("internal.sandbox.decoder.child_user", os.geteuid)  # it does not change its user, as a child would
    monkeypatch.setattr("internal.sandbox.decoder._DYING_SECONDS", 0.05)  # it talks nonsense and lives on


async def _death(folder: Path, *, want_facts: bool = False, **limits: float) -> ServiceError:
    async with bench(folder, wall_seconds=20, **limits) as under_test:
        children = under_test.pool.pids
        job = under_test.job(pictures.jpeg(64, 48), limits=msgspec.structs.replace(LIMITS, max_output_bytes=1000))
        job = msgspec.structs.replace(job, want_facts=want_facts)
        with pytest.raises(ServiceError) as death:
            await under_test.pool.render(job)
        assert not job.target.exists()
        assert not job.target.is_symlink()
        (folder / "lie").write_text("truth")

        await under_test.pool.render(job)

        assert under_test.pool.pids != children
    return death.value


@pytest.mark.parametrize("lie", LIES)
async def test_a_lie_is_not_believed(lie: str, tmp_path: Path) -> None:
    death = await _death(tmp_path)

    assert type(death) is DecoderFailed
    assert death.detail == sanitize_detail(death.detail)


@pytest.mark.parametrize("lie", [f"facts:{fact}" for fact in FACTS])
async def test_facts_are_bounded(lie: str, tmp_path: Path) -> None:
    assert type(await _death(tmp_path, want_facts=True)) is DecoderFailed


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")
@pytest.mark.parametrize("lie", ["file:another owner"])
async def test_a_file_of_somebody_else_is_not_taken(lie: str, tmp_path: Path) -> None:
    assert type(await _death(tmp_path)) is DecoderFailed


MISUSE = {
    "take:threads": (DecoderFailed, "threads"),
    "take:processor": (DecoderTimeout, "1 seconds of CPU"),
    "take:files": (DecoderFailed, "files"),
    "take:memory": (DecoderOutOfMemory, "memory limit"),
}


@pytest.mark.parametrize("lie", MISUSE)
async def test_what_a_child_takes_beside_its_limits_ends_it(lie: str, tmp_path: Path) -> None:
    """It blocks SIGXCPU and never answers. As root, it has no limit of threads."""
    death = await _death(tmp_path, cpu_seconds=1, memory_bytes=2**28)

    error, word = MISUSE[lie]
    assert type(death) is error
    assert word in death.detail


def has_ended(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


@pytest.mark.parametrize("lie", ["rest:processor"])
async def test_a_child_that_goes_on_after_its_picture_is_ended(lie: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("internal.sandbox.monitor.IDLE_CHECK_SECONDS", 0.2)
    async with bench(tmp_path) as under_test:
        (child,) = under_test.pool.pids
        await under_test.pool.render(under_test.job(pictures.jpeg(64, 48)))

        await eventually(lambda: has_ended(child))


async def test_the_row_carries_the_hash_of_what_was_stored(service: Service, tmp_path: Path) -> None:
    """The child reports ffff…; a hash in its reply is ignored."""
    async with open_pool(
        size=1, memory_bytes=2**30, cpu_seconds=5, wall_seconds=10, max_pictures=9, scratch=tmp_path / "scratch"
    ) as sandbox:
        image = await service.with_worker(sandbox=sandbox).process(await service.upload(pictures.jpeg(64, 48)))

    result = image.renditions[0].result
    assert image.status == Status.PROCESSED
    assert result is not None
    async with service.store.get(result.key) as opened:
        stored = b"".join([chunk async for chunk in opened.chunks])
    assert stored == RESULT
    assert (result.sha256, result.size) == (hashlib.sha256(stored).hexdigest(), len(stored))


async def _read(made: OutputFile) -> bytes:
    return b"".join([chunk async for chunk in made.chunks()])


async def test_what_grows_while_it_is_stored_is_cut_at_its_size(tmp_path: Path) -> None:
    file = tmp_path / "made"
    file.write_bytes(b"1234567890")
    made = OutputFile(file, 4)

    assert await _read(made) == b"1234"
    assert made.sha256 == hashlib.sha256(b"1234").hexdigest()


@pytest.mark.parametrize("bent", ["shorter", "missing", "link", "pipe", "folder"])
async def test_what_is_not_there_while_it_is_stored_is_no_result(bent: str, tmp_path: Path) -> None:
    file = tmp_path / "made"
    match bent:
        case "shorter":
            file.write_bytes(b"123")
        case "link":
            (tmp_path / "other").write_bytes(b"1234")
            file.symlink_to("other")
        case "pipe":
            os.mkfifo(file)
        case "folder":
            file.mkdir()

    with pytest.raises(DecoderFailed):
        await asyncio.wait_for(_read(OutputFile(file, 4)), 5)
