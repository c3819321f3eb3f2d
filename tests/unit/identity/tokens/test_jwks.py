"""The issuer's key set: fetched in the background, at most once a cooldown, and kept while the issuer is down.

The issuer is a real server. The clock is moved and never waited for.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import Any

import pytest
from structlog.testing import capture_logs

from internal.domain.errors import TokenKeysUnavailable, Unauthenticated
from internal.identity.tokens.discovery import IssuerKeys
from internal.identity.tokens.jwks import JwksCache, JwksTimings, open_jwks
from internal.identity.tokens.keys import jwks_keys
from internal.identity.tokens.revoked import Revocations
from internal.identity.tokens.verifier import TokenVerifier
from internal.outgoing.documents import Documents, open_documents, tls_context
from tests.services.issuer import DISCOVERY, JWKS, Issuer, jwk, key_pair, serving_issuer, token
from tests.services.waiting import eventually
from tests.unit.identity.tokens.verifiers import Clock, Table, policy

TIMINGS = JwksTimings(refresh=300, cooldown=5, stale=43_200)
HOUR = 3600


@pytest.fixture
def clock() -> Clock:
    return Clock(5000.0)


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with serving_issuer() as issuer:
        issuer.publish(jwk(key_pair("P-256", 0), kid="k0"))
        yield issuer


@pytest.fixture
async def documents() -> AsyncIterator[Documents]:
    async with open_documents(tls_context()) as documents:
        yield documents


@pytest.fixture
def cache(issuer: Issuer, documents: Documents, clock: Clock) -> JwksCache:
    found = IssuerKeys(documents, issuer.address)
    return JwksCache(found.fetch, partial(jwks_keys, algorithms=["ES256"]), TIMINGS, clock)


@pytest.fixture
def verifier(cache: JwksCache) -> TokenVerifier:
    return TokenVerifier(policy(), cache, Revocations(Table()))


def signed(number: int, kid: str | None = None, **changes: Any) -> str:
    headers = {} if kid == "" else {"kid": kid or f"k{number}"}
    return token(key_pair("P-256", number), "ES256", headers, **changes)


async def test_the_first_token_finds_the_keys_by_discovery(verifier: TokenVerifier, issuer: Issuer) -> None:
    for jti in "abc":
        assert (await verifier.verify(signed(0, jti=jti))).owner == "alice"

    assert issuer.requests == {DISCOVERY: 1, JWKS: 1}


async def test_a_rotated_key_is_found_with_its_first_token(verifier: TokenVerifier, issuer: Issuer, clock: Clock) -> None:
    """PyJWT 2.15.1's client refuses it for up to 30 s after a fetch."""
    await verifier.verify(signed(0))
    issuer.publish(jwk(key_pair("P-256", 1), kid="k1"))
    clock.now += TIMINGS.cooldown

    assert (await verifier.verify(signed(1))).owner == "alice"
    with pytest.raises(Unauthenticated):
        await verifier.verify(signed(0))  # its key is gone, and with it what was remembered of the token


@pytest.mark.parametrize("down", [False, True])
async def test_a_thousand_unknown_keys_are_one_attempt_a_cooldown(
    verifier: TokenVerifier, issuer: Issuer, clock: Clock, down: bool
) -> None:
    known = signed(0)
    await verifier.verify(known)
    issuer.requests.clear()
    issuer.failing = down
    chance = random.Random(13)
    strangers = [signed(9, kid=f"{chance.getrandbits(64):x}", jti=str(number)) for number in range(1000)]

    async def try_all() -> None:
        answers = await asyncio.gather(*map(verifier.verify, strangers), return_exceptions=True)
        assert {type(answer) for answer in answers} == {Unauthenticated}
        assert (await verifier.verify(known)).owner == "alice"
        assert (await verifier.verify(signed(0, jti="another"))).owner == "alice"

    for cooldown in (1, 2):
        clock.now += TIMINGS.cooldown
        await try_all()  # at once,
        await try_all()  # and again before the cooldown is over
        assert issuer.requests[DISCOVERY] == cooldown
        assert issuer.requests[JWKS] == (0 if down else cooldown)


async def test_tokens_with_known_keys_do_not_wait_for_an_attempt(verifier: TokenVerifier, cache: JwksCache, clock: Clock) -> None:
    await verifier.verify(signed(0))
    hanging = asyncio.Event()
    cache._fetch = lambda: hanging.wait()  # type: ignore[assignment, return-value]
    clock.now += TIMINGS.cooldown
    stranger = asyncio.create_task(verifier.verify(signed(9)))
    try:
        await eventually(lambda: cache._attempt is not None, 5)
        assert (await verifier.verify(signed(0, jti="another"))).owner == "alice"
        assert not stranger.done()
    finally:
        await cache.close()
        stranger.cancel()
        await asyncio.gather(stranger, return_exceptions=True)


