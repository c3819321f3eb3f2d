"""The table of API keys, and what admins do with it."""

from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial
from uuid import uuid4

import pytest

from internal.domain.api_key import hash_of, is_well_formed, prefix_of
from internal.domain.errors import InvalidRequest, NotFound
from internal.domain.identity import Scope
from internal.identity.keys import create_key, revoke_key
from internal.postgres.listener import Listener
from tests.integration.service import Service
from tests.services.waiting import eventually

ACTOR = "imagectl:me"


async def test_a_key_is_stored_without_its_secret(service: Service) -> None:
    key, secret = await create_key(
        service.repository,
        ACTOR,
        owner="shop",
        scopes=["images:write", "images:read", "images:write"],
        name="backend",
        expires_in=90,
    )

    assert is_well_formed(secret)
    assert (key.owner, key.name, key.scopes) == ("shop", "backend", (Scope.READ, Scope.WRITE))
    assert (key.prefix, key.last_used_at, key.revoked_at) == (secret[:13], None, None)
    assert key.expires_at == key.created_at + timedelta(seconds=90)
    [row] = await service.session.rows("SELECT *, api_keys::text AS whole FROM api_keys")
    assert bytes(row["hash"]) == hash_of(secret)
    assert secret[13:] not in row["whole"]
    assert await service.repository.api_keys.page(limit=9) == (key,)
    [entry] = await service.repository.audit.page(limit=9)
    assert (entry.actor, entry.action, entry.target) == (ACTOR, "key.created", str(key.id))
    assert entry.details == {"owner": "shop", "scopes": ["images:read", "images:write"], "name": "backend", "expires_in": 90}


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"scopes": []}, "at least one scope: images:read, images:write, images:admin"),
        ({"scopes": ["images:read", "images:all"]}, "no scope 'images:all'. There are: images:read, images:write, images:admin"),
        ({"owner": ""}, "1 to 200 printable characters"),
        ({"owner": "a" * 201}, "1 to 200 printable characters"),
        ({"owner": "a\x00b"}, "1 to 200 printable characters"),
        ({"name": "a\nb"}, "at most 200 printable characters"),
        ({"name": "a" * 201}, "at most 200 printable characters"),
        ({"expires_in": 0}, "after 1 second to 100 years"),
        ({"expires_in": -1}, "after 1 second to 100 years"),
        ({"expires_in": 10**12}, "after 1 second to 100 years"),
    ],
)
async def test_a_key_that_makes_no_sense_is_refused(service: Service, wrong: dict[str, object], told: str) -> None:
    with pytest.raises(InvalidRequest, match=told):
        await create_key(service.repository, ACTOR, **{"owner": "shop", "scopes": ["images:read"], **wrong})  # type: ignore[arg-type]
    assert [await service.count(table) for table in ("api_keys", "audit_entries")] == [0, 0]


async def test_keys_are_listed_newest_first_and_by_owner(service: Service) -> None:
    made = [(await create_key(service.repository, ACTOR, owner=owner, scopes=["images:read"]))[0] for owner in ("a", "b", "a")]
    page = service.repository.api_keys.page

    assert await page(limit=2) == (made[2], made[1])
    assert await page(limit=2, before=made[1].id) == (made[0],)
    assert await page(limit=9, owner="a") == (made[2], made[0])
    assert await page(limit=9, owner="a", before=made[2].id) == (made[0],)


@pytest.fixture
async def heard(service: Service, listener: Listener) -> AsyncIterator[list[str]]:
    """The prefixes that are signalled. The listener listens already."""
    prefixes: list[str] = []
    with listener.subscribed("api_key", prefixes.append):
        await eventually(partial(_signal_arrives, service, prefixes))
        prefixes.clear()
        yield prefixes


async def _signal_arrives(service: Service, prefixes: list[str]) -> bool:
    await service.session.run("SELECT pg_notify('api_key', 'the end')")
    return "the end" in prefixes


async def test_a_key_is_revoked_once(service: Service, heard: list[str]) -> None:
    key, _ = await create_key(service.repository, ACTOR, owner="shop", scopes=["images:read"], name="backend")

    revoked = await revoke_key(service.repository, "key:1", key.id)
    again = await revoke_key(service.repository, "key:2", key.id)

    assert revoked.revoked_at is not None
    assert again == revoked
    assert await service.repository.api_keys.page(limit=9) == (revoked,)
    entry, _ = await service.repository.audit.page(limit=9)
    assert (entry.actor, entry.action, entry.target) == ("key:1", "key.revoked", str(key.id))
    assert entry.details == {"owner": "shop", "name": "backend"}
    with pytest.raises(NotFound, match="no such key"):
        await revoke_key(service.repository, ACTOR, uuid4())
    assert await service.count("audit_entries") == 2
    await eventually(partial(_signal_arrives, service, heard))
    assert set(heard) == {key.prefix, "the end"}
    assert heard.count(key.prefix) == 1


async def test_a_failed_audit_entry_leaves_no_key_and_revokes_none(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    key, _ = await create_key(service.repository, ACTOR, owner="shop", scopes=["images:read"])
    monkeypatch.setattr("internal.repository.audit.ADD_AUDIT_ENTRY", "SELECT 1 / 0")

    with pytest.raises(Exception, match="division by zero"):
        await create_key(service.repository, ACTOR, owner="shop", scopes=["images:read"])
    with pytest.raises(Exception, match="division by zero"):
        await revoke_key(service.repository, ACTOR, key.id)

    assert await service.repository.api_keys.page(limit=9) == (key,)


async def test_a_use_is_recorded_at_most_once_a_minute(service: Service) -> None:
    keys = service.repository.api_keys
    key, secret = await create_key(service.repository, ACTOR, owner="shop", scopes=["images:read"])

    async def used() -> object:
        found = await keys.find(key.id)
        assert found is not None
        return found.last_used_at

    async def due() -> bool:
        [stored] = await keys.look_up([prefix_of(secret)])
        return stored.use_due

    assert await due()
    await keys.record_use([key.id, uuid4()])
    first = await used()
    assert first is not None
    await keys.record_use([key.id])
    assert (await used(), await due()) == (first, False)
    await service.session.run("UPDATE api_keys SET last_used_at = now() - interval '61 s'")
    assert await due()
    await keys.record_use([key.id])
    assert await used() > first  # type: ignore[operator]
