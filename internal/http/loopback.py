"""Loopback addresses: those that only programs of this machine reach."""

import socket

from internal.http.networks import address_from


def is_loopback(address: str | None) -> bool:
    """True for loopback addresses, also for an IPv4 address mapped into IPv6."""
    known = address_from(address)
    return known is not None and known.is_loopback


def listens_on_loopback(host: str) -> bool:
    """True if a socket that is bound to `host`, an address or a name, is reached by programs of this machine only.

    A name counts as what it resolves to, all of it. An empty host is every address, and a name that is unknown may become any.
    """
    if not host:
        return False
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return False
    return all(is_loopback(str(place[0])) for *_, place in found)
