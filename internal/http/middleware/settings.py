"""The settings of the middleware around the API."""

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated

from msgspec import Struct

from internal.runtime.section import SettingsError, env


class MiddlewareSettings(Struct, frozen=True, forbid_unknown_fields=True):
    trusted_proxies: Annotated[
        str,
        env(
            "TRUSTED_PROXIES",
            "Addresses and networks of the proxies in front of the API, separated by commas. What they say in Forwarded and"
            " X-Forwarded-… is believed. Empty: nobody is.",
        ),
    ]

    @property
    def proxies(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """Raises SettingsError."""
        return tuple(map(_network, _listed(self.trusted_proxies)))

    def validate(self) -> None:
        _ = self.proxies


def _listed(text: str) -> list[str]:
    """The items of a list that is separated by commas."""
    return [item for part in text.split(",") if (item := part.strip())]


def _network(text: str) -> IPv4Network | IPv6Network:
    try:
        network = ip_network(text)
    except ValueError as error:
        raise SettingsError(f"TRUSTED_PROXIES: {text!r} is no address and no network such as 10.0.0.0/8: {error}") from error
    if network.prefixlen == 0:
        raise SettingsError(f"TRUSTED_PROXIES: {text} is everybody, and every client could choose its address")
    return network
