"""Mutants from upload to their last status, and decoders that can't be started: nothing is stuck, none is blamed (G1, G3, G7)."""

import asyncio
import os
import signal
import sys
from collections import Counter
from pathlib import Path
from uuid import UUID

import msgspec
import pytest

from internal.domain.errors import ImageTooLarge, InvalidImage, UnsupportedMediaType
from internal.domain.image import Image
from internal.domain.rendition import Lane
from internal.domain.status import Status
from internal.domain.tasks import Task
from internal.sandbox.pool import DecoderPool, open_pool
from tests import pictures
from tests.hostile.fuzz import CODES
from tests.hostile.mutants import Mutant, mutant
from tests.integration.service import ORIGIN, Service, cancelled_at_end
from tests.services.waiting import eventually

SEED = 20261121
MUTANTS = 42


async def _ended(service: Service, image_id: UUID) -> Image:
    """Process it until it is final, as often as its tries allow."""
    for _ in range(service.worker.timings.max_attempts):
        for lane in Lane:
            image = await service.process(image_id, lane)
        if image.status in (Status.PROCESSED, Status.FAILED):
            break
        await service.make_due(image_id)
    return image


async def _outcome(service: Service, one: Mutant) -> str:
    try:
        image_id = await service.upload(one.data, one.pipeline)
    except (InvalidImage, ImageTooLarge, UnsupportedMediaType):
        return "refused"
    image = await _ended(service, image_id)
    failure = image.renditions[0].failure
    assert (failure is None) == (image.status == Status.PROCESSED), one.story
    assert failure is None or failure.code in CODES, one.story
    return image.status


async def test_mutants_are_refused_or_end_in_a_final_status(service: Service) -> None:
    outcomes = Counter([await _outcome(service, mutant(SEED, number)) for number in range(MUTANTS)])

    assert outcomes.keys() == {"refused", Status.PROCESSED, Status.FAILED}
    assert await service.keys() & await service.listed() == set()  # no object was left for gc


async def test_a_decoder_that_cannot_be_started_burns_no_try(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image_id = await service.upload(pictures.jpeg())
    async with open_pool(
        size=1, memory_bytes=2**30, cpu_seconds=10, wall_seconds=20, max_pictures=9, scratch=tmp_path
    ) as sandbox:
        monkeypatch.setattr(sys, "executable", "/bin/false")
        os.kill(sandbox.pids[0], signal.SIGKILL)
        looks = 0

        async def looked() -> None:
            nonlocal looks
            looks += 1
            await DecoderPool.check(sandbox)

        monkeypatch.setattr(sandbox, "check", looked)
        worker = msgspec.structs.replace(service.worker, sandbox=sandbox)
        working = asyncio.create_task(worker.process(Task(image_id, Lane.FAST), ORIGIN))
        async with cancelled_at_end(working):
            await eventually(lambda: looks > 2)  # it waits for the sandbox, and takes nothing else meanwhile
            rendition = await service.rendition(image_id)
            assert (rendition.status, rendition.generation, rendition.attempts) == (Status.UPLOADED, 1, 0)
            monkeypatch.undo()
            await asyncio.wait_for(working, 60)

    rendition = await service.rendition(image_id)
    assert (rendition.status, rendition.generation, rendition.attempts) == (Status.PROCESSED, 2, 1)
