"""Verification of keys on a real database: what it costs, and how soon a revoked key stops in every process.

Each verifier with a listener of its own stands for a process. Its clock can be moved: `time.monotonic` of the module.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Collection
from contextlib import AsyncExitStack
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from internal.domain.api_key import key_of, prefix_of
from internal.domain.audit import actor_of
from internal.domain.errors import DatabaseUnavailable, Unauthenticated
from internal.domain.identity import Credential, Principal, Scope
from internal.identity import key_verifier
from internal.identity.key_verifier import KeyVerifier, open_key_verifier
from internal.identity.keys import create_key, revoke_key
from internal.ports.repository.api_keys import StoredKey
from internal.postgres.listener import open_listener
from internal.postgres.pool import connection_string
from internal.postgres.settings import DatabaseSettings
from internal.repository.api_keys import PostgresApiKeys
from tests.integration.service import Service
from tests.services.waiting import eventually

ACTOR = "imagectl:me"
KEYS = "internal.identity.key_verifier"


class Clock:
    """The verifiers' monotonic clock. It stands still unless it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Counted(PostgresApiKeys):
    """The table, which counts its statements. `held`: look-ups wait until it is set."""

    def __init__(self, service: Service) -> None:
        super().__init__(service.session)
        self.asked: list[set[str]] = []
        self.recorded: list[set[UUID]] = []
        self.held = asyncio.Event()
        self.held.set()
        self.outage: Exception | None = None

    async def look_up(self, prefixes: Collection[str]) -> tuple[StoredKey, ...]:
        self.asked.append(set(prefixes))
        await self.held.wait()
        if self.outage:
            raise self.outage
        return await super().look_up(prefixes)

    async def record_use(self, key_ids: Collection[UUID]) -> None:
        self.recorded.append(set(key_ids))
        if self.outage:
            raise self.outage
        await super().record_use(key_ids)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(f"{KEYS}.time", type("Time", (), {"monotonic": clock}))
    return clock


@pytest.fixture
def table(service: Service) -> Counted:
    return Counted(service)


@pytest.fixture
async def verifier(table: Counted) -> AsyncIterator[KeyVerifier]:
    """One that hears nothing: no signal ever reaches it."""
    verifier = KeyVerifier(table)
    yield verifier
    await verifier.close()


async def _new(service: Service, owner: str = "shop", **more: Any) -> tuple[UUID, str]:
    key, secret = await create_key(service.repository, ACTOR, owner=owner, scopes=["images:read"], **more)
    return key.id, secret


async def _refusal(verifier: KeyVerifier, secret: str) -> str:
    with pytest.raises(Unauthenticated) as refused:
        await verifier.verify(secret)
    assert refused.value.rejected
    return refused.value.detail


async def _is_refused(verifier: KeyVerifier, secret: str) -> bool:
    try:
        await verifier.verify(secret)
    except Unauthenticated:
        return True
    return False


async def test_a_key_is_its_owners_and_has_its_scopes(service: Service, verifier: KeyVerifier) -> None:
    key_id, secret = await _new(service)

    principal = await verifier.verify(secret)

    assert principal == Principal("shop", frozenset({Scope.READ}), Credential.KEY, str(key_id))
    assert actor_of(principal) == f"key:{key_id}"


async def test_a_mistyped_key_costs_no_statement(service: Service, verifier: KeyVerifier, table: Counted) -> None:
    _, secret = await _new(service)
    mistyped = secret[:-10] + ("0" if secret[-10] != "0" else "1") + secret[-9:]

    for text in (mistyped, secret[:-1], secret + "0", "imgp_", "x" * 10_000, ""):
        assert "checksum" in await _refusal(verifier, text)
    assert table.asked == []


