"""Revoked tokens: the table, and how soon each process knows of a revocation."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from internal.domain.errors import Unauthenticated
from internal.domain.ids import new_id
from internal.domain.revocation import Revocation
from internal.identity.tokens.keys import KeySet, secret_key
from internal.identity.tokens.revoke import revoke
from internal.identity.tokens.revoked import TRUSTED_SECONDS, Revocations, open_revocations
from internal.identity.tokens.verifier import FixedKeys, TokenVerifier
from internal.postgres.listener import Listener
from tests.integration.housekeeping import housekeeping
from tests.integration.service import Service
from tests.services.issuer import SECRET, token
from tests.services.waiting import eventually
from tests.unit.identity.tokens.verifiers import policy

WEEK = 604_800.0


@pytest.fixture(autouse=True)
async def nothing_is_left(service: Service) -> AsyncIterator[None]:
    yield
    await service.session.run("DELETE FROM revoked_tokens")
    await service.session.run("DELETE FROM audit_entries")


async def revoked(service: Service, **fields: Any) -> Revocation:
    return await revoke(service.repository, Revocation(new_id(), **fields), actor="imagectl:me", seconds=WEEK)


async def asked(service: Service, *, jti: str | None = None, owner: str = "alice", issued_at: float | None = None) -> bool:
    return await service.repository.revoked_tokens.is_revoked(jti=jti, owner=owner, issued_at=issued_at)


async def test_one_token_is_revoked_by_its_id(service: Service) -> None:
    stored = await revoked(service, jti="a")

    assert await asked(service, jti="a", issued_at=time.time())
    assert not await asked(service, jti="b", issued_at=time.time())
    assert not await asked(service, jti=None)
    assert stored.created_at is not None
    assert stored.expires_at is not None
    assert abs((stored.expires_at - stored.created_at).total_seconds() - WEEK) < 1


async def test_an_owners_tokens_are_revoked_that_were_issued_before(service: Service) -> None:
    before = datetime.now(UTC) - timedelta(hours=1)
    await revoked(service, owner="alice", issued_before=before)

    assert await asked(service, issued_at=before.timestamp() - 1)
    assert not await asked(service, issued_at=before.timestamp() + 1)
    assert await asked(service, issued_at=None), "a token that does not say when it was issued"
    assert not await asked(service, owner="bob", issued_at=None)


async def test_without_a_time_all_until_now_are_revoked(service: Service) -> None:
    await revoked(service, owner="alice")

    assert await asked(service, issued_at=int(time.time()))
    assert not await asked(service, issued_at=time.time() + 60)


async def test_a_second_revocation_extends_the_first_and_never_shortens_it(service: Service) -> None:
    late, early = datetime.now(UTC), datetime.now(UTC) - timedelta(days=1)
    first = await revoked(service, owner="alice", issued_before=late)
    again = await revoked(service, owner="alice", issued_before=early, expires_at=late + timedelta(hours=1))

    assert (again.id, again.issued_before, again.expires_at) == (first.id, late, first.expires_at)
    table = service.repository.revoked_tokens
    one = await table.latest_change()
    await revoked(service, jti="a")
    two = await table.latest_change()
    await revoked(service, jti="a")
    assert len({one, two, await table.latest_change()}) == 3
    assert len(await table.page(limit=9)) == 2


async def test_revocations_are_listed_newest_first(service: Service) -> None:
    for jti in "abc":
        await revoked(service, jti=jti)
    table = service.repository.revoked_tokens

    first = await table.page(limit=2)
    assert [item.jti for item in first] == ["c", "b"]
    assert [item.jti for item in await table.page(limit=2, before=first[-1].id)] == ["a"]


async def test_each_revocation_is_in_the_audit(service: Service) -> None:
    await revoked(service, jti="a")
    await revoked(service, owner="alice", issued_before=datetime(2026, 11, 30, tzinfo=UTC))

    entries = await service.repository.audit.page(limit=9)
    assert [(entry.actor, entry.action, entry.target) for entry in entries] == [
        ("imagectl:me", "token.revoked", "alice"),
        ("imagectl:me", "token.revoked", "a"),
    ]
    assert entries[0].details["issued_before"].startswith("2026-11-30")


async def test_a_revocation_goes_when_its_tokens_have_expired(service: Service) -> None:
    await revoked(service, jti="gone", expires_at=datetime.now(UTC) - timedelta(seconds=1))
    await revoked(service, jti="stays", expires_at=datetime.now(UTC) + timedelta(hours=1))
    assert not await asked(service, jti="gone")

    await housekeeping(service.worker).cleanup()

    assert [item.jti for item in await service.repository.revoked_tokens.page(limit=9)] == ["stays"]


async def test_revocations_at_once_each_have_a_later_number(service: Service) -> None:
    """A transaction that began first and ends last: its number is the higher one, so nobody misses it."""
    table = service.repository.revoked_tokens
    async with service.repository.transaction() as work:
        await work.revoked_tokens.revoke(Revocation(new_id(), jti="slow"), seconds=WEEK)
        second = asyncio.create_task(revoked(service, jti="quick"))
        await eventually(lambda: waits_for_a_lock(service), 10)
        slow = await work.revoked_tokens.latest_change()
        assert await table.latest_change() is None
    await second
    assert slow is not None
    assert (await table.latest_change() or 0) > slow


async def waits_for_a_lock(service: Service) -> bool:
    [row] = await service.session.rows("SELECT count(*) AS n FROM pg_locks WHERE NOT granted AND mode = 'ShareRowExclusiveLock'")
    return bool(row["n"])


async def verifiers(service: Service, stack: AsyncExitStack, count: int, signals: Listener | None) -> list[TokenVerifier]:
    """Verifiers as several processes have them; without signals each hears of nothing."""
    table, keys = service.repository.revoked_tokens, FixedKeys(KeySet([secret_key(SECRET)]))
    made = []
    for _ in range(count):
        revocations = await stack.enter_async_context(open_revocations(table, signals)) if signals else Revocations(table)
        made.append(TokenVerifier(policy(), keys, revocations))
    return made


@pytest.mark.parametrize("signals", [True, False])
async def test_every_process_refuses_a_revoked_token_within_two_seconds(
    service: Service, listener: Listener, signals: bool
) -> None:
    """Without signals after TRUSTED_SECONDS: tests/unit/identity/tokens/test_revoked.py moves the clock."""
    assert TRUSTED_SECONDS < 2
    text, other = token(jti="a"), token(jti="b", sub="bob")
    async with AsyncExitStack() as stack:
        processes = await verifiers(service, stack, 3, listener if signals else None)
        for process in processes:
            assert (await process.verify(text)).owner == "alice"
            assert (await process.verify(other)).owner == "bob"

        await revoked(service, jti="a")
        for process in processes:
            await eventually(lambda process=process: is_refused(process, text), 10)  # type: ignore[misc]
        for process in processes:
            assert (await process.verify(other)).owner == "bob"

        await revoked(service, owner="bob")
        for process in processes:
            await eventually(lambda process=process: is_refused(process, other), 10)  # type: ignore[misc]
            assert (await process.verify(token(jti="c", sub="bob", iat=int(time.time()) + 5))).owner == "bob"


async def is_refused(verifier: TokenVerifier, text: str) -> bool:
    try:
        await verifier.verify(text)
    except Unauthenticated as error:
        return error.detail == "The token is revoked."
    return False
