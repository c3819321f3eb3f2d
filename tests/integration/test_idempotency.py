"""Idempotency-Key: one image for one key, whatever happens in between."""

import asyncio

import pytest

from internal.errors import IdempotencyConflict, IdempotencyInProgress, InvalidProcessing
from internal.images.model import ANONYMOUS, new_id
from internal.images.upload import ROUTE
from tests import pictures
from tests.integration.service import Service


async def test_the_same_request_again_is_the_same_image(service: Service) -> None:
    data = pictures.jpeg()

    first = await service.upload(data, "resize:20x20", key="k")
    again = await service.upload(data, " resize:20x20,enlarge=false", key="k")  # another text, the same chain

    assert first == again
    assert await service.count("images") == 1
    assert len(await service.keys()) == 1


async def test_another_request_with_the_same_key_is_a_conflict(service: Service) -> None:
    await service.upload(pictures.jpeg(), "resize:20x20", key="k")

    for data, processing in ((pictures.png(), "resize:20x20"), (pictures.jpeg(), "resize:21x21")):
        with pytest.raises(IdempotencyConflict):
            await service.upload(data, processing, key="k")
    assert await service.count("images") == 1


async def test_a_key_in_flight_is_refused_and_makes_one_image(service: Service) -> None:
    outcomes = await asyncio.gather(*(service.upload(pictures.jpeg(), key="k") for _ in range(8)), return_exceptions=True)

    made = {outcome for outcome in outcomes if not isinstance(outcome, BaseException)}
    assert len(made) == 1
    assert all(isinstance(outcome, IdempotencyInProgress) for outcome in outcomes if isinstance(outcome, BaseException))
    assert await service.count("images") == 1


async def test_a_failed_request_gives_its_key_back(service: Service) -> None:
    with pytest.raises(InvalidProcessing):
        await service.upload(pictures.jpeg(), "resize:0x0", key="k")

    await service.upload(pictures.jpeg(), "resize:20x20", key="k")


async def test_a_dead_requests_key_is_taken_over_when_its_lease_runs_out(service: Service) -> None:
    keys = service.repository.idempotency
    assert await keys.begin(ANONYMOUS, ROUTE, "k", holder=new_id(), lease_seconds=60) is None
    with pytest.raises(IdempotencyInProgress):
        await service.upload(pictures.jpeg(), key="k")
    await service.session.run("UPDATE idempotency_keys SET lease_until = now() - interval '1 s'")

    await service.upload(pictures.jpeg(), key="k")


async def test_keys_of_other_owners_do_not_meet(service: Service) -> None:
    keys = service.repository.idempotency
    assert await keys.begin("somebody else", ROUTE, "k", holder=new_id(), lease_seconds=60) is None

    await service.upload(pictures.jpeg(), key="k")