async def test_an_unknown_key_is_refused_and_not_remembered(service: Service, verifier: KeyVerifier, table: Counted) -> None:
    unknown = key_of(1)
    for _ in range(2):
        assert await _refusal(verifier, unknown) == "There is no such API key."
    assert len(table.asked) == 2

    [row] = await service.session.rows(
        "INSERT INTO api_keys (id, name, owner, scopes, prefix, hash) VALUES (gen_random_uuid(), '', 'shop', '{images:read}',"
        " %(prefix)s, sha256(convert_to(%(key)s, 'UTF8'))) RETURNING id",
        {"prefix": prefix_of(unknown), "key": unknown},
    )
    assert (await verifier.verify(unknown)).credential_id == str(row["id"])  # it works at once


async def test_another_key_with_the_same_prefix_is_told_apart(service: Service, verifier: KeyVerifier, table: Counted) -> None:
    _, secret = await _new(service, "first")
    other = key_of(int.from_bytes(b"other"))
    insert = (
        "INSERT INTO api_keys (id, name, owner, scopes, prefix, hash) VALUES (gen_random_uuid(), '', 'second', '{images:write}',"
        " %(prefix)s, sha256(convert_to(%(key)s, 'UTF8')))"
    )
    await service.session.run("UPDATE api_keys SET prefix = %(prefix)s", {"prefix": prefix_of(other)})
    await service.session.run(insert, {"prefix": prefix_of(other), "key": other})

    assert (await verifier.verify(other)).owner == "second"
    assert await _refusal(verifier, key_of(int.from_bytes(b"third"))) == "There is no such API key."
    assert len(table.asked) == 1  # what is known of the prefix is enough
    assert secret != other


async def test_a_remembered_key_costs_no_statement_for_a_second(
    service: Service, verifier: KeyVerifier, table: Counted, clock: Clock
) -> None:
    _, secret = await _new(service)
    for _ in range(100):
        await verifier.verify(secret)
    clock.now += 0.99
    await verifier.verify(secret)
    assert len(table.asked) == 1

    clock.now += 0.01
    await verifier.verify(secret)
    assert len(table.asked) == 2


async def test_keys_in_use_share_their_look_ups(service: Service, verifier: KeyVerifier, table: Counted, clock: Clock) -> None:
    """Twenty keys, each used once a second for ten seconds: two statements a second together, and not twenty."""
    secrets = [(await _new(service))[1] for _ in range(20)]
    for secret in secrets:
        await verifier.verify(secret)
    table.asked.clear()

    for step in range(200):
        clock.now += 0.05
        await verifier.verify(secrets[step % 20])

    assert len(table.asked) <= 20


async def test_a_key_that_is_no_longer_used_is_not_asked_for(
    service: Service, verifier: KeyVerifier, table: Counted, clock: Clock
) -> None:
    (_, used), (_, left) = await _new(service), await _new(service)
    await verifier.verify(left)
    for _ in range(10):
        clock.now += 0.6
        await verifier.verify(used)

    assert sum(prefix_of(left) in asked for asked in table.asked) <= 2  # its own, and once ahead


async def test_requests_that_wait_together_share_one_statement(service: Service, verifier: KeyVerifier, table: Counted) -> None:
    """A flood of well-formed keys that nobody has, with one good key among them: two statements, one after the other."""
    _, secret = await _new(service)
    table.held.clear()
    unknown = [key_of(number << 216) for number in range(500)]  # each with a prefix of its own
    first = asyncio.create_task(_is_refused(verifier, unknown[0]))
    await eventually(lambda: len(table.asked) == 1)
    flood = [asyncio.create_task(_is_refused(verifier, key)) for key in unknown[1:]]
    good = [asyncio.create_task(verifier.verify(secret)) for _ in range(5)]
    await eventually(lambda: len(verifier._wanted) == 500)  # all of them wait for the next
    assert len(table.asked) == 1  # one at a time

    table.held.set()

    assert all(await asyncio.gather(first, *flood))
    assert {principal.owner for principal in await asyncio.gather(*good)} == {"shop"}
    assert [len(asked) for asked in table.asked] == [1, 500]


