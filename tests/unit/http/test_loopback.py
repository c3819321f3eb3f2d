"""Which addresses only this machine reaches."""

import socket
from typing import Any

import pytest

from internal.http.loopback import is_loopback, listens_on_loopback

EVERY = "0.0.0.0"  # noqa: S104 - looked at, not bound


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1", "127.9.9.9", "::1", "0:0:0:0:0:0:0:1", "::ffff:127.0.0.1", "localhost"])
def test_only_this_machine_reaches_it(host: str) -> None:
    assert listens_on_loopback(host)


@pytest.mark.parametrize("host", ["", EVERY, "0", "::", "::ffff:0.0.0.0", "10.0.0.1", "192.168.1.7", "fe80::1", "*", "a.invalid"])
def test_others_may_reach_it(host: str) -> None:
    assert not listens_on_loopback(host)


@pytest.mark.parametrize(
    ("addresses", "loopback"),
    [(["127.0.1.1"], True), (["127.0.0.1", "::1"], True), (["127.0.0.1", "10.0.0.1"], False), (["203.0.113.9"], False)],
)
def test_a_name_is_all_that_it_resolves_to(addresses: list[str], loopback: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def resolved(*_: Any, **__: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", resolved)

    assert listens_on_loopback("images.example") is loopback
    assert not listens_on_loopback(""), "an empty host is every address, whatever it resolves to"


@pytest.mark.parametrize(
    ("address", "loopback"), [("127.0.0.1", True), ("::ffff:127.0.0.1", True), ("::2", False), ("", False), (None, False)]
)
def test_an_address_of_a_client(address: str | None, loopback: bool) -> None:
    assert is_loopback(address) is loopback
