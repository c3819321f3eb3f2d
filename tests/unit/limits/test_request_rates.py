"""The limit of requests: a bucket a client, bounded memory, and no clock that somebody can set."""

import time
from typing import Any

import pytest

from internal.domain.errors import RateLimited
from internal.domain.identity import ANYBODY, Credential, Principal, Scope
from internal.domain.rates import Limit, Rate
from internal.limits.clients import client_of
from internal.limits.report import RateReport
from internal.limits.request_rates import RequestRates


def _counted(rates: RequestRates, client: str, times: int) -> int:
    """How many of so many requests pass."""
    passed = 0
    for _ in range(times):
        try:
            rates.count(client, RateReport())
        except RateLimited:
            continue
        passed += 1
    return passed


def test_a_client_has_its_number_and_another_its_own() -> None:
    rates = RequestRates(Rate(7, 3600))

    assert _counted(rates, "owner:a", 20) == 7
    assert _counted(rates, "owner:b", 20) == 7
    assert _counted(rates, "owner:a", 1) == 0


def test_a_report_says_how_much_is_left_and_a_refusal_when_it_fits() -> None:
    rates, report = RequestRates(Rate(2, 3600)), RateReport()
    rates.count("a", report)
    state = report.states[Limit.REQUESTS]
    assert (state.available, state.window) == (1, 1800)
    rates.count("a", report)

    with pytest.raises(RateLimited) as refused:
        rates.count("a", report)

    assert (refused.value.limit, refused.value.used, refused.value.allowed) == ("requests", 2, 2)
    assert 1790 <= refused.value.retry_seconds <= 1800
    assert report.states[Limit.REQUESTS].available == 0


def test_what_was_used_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.monotonic()
    monkeypatch.setattr("throttled.utils.now_mono_f", lambda: now)
    rates = RequestRates(Rate(10, 20))
    assert _counted(rates, "a", 20) == 10
    now += 1.99
    assert _counted(rates, "a", 20) == 0
    now += 4.02
    assert _counted(rates, "a", 20) == 3
    now += 1000
    assert _counted(rates, "a", 20) == 10


def test_the_clock_on_the_wall_has_no_effect(monkeypatch: pytest.MonkeyPatch) -> None:
    rates = RequestRates(Rate(3, 3600))
    assert _counted(rates, "a", 5) == 3
    monkeypatch.setattr(time, "time", lambda: 9e9)
    assert _counted(rates, "a", 5) == 0


def test_so_many_clients_are_kept_and_no_more() -> None:
    """Without a bound, somebody with a /32 of IPv6 fills the memory: 4 billion networks of which each counts for itself."""
    rates = RequestRates(Rate(1, 3600), max_clients=50)
    for number in range(1000):
        assert _counted(rates, f"address:{number}", 2) == 1

    kept: Any = rates._buckets.limiter._store._backend
    assert (len(kept._client), len(kept.expire_info)) == (50, 50)
    assert _counted(rates, "address:999", 1) == 0
    assert _counted(rates, "address:0", 1) == 1, "the oldest was forgotten"


def test_without_a_limit_nothing_is_counted() -> None:
    report = RateReport()
    for _ in range(1000):
        RequestRates(None).count("a", report)
    assert report.states == {}


@pytest.mark.parametrize(
    ("principal", "client"),
    [
        (Principal("zoo", frozenset({Scope.READ}), Credential.KEY), "owner:zoo"),
        (Principal("zoo", frozenset({Scope.READ}), Credential.JWT), "owner:zoo"),
        (ANYBODY, "address:192.0.2.7"),
        (None, "address:192.0.2.7"),
    ],
)
def test_a_client_is_an_owner_or_else_an_address(principal: Principal | None, client: str) -> None:
    assert client_of(principal, "192.0.2.7") == client