async def test_a_request_that_hangs_up_takes_nothing_from_the_others(
    service: Service, verifier: KeyVerifier, table: Counted
) -> None:
    _, secret = await _new(service)
    table.held.clear()
    gone, waits = (asyncio.create_task(verifier.verify(secret)) for _ in range(2))
    await eventually(lambda: len(table.asked) == 1)
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    table.held.set()

    assert (await waits).owner == "shop"
    assert len(table.asked) == 1


async def test_expiry_is_checked_at_each_use(service: Service, verifier: KeyVerifier, table: Counted, clock: Clock) -> None:
    _, secret = await _new(service, expires_in=3600)
    await verifier.verify(secret)
    await service.session.run("UPDATE api_keys SET expires_at = clock_timestamp() + interval '0.5 s'")
    clock.now += 1
    await verifier.verify(secret)

    clock.now += 0.5

    assert await _refusal(verifier, secret) == "This API key has expired."
    assert len(table.asked) == 2  # by what is remembered


async def test_a_revoked_key_stops_without_any_signal(
    service: Service, verifier: KeyVerifier, table: Counted, clock: Clock
) -> None:
    key_id, secret = await _new(service)
    await verifier.verify(secret)
    await revoke_key(service.repository, ACTOR, key_id)
    clock.now += 1.0

    assert await _refusal(verifier, secret) == "This API key was revoked."
    assert await _refusal(verifier, secret) == "This API key was revoked."
    assert len(table.asked) == 2  # a revoked key that goes on being sent is refused from memory


async def test_a_key_whose_row_is_gone_stops(service: Service, verifier: KeyVerifier, clock: Clock) -> None:
    _, secret = await _new(service)
    await verifier.verify(secret)
    await service.session.run("DELETE FROM api_keys")
    clock.now += 1.0

    assert await _refusal(verifier, secret) == "There is no such API key."


async def test_an_answer_that_came_late_is_not_trusted_longer(
    service: Service, verifier: KeyVerifier, table: Counted, clock: Clock
) -> None:
    """The second counts from the question: a revocation while the answer was on its way is not overlooked for longer."""
    _, secret = await _new(service)
    table.held.clear()
    waits = asyncio.create_task(verifier.verify(secret))
    await eventually(lambda: len(table.asked) == 1)
    clock.now += 0.9
    table.held.set()
    await waits

    clock.now += 0.1
    await verifier.verify(secret)

    assert len(table.asked) == 2


async def test_a_revoked_key_stops_in_every_process_within_two_seconds(
    service: Service, database_settings: DatabaseSettings
) -> None:
    """Two processes hear the signal; of two more it is cut off: one's listener is closed by the server, one hears nothing."""
    key_id, secret = await _new(service)
    conninfo = connection_string(database_settings)
    async with AsyncExitStack() as stack:
        hearing = []
        for name in ("a", "b", "cut"):
            listener = await stack.enter_async_context(open_listener(f"{conninfo} application_name=test-{name}", ("api_key",)))
            hearing.append(await stack.enter_async_context(open_key_verifier(service.repository.api_keys, listener)))
        deaf = KeyVerifier(service.repository.api_keys)
        stack.push_async_callback(deaf.close)
        processes = [*hearing, deaf]
        for process in processes:
            await process.verify(secret)
        await service.session.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'test-cut'")

        await revoke_key(service.repository, ACTOR, key_id)
        revoked_at = time.monotonic()
        stopped: dict[int, float] = {}
        while len(stopped) < len(processes):
            for number, process in enumerate(processes):
                if number not in stopped and await _is_refused(process, secret):
                    stopped[number] = time.monotonic() - revoked_at
            assert time.monotonic() - revoked_at < 10, stopped
            await asyncio.sleep(0.01)


async def test_a_signal_makes_it_sooner(service: Service, database_settings: DatabaseSettings, clock: Clock) -> None:
    """The clock stands still: without the signal the key would be good for ever."""
    (key_id, secret), (_, other) = await _new(service), await _new(service)
    table = Counted(service)
    async with (
        open_listener(connection_string(database_settings), ("api_key",)) as listener,
        open_key_verifier(table, listener) as verifier,
    ):
        await eventually(partial(_hears, service, listener))
        for good in (secret, other):
            await verifier.verify(good)
        await revoke_key(service.repository, ACTOR, key_id)

        await eventually(partial(_is_refused, verifier, secret), within=10)

        asked = len(table.asked)
        await verifier.verify(other)
        assert len(table.asked) == asked  # the others stay remembered
        verifier.forget("")  # as after a reconnect of the listener
        await verifier.verify(other)
        assert len(table.asked) == asked + 1


