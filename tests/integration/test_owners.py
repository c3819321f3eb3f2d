"""The table of owners."""

import psycopg.errors
import pytest
from msgspec.structs import replace

from internal.domain.owner import UNLIMITED, Owner
from tests.integration.service import Service


async def test_an_owner_is_as_configured_until_something_is_set(service: Service) -> None:
    assert await service.repository.owners.find("me") is None

    async with service.repository.transaction() as work:
        before = await work.owners.lock("me")
        await work.owners.save(replace(before, weight=2.5, quota_images=0, quota_bytes=UNLIMITED))

    after = await service.repository.owners.find("me")
    assert before == Owner("me", created_at=before.created_at, updated_at=before.updated_at)
    assert after is not None
    assert (after.weight, after.quota_images, after.quota_bytes, after.quota_queued) == (2.5, 0, UNLIMITED, None)
    assert after.created_at == before.created_at
    assert after.updated_at is not None


async def test_locking_an_owner_again_changes_nothing(service: Service) -> None:
    async with service.repository.transaction() as work:
        await work.owners.save(replace(await work.owners.lock("me"), weight=3))

    async with service.repository.transaction() as work:
        assert (await work.owners.lock("me")).weight == 3


async def test_a_weight_is_more_than_nothing(service: Service) -> None:
    with pytest.raises(psycopg.errors.CheckViolation):
        async with service.repository.transaction() as work:
            await work.owners.save(replace(await work.owners.lock("me"), weight=0))

    assert await service.repository.owners.find("me") is None
