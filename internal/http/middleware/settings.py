"""The settings of the middleware around the API."""

import re
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated

from msgspec import Struct

from internal.runtime.section import SettingsError, env

_LABELS = r"[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*"
_LITERAL = r"\[[0-9a-f:.]+\]"
_ORIGIN = re.compile(rf"([a-z][a-z0-9+.-]*)://(?:{_LABELS}|{_LITERAL})(?::[0-9]{{1,5}})?")
_HOST = re.compile(rf"(?:\*\.)?{_LABELS}\.?|{_LITERAL}")


class MiddlewareSettings(Struct, frozen=True, forbid_unknown_fields=True):
    cors: Annotated[bool, env("APP_MIDDLEWARE_CORS", "Let pages of the origins in CORS_ORIGINS use the API.")]
    cors_origins: Annotated[
        str,
        env("CORS_ORIGINS", "Origins such as https://app.example, separated by commas, or * for all. Never with cookies."),
    ]
    gzip: Annotated[
        bool, env("APP_MIDDLEWARE_GZIP", "Compress JSON, HTML, JavaScript and CSS with brotli or gzip, as the client accepts.")
    ]
    trustedhost: Annotated[
        bool, env("APP_MIDDLEWARE_TRUSTEDHOST", "Answer requests whose Host is in TRUSTED_HOSTS only; others get a 400.")
    ]
    trusted_hosts: Annotated[
        str,
        env("TRUSTED_HOSTS", "Names of this service without ports, separated by commas. *.example.org: every name below it."),
    ]
    httpsredirect: Annotated[
        bool,
        env(
            "APP_MIDDLEWARE_HTTPSREDIRECT",
            "Send requests over http to https (308), and tell browsers to come by https for a year (HSTS).",
        ),
    ]
    trusted_proxies: Annotated[
        str,
        env(
            "TRUSTED_PROXIES",
            "Addresses and networks of the proxies in front of the API, separated by commas. What they say in Forwarded and"
            " X-Forwarded-… is believed. Empty: nobody is.",
        ),
    ]

    @property
    def origins(self) -> frozenset[str]:
        """As browsers write them, or `*` alone. Raises SettingsError."""
        origins = frozenset(map(_origin, _listed(self.cors_origins)))
        if "*" in origins and len(origins) > 1:
            raise SettingsError("CORS_ORIGINS: * is every origin, and stands alone")
        return origins

    @property
    def hosts(self) -> frozenset[str]:
        """In lower case. Raises SettingsError."""
        return frozenset(map(_host, _listed(self.trusted_hosts)))

    @property
    def proxies(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """Raises SettingsError."""
        return tuple(map(_network, _listed(self.trusted_proxies)))

    def validate(self) -> None:
        _ = self.proxies
        for variable, example, on, listed in (
            ("CORS_ORIGINS", "https://app.example", "APP_MIDDLEWARE_CORS" if self.cors else "", self.origins),
            ("TRUSTED_HOSTS", "images.example", "APP_MIDDLEWARE_TRUSTEDHOST" if self.trustedhost else "", self.hosts),
        ):
            if on and not listed:
                raise SettingsError(f"{variable}: {on} is true, and the list is empty. Set it, such as {variable}={example}")


def _listed(text: str) -> list[str]:
    """The items of a list that is separated by commas."""
    return [item for part in text.split(",") if (item := part.strip())]


def _origin(text: str) -> str:
    if text == "*":
        return text
    parts = _ORIGIN.fullmatch(text.lower())
    if parts is None:
        raise SettingsError(f"CORS_ORIGINS: {text!r} is no origin such as https://app.example or http://localhost:3000")
    default_port = {"http": ":80", "https": ":443"}.get(parts[1])  # browsers leave it out
    return text.lower().removesuffix(default_port) if default_port else text.lower()


def _host(text: str) -> str:
    if not _HOST.fullmatch(text.lower()):
        raise SettingsError(f"TRUSTED_HOSTS: {text!r} is no name such as images.example or *.example.org, without a port")
    return text.lower().removesuffix(".")


def _network(text: str) -> IPv4Network | IPv6Network:
    try:
        network = ip_network(text)
    except ValueError as error:
        raise SettingsError(f"TRUSTED_PROXIES: {text!r} is no address and no network such as 10.0.0.0/8: {error}") from error
    if network.prefixlen == 0:
        raise SettingsError(f"TRUSTED_PROXIES: {text} is everybody, and every client could choose its address")
    return network
