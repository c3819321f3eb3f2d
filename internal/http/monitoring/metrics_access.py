"""Who may read `/metrics`: they tell how busy a service is, and with what.

With METRICS_TOKEN who bears it, and nobody else. Without one, on SERVER_PORT, who asks from this machine; on a port of their own
(METRICS_PORT, WORKER_PORT) whoever reaches it.
"""

import hmac
from ipaddress import IPv6Address, ip_address

from litestar.datastructures import Headers
from msgspec import Struct

from internal.domain.errors import Forbidden, Unauthenticated

FORWARDED = ("forwarded", "via", "x-real-ip", "x-forwarded-")
"""How the names of proxies' fields begin: what has passed one was not asked by its neighbour."""


class MetricsAccess(Struct, frozen=True):
    """`token`: the one that must be borne; empty: none. `loopback_only`: without a token, only for this machine."""

    token: str = ""
    loopback_only: bool = False

    def check(self, client: str | None, headers: Headers) -> None:
        """Whether who asks from the address `client`, with these `headers`, may read. Raises Unauthenticated or Forbidden."""
        if self.token:
            if not _bears(headers.getall("authorization", []), self.token):
                raise Unauthenticated
        elif self.loopback_only and not (is_loopback(client) and not any(name.startswith(FORWARDED) for name in headers)):
            raise Forbidden("Metrics are shown to this machine only. METRICS_PORT or METRICS_TOKEN show them to others.")


def _bears(authorization: list[str], token: str) -> bool:
    """Whether the one field Authorization is `Bearer` with this token; in a time that tells nothing of the token."""
    scheme, _, given = authorization[0].partition(" ") if len(authorization) == 1 else ("", "", "")
    return scheme.lower() == "bearer" and hmac.compare_digest(given.strip(" ").encode("latin-1"), token.encode())


def is_loopback(address: str | None) -> bool:
    """Also for an IPv4 address as a socket of both families shows it."""
    try:
        known = ip_address(address or "")
    except ValueError:
        return False
    return ((known.ipv4_mapped if isinstance(known, IPv6Address) else None) or known).is_loopback