@pytest.mark.parametrize("broken", ["503", "is not there", "no JSON", "no set", "too large", "redirects", "another issuer"])
async def test_an_issuer_that_is_dead_for_hours_keeps_its_keys(
    verifier: TokenVerifier, cache: JwksCache, issuer: Issuer, clock: Clock, broken: str
) -> None:
    await verifier.verify(signed(0))
    match broken:
        case "503":
            issuer.failing = True
        case "is not there":
            issuer.documents.clear()
        case "no JSON":
            issuer.put(JWKS, b"<html>sorry</html>")
        case "no set":
            issuer.put(JWKS, {"error": "sorry"})
        case "too large":
            issuer.put(JWKS, {"keys": [], "more": "x" * 600_000})
        case "redirects":
            issuer.put(JWKS, b"", 302, Location="http://203.0.113.1/keys")
        case "another issuer":
            issuer.put(DISCOVERY, {"issuer": "https://other.example", "jwks_uri": f"{issuer.address}{JWKS}"})
    for hour in range(12):
        clock.now += HOUR - 1
        await cache.refresh()
        assert (await verifier.verify(signed(0, jti=f"{hour}"))).owner == "alice"
        with pytest.raises(TokenKeysUnavailable, match="can't be fetched"):
            await cache.check()

    clock.now += HOUR
    with pytest.raises(TokenKeysUnavailable):
        await verifier.verify(signed(0))

    issuer.failing = False
    issuer.publish(jwk(key_pair("P-256", 0), kid="k0"))
    clock.now += TIMINGS.cooldown
    await cache.refresh()
    assert (await verifier.verify(signed(0))).owner == "alice"
    await cache.check()


async def test_without_any_keys_the_service_is_unavailable_and_tokens_are_not_wrong(
    verifier: TokenVerifier, issuer: Issuer, clock: Clock
) -> None:
    issuer.failing = True
    for _ in range(3):
        with pytest.raises(TokenKeysUnavailable):
            await verifier.verify(signed(0))
    assert issuer.requests == {DISCOVERY: 1}
    with pytest.raises(Unauthenticated):
        await verifier.verify("no token at all")

    issuer.failing = False
    clock.now += TIMINGS.cooldown
    assert (await verifier.verify(signed(0))).owner == "alice"


async def test_a_failure_is_logged_once_with_its_reason(cache: JwksCache, issuer: Issuer, clock: Clock) -> None:
    issuer.failing = True
    with capture_logs() as logs:
        for _ in range(3):
            await cache.refresh()
            clock.now += TIMINGS.cooldown

    assert [(line["event"], line["reason"]) for line in logs] == [
        ("jwks.not_fetched", f"{issuer.address}{DISCOVERY} answers with 503")
    ]


async def test_an_error_of_our_own_is_a_failed_attempt(cache: JwksCache, clock: Clock) -> None:
    def broken(document: bytes) -> Any:
        raise ZeroDivisionError

    cache._read = broken
    with capture_logs() as logs:
        await cache.refresh()

    assert logs[0]["event"] == "jwks.crashed"
    clock.now += TIMINGS.cooldown
    cache._read = partial(jwks_keys, algorithms=["ES256"])
    await cache.refresh()
    assert len(cache.current().keys) == 1


async def test_the_same_document_is_the_same_set(cache: JwksCache, clock: Clock) -> None:
    """So that what is remembered of tokens stays."""
    await cache.refresh()
    before = cache.current()
    clock.now += TIMINGS.refresh
    await cache.refresh()

    assert cache.current() is before


async def test_a_set_that_has_become_empty_is_believed(
    verifier: TokenVerifier, issuer: Issuer, cache: JwksCache, clock: Clock
) -> None:
    await verifier.verify(signed(0))
    issuer.publish()
    clock.now += TIMINGS.refresh
    with capture_logs() as logs:
        await cache.refresh()

    assert "jwks.has_no_usable_key" in [line["event"] for line in logs]
    with pytest.raises(Unauthenticated):
        await verifier.verify(signed(0))


async def test_a_token_without_kid_is_taken_where_it_is_clear(verifier: TokenVerifier, issuer: Issuer) -> None:
    issuer.publish(jwk(key_pair("RSA"), kid="other"), jwk(key_pair("P-256", 0)))

    assert (await verifier.verify(signed(0, kid=""))).owner == "alice"


async def test_the_background_fetches_at_the_start_and_again(
    issuer: Issuer, documents: Documents, verifier: TokenVerifier
) -> None:
    """It does not wait for a request, and goes on when the issuer comes back."""
    issuer.failing = True
    found = IssuerKeys(documents, issuer.address, f"{issuer.address}{JWKS}")
    cache = JwksCache(found.fetch, partial(jwks_keys, algorithms=["ES256"]), JwksTimings(0.02, 0.01, HOUR))
    async with open_jwks(cache):
        await eventually(lambda: issuer.requests[JWKS] >= 2, 10)
        with pytest.raises(TokenKeysUnavailable):
            cache.current()
        issuer.failing = False
        await eventually(lambda: cache._keys is not None, 10)
        issuer.publish(jwk(key_pair("P-256", 1), kid="k1"))
        await eventually(lambda: cache.current().knows("k1"), 10)
    assert issuer.requests.keys() == {JWKS}


async def test_closing_ends_the_attempt_under_way(cache: JwksCache) -> None:
    hanging = asyncio.Event()
    cache._fetch = lambda: hanging.wait()  # type: ignore[assignment, return-value]
    async with open_jwks(cache):
        await eventually(lambda: cache._attempt is not None, 5)

    assert cache._attempt is None
