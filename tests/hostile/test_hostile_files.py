"""Hostile files under the default limits of config/default.yaml: refused on upload, or failed in a decoder, and cheaply.

Time is not measured: decoders have ten seconds of CPU time, so a more expensive file would end with another code.
"""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from internal.domain.errors import ServiceError
from internal.intake.inspect import Inspection
from internal.ports.sandbox import RenderJob
from internal.runtime.project import PROJECT
from internal.sandbox.pool import DecoderPool, open_pool
from internal.settings.loader import load_settings
from internal.settings.sections import Settings
from internal.wiring.api import upload_policy
from internal.wiring.worker import render_limits
from tests import pictures
from tests.hostile.cases import MADE, NO_PICTURES, PICTURES, TAKEN, Hostile
from tests.hostile.files import PHP
from tests.integration.sandbox_bench import proc_file

CPU_SECONDS = 10
"""More than ten times the most expensive file, so that none fails on a slow machine."""
RESIDENT_BYTES = 256 * 2**20
"""Memory that no hostile file exceeds. The limit of the address space is eight times as high."""


def _told(case: Hostile) -> str:
    return f"{case.media_type} {case.name}"


@pytest.fixture(scope="module")
def defaults(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Settings]:
    """The default settings, without and with AVIF."""
    folder = tmp_path_factory.mktemp("config")
    shutil.copy(PROJECT / "config" / "default.yaml", folder)
    return {heif: load_settings({"HEIF_INPUT": str(heif).lower()}, folder) for heif in (False, True)}


@pytest.fixture(scope="module")
async def pools(
    defaults: dict[bool, Settings], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[dict[bool, DecoderPool]]:
    """Two decoders, and one that allows AVIF."""
    settings: dict[str, Any] = {
        "memory_bytes": defaults[False].sandbox.memory_bytes,
        "cpu_seconds": CPU_SECONDS,
        "wall_seconds": 120,
        "max_pictures": 1000,
        "scratch": tmp_path_factory.mktemp("scratch"),
    }
    async with open_pool(size=2, **settings) as plain, open_pool(size=1, heif_input=True, **settings) as heif:
        yield {False: plain, True: heif}


async def _outcome_of_upload(data: bytes, settings: Settings) -> str:
    async def arriving() -> AsyncIterator[bytes]:
        for start in range(0, len(data), 65536):
            yield data[start : start + 65536]

    inspection = Inspection(arriving(), upload_policy(settings))
    try:
        await inspection.read_head()
        async for _ in inspection.chunks():
            pass
    except ServiceError as error:
        return error.code
    return TAKEN


@pytest.mark.parametrize("case", [*PICTURES, *NO_PICTURES[::5]], ids=_told)
async def test_the_upload_gets_size_and_frames(case: Hostile, defaults: dict[bool, Settings]) -> None:
    assert await _outcome_of_upload(case.make(), defaults[case.heif]) == case.upload


async def _outcome(pool: DecoderPool, job: RenderJob) -> str:
    try:
        rendered = await pool.render(job)
    except ServiceError as error:
        assert not job.target.exists()
        return error.code
    assert rendered.result.size == job.target.stat().st_size
    return MADE


@pytest.mark.parametrize("case", [*PICTURES, *NO_PICTURES], ids=_told)
async def test_the_outcome_in_a_decoder(
    case: Hostile, defaults: dict[bool, Settings], pools: dict[bool, DecoderPool], tmp_path: Path
) -> None:
    pool, limits = pools[case.heif], render_limits(defaults[case.heif])
    children = pool.pids
    good, bad = tmp_path / "good", tmp_path / "bad"
    good.write_bytes(pictures.jpeg())
    bad.write_bytes(case.make())
    job = RenderJob(bad, tmp_path / "made", case.chain, case.media_type, limits)
    neighbours = [RenderJob(good, tmp_path / name, "resize:20x20", "image/jpeg", limits) for name in ("beside", "next")]

    outcome, beside = await asyncio.gather(_outcome(pool, job), _outcome(pool, neighbours[0]))

    assert outcome == case.sandbox
    assert beside == await _outcome(pool, neighbours[1]) == MADE
    assert sorted(pool.pids) == sorted(children)
    for child in children:
        state = dict(line.split(":\t") for line in proc_file(child, "status").splitlines() if line.startswith("Vm"))
        assert int(state["VmHWM"].split()[0]) * 1024 < RESIDENT_BYTES
        assert int(state["VmPeak"].split()[0]) * 1024 <= defaults[False].sandbox.memory_bytes
    if outcome == MADE:
        assert PHP not in job.target.read_bytes()


async def test_a_page_of_php_with_the_head_of_a_gif(defaults: dict[bool, Settings]) -> None:
    """Its letters read as a size; in any case it is refused."""
    assert await _outcome_of_upload(b"GIF89a" + PHP, defaults[False]) in ("invalid_image", "image_too_large")
