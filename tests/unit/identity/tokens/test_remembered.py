"""A token that was verified is remembered, and refused all the same when it has expired, is revoked, or its key is gone."""

import time
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import jwt
import pytest

from internal.domain.errors import DatabaseUnavailable, TokenKeysUnavailable, Unauthenticated
from internal.identity.tokens import verifier as module
from internal.identity.tokens.keys import KeySet, secret_key
from internal.identity.tokens.revoked import TRUSTED_SECONDS, Revocations
from internal.identity.tokens.verifier import TokenVerifier
from tests.services.issuer import SECRET, token
from tests.unit.identity.tokens.verifiers import Table, policy


class Keys:
    """A source whose keys a test replaces; None: there are none now."""

    def __init__(self) -> None:
        self.keys: KeySet | None = KeySet([secret_key(SECRET)])
        self.looked: list[Any] = []

    def current(self) -> KeySet:
        if self.keys is None:
            raise TokenKeysUnavailable
        return self.keys

    async def look_for(self, kid: Any) -> None:
        self.looked.append(kid)


class Service(SimpleNamespace):
    """A verifier, and what it depends on. `now` and `monotonic` are moved by a test."""

    keys: Keys
    table: Table
    verifier: TokenVerifier
    now: float
    monotonic: float

    async def refusal(self, text: str) -> str:
        with pytest.raises(Unauthenticated) as refused:
            await self.verifier.verify(text)
        return refused.value.detail


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Service:
    made = Service(keys=Keys(), table=Table(), now=time.time(), monotonic=1000.0, verified=0)
    made.revocations = Revocations(made.table, lambda: made.monotonic)
    made.verifier = TokenVerifier(policy(), made.keys, made.revocations, lambda: made.now)
    decode = jwt.decode

    def counted(*args: Any, **options: Any) -> Any:
        made.verified += 1
        return decode(*args, **options)

    monkeypatch.setattr(jwt, "decode", counted)
    return made


async def test_a_token_is_verified_once(service: Service) -> None:
    text = token()

    first = [await service.verifier.verify(text) for _ in range(5)]

    assert (service.verified, {principal.owner for principal in first}) == (1, {"alice"})
    assert service.table.statements == ["latest_change"]


async def test_a_remembered_token_expires(service: Service) -> None:
    text = token()
    await service.verifier.verify(text)

    service.now += 600 + 9
    assert (await service.verifier.verify(text)).owner == "alice"
    service.now += 2

    assert "expired at" in await service.refusal(text)
    assert service.verified == 1


async def test_a_wrong_token_is_not_remembered(service: Service) -> None:
    text = token(aud="other")

    for _ in range(3):
        await service.refusal(text)
    assert service.verified == 3


async def test_another_key_set_verifies_anew(service: Service) -> None:
    text = token()
    await service.verifier.verify(text)

    service.keys.keys = KeySet([secret_key("another secret of thirty-two bytes")])
    assert "signature" in await service.refusal(text)

    service.keys.keys = None
    with pytest.raises(TokenKeysUnavailable):
        await service.verifier.verify(text)


@pytest.mark.parametrize("signal", [True, False])
async def test_a_revoked_token_is_refused_after_a_signal_or_within_the_time(service: Service, signal: bool) -> None:
    revoked, other = token(jti="a"), token(jti="b")
    for text in (revoked, other):
        await service.verifier.verify(text)

    service.table.change, service.table.revoked = 1, lambda jti, *_: jti == "a"
    assert (await service.verifier.verify(revoked)).owner == "alice"  # this process does not know yet
    if signal:
        service.revocations.forget()
    service.monotonic += 0.01 if signal else TRUSTED_SECONDS

    for _ in range(2):
        assert await service.refusal(revoked) == "The token is revoked."
    assert (await service.verifier.verify(other)).owner == "alice"


async def test_a_revocation_is_looked_up_once_a_token(service: Service) -> None:
    service.table.change = 1
    texts = [token(jti=str(number)) for number in range(3)]

    for _ in range(4):
        for text in texts:
            await service.verifier.verify(text)

    assert sorted(service.table.statements) == ["is_revoked"] * 3 + ["latest_change"]


async def test_owner_and_times_are_what_is_looked_up(service: Service) -> None:
    asked: list[Sequence[Any]] = []

    def note(*of: Any) -> bool:
        asked.append(of)
        return False

    service.table.change, service.table.revoked = 1, note
    issued = int(time.time()) - 5

    await service.verifier.verify(token(iat=issued, jti="a"))
    await service.verifier.verify(token(iat=..., jti=..., sub="bob"))

    assert asked == [("a", "alice", issued), (None, "bob", None)]


async def test_a_database_that_is_down_takes_no_token(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    text = token()
    await service.verifier.verify(text)

    async def down() -> None:
        raise DatabaseUnavailable

    monkeypatch.setattr(service.table, "latest_change", down)
    assert (await service.verifier.verify(text)).owner == "alice"
    service.monotonic += TRUSTED_SECONDS
    for _ in range(2):
        with pytest.raises(DatabaseUnavailable):
            await service.verifier.verify(text)


async def test_the_number_of_remembered_tokens_is_bounded(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_REMEMBERED", 3)
    texts = [token(jti=str(number)) for number in range(4)]
    for text in texts[:3]:
        await service.verifier.verify(text)
    await service.verifier.verify(texts[0])  # used last, so the second one goes

    await service.verifier.verify(texts[3])
    assert service.verified == 4

    for text in (texts[0], texts[2], texts[3]):
        await service.verifier.verify(text)
    assert service.verified == 4
    await service.verifier.verify(texts[1])
    assert service.verified == 5