async def _hears(service: Service, listener: Any) -> bool:
    heard: list[str] = []
    with listener.subscribed("api_key", heard.append, payload="hello"):
        await service.session.run("SELECT pg_notify('api_key', 'hello')")
        await asyncio.sleep(0.01)
    return heard != []


async def test_a_process_that_can_not_ask_takes_no_key_after_a_second(
    service: Service, verifier: KeyVerifier, table: Counted, clock: Clock
) -> None:
    _, secret = await _new(service)
    await verifier.verify(secret)
    table.outage = DatabaseUnavailable()
    clock.now += 0.9
    await verifier.verify(secret)

    clock.now += 0.1
    results = await asyncio.gather(*(verifier.verify(secret) for _ in range(3)), return_exceptions=True)
    assert [type(result) for result in results] == [DatabaseUnavailable] * 3

    table.outage = None
    assert (await verifier.verify(secret)).owner == "shop"


async def test_the_memory_is_bounded(service: Service, verifier: KeyVerifier, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_verifier, "MAX_PREFIXES", 3)
    secrets = [(await _new(service, str(number)))[1] for number in range(5)]

    for _ in range(2):
        assert [(await verifier.verify(secret)).owner for secret in secrets] == ["0", "1", "2", "3", "4"]
    assert list(verifier._answers) == [prefix_of(secret) for secret in secrets[2:]]


async def _settled(verifier: KeyVerifier) -> None:
    """Wait for what goes on beside the requests."""
    await eventually(lambda: not verifier._tasks)


async def test_a_use_is_recorded_beside_the_request_and_once_a_minute(
    service: Service, verifier: KeyVerifier, table: Counted, clock: Clock
) -> None:
    key_id, secret = await _new(service)

    async def used_at() -> Any:
        found = await service.repository.api_keys.find(key_id)
        assert found is not None
        return found.last_used_at

    for _ in range(5):
        for _ in range(3):
            await verifier.verify(secret)
            await _settled(verifier)
        clock.now += 1
    first = await used_at()
    assert (first is not None, table.recorded) == (True, [{key_id}])

    await service.session.run("UPDATE api_keys SET last_used_at = last_used_at - interval '61 s'")
    clock.now += 1
    await verifier.verify(secret)
    await _settled(verifier)
    assert await used_at() > first
    assert table.recorded == [{key_id}] * 2


async def test_a_use_that_can_not_be_recorded_fails_nobody(
    service: Service, verifier: KeyVerifier, table: Counted, clock: Clock
) -> None:
    key_id, secret = await _new(service)
    look_up = table.look_up

    async def readable(prefixes: Collection[str]) -> tuple[StoredKey, ...]:
        table.outage = None
        found = await look_up(prefixes)
        table.outage = DatabaseUnavailable("It takes no changes.")
        return found

    table.look_up = readable  # type: ignore[method-assign]
    with capture_logs() as logs:
        await verifier.verify(secret)
        await _settled(verifier)
    assert [(line["event"], line["keys"]) for line in logs] == [("api_key.use_not_recorded", 1)]

    table.look_up, table.outage = look_up, None  # type: ignore[method-assign]
    clock.now += 1
    await verifier.verify(secret)
    await _settled(verifier)
    assert table.recorded == [{key_id}] * 2


async def test_a_refused_key_counts_as_no_use(service: Service, verifier: KeyVerifier, table: Counted) -> None:
    key_id, secret = await _new(service)
    await revoke_key(service.repository, ACTOR, key_id)
    await _refusal(verifier, secret)
    await _settled(verifier)
    assert table.recorded == []
