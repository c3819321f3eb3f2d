"""Ends of an attempt that are found only when they are written: the table is asked again (G2, G3)."""

from typing import Any

import pytest

from internal.domain.errors import DatabaseUnavailable, DecoderFailed
from internal.domain.status import Status
from internal.rendering.transitions import Outcome
from tests import pictures
from tests.integration.service import ORIGIN, Service


async def test_a_result_that_can_not_be_written_is_a_failure_of_ours(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    claim = await service.claim(await service.upload(pictures.jpeg()))
    result = await service.make(claim)

    async def broken(*_: Any, **__: Any) -> bool:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr("internal.repository.renditions.PostgresRenditions.finish", broken)
    ended = await service.worker.transitions.finish(claim, result, ORIGIN)

    assert (ended.outcome, str(ended.end)) == (Outcome.POSTPONED, "a fault of ours")
    rendition = await service.rendition(claim.image_id)
    assert (rendition.status, rendition.attempts) == (Status.UPLOADED, 1)


async def test_a_result_of_a_stale_claim_is_lost(service: Service) -> None:
    claim = await service.claim(await service.upload(pictures.jpeg()))
    result = await service.make(claim)
    await service.delete(claim.image_id)

    ended = await service.worker.transitions.finish(claim, result, ORIGIN)

    assert ended.outcome is Outcome.LOST
    assert claim.result_key in await service.listed()


@pytest.mark.parametrize("table", ["finish", "postpone"])
async def test_an_outage_at_the_end_pauses(service: Service, monkeypatch: pytest.MonkeyPatch, table: str) -> None:
    claim = await service.claim(await service.upload(pictures.jpeg()))
    end = await service.make(claim) if table == "finish" else DecoderFailed()

    async def away(*_: Any, **__: Any) -> bool:
        raise DatabaseUnavailable

    with monkeypatch.context() as outage:
        outage.setattr(f"internal.repository.renditions.PostgresRenditions.{table}", away)
        ended = await service.worker.transitions.finish(claim, end, ORIGIN)

    assert (ended.outcome, ended.written) == (Outcome.PAUSED, False)
    assert (await service.rendition(claim.image_id)).status == Status.PROCESSING
    assert await service.worker.transitions.release(claim)
    assert (await service.rendition(claim.image_id)).attempts == 0


async def test_a_failure_that_can_not_be_written_says_both_errors(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    claim = await service.claim(await service.upload(pictures.jpeg()))
    failure = DecoderFailed()

    async def broken(*_: Any, **__: Any) -> bool:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr("internal.repository.renditions.PostgresRenditions.postpone", broken)
    with pytest.raises(RuntimeError, match="a fault of ours") as raised:
        await service.worker.transitions.finish(claim, failure, ORIGIN)

    assert raised.value.__cause__ is failure
