"""Idempotency-Key: one image for one key, whatever happens in between."""

import asyncio

import pytest

from internal.domain.errors import IdempotencyConflict, IdempotencyInProgress, InvalidProcessing
from internal.domain.identity import ANONYMOUS
from internal.domain.ids import new_id
from internal.intake.multipart import ROUTE
from tests import pictures
from tests.integration.housekeeping import housekeeping
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
    assert await keys.begin(ANONYMOUS, ROUTE, "k", lock_id=new_id(), lease_seconds=60) is None
    with pytest.raises(IdempotencyInProgress):
        await service.upload(pictures.jpeg(), key="k")
    await service.session.run("UPDATE idempotency_keys SET lease_until = now() - interval '1 s'")

    await service.upload(pictures.jpeg(), key="k")


async def test_what_comes_of_a_key_that_was_taken_over_is_kept_as_long_as_any_other(service: Service) -> None:
    """The first request died a day ago, and its retry is young."""
    keys = service.repository.idempotency
    assert await keys.begin(ANONYMOUS, ROUTE, "k", lock_id=new_id(), lease_seconds=60) is None
    await service.session.run(
        "UPDATE idempotency_keys SET created_at = now() - interval '25 h', lease_until = now() - interval '25 h'"
    )
    image_id = await service.upload(pictures.jpeg(), key="k")
    await service.session.run("UPDATE idempotency_keys SET lease_until = now() - interval '1 s'")

    await housekeeping(service.worker).cleanup()

    assert await service.upload(pictures.jpeg(), key="k") == image_id


async def test_old_keys_are_dropped_as_many_as_asked_and_those_in_flight_never(service: Service) -> None:
    keys = service.repository.idempotency
    for key in ("a", "b", "c", "d", "in flight", "young"):
        await keys.begin(ANONYMOUS, ROUTE, key, lock_id=new_id(), lease_seconds=60)
    await service.session.run("UPDATE idempotency_keys SET created_at = now() - interval '1 h' WHERE key <> 'young'")
    await service.session.run("UPDATE idempotency_keys SET lease_until = now() - interval '1 s' WHERE key <> 'in flight'")

    async with service.repository.transaction() as other:
        assert await other.idempotency.purge(older_seconds=1800, limit=2) == 2
        assert await keys.purge(older_seconds=1800, limit=10) == 2  # it does not wait for the other's

    assert await keys.purge(older_seconds=1800, limit=10) == 0
    left = {row["key"] for row in await service.session.rows("SELECT key FROM idempotency_keys")}
    assert left == {"in flight", "young"}


async def test_keys_of_other_owners_do_not_meet(service: Service) -> None:
    keys = service.repository.idempotency
    assert await keys.begin("somebody else", ROUTE, "k", lock_id=new_id(), lease_seconds=60) is None

    await service.upload(pictures.jpeg(), key="k")
