"""Access to `/metrics`, which shows how busy a service is and with what.

With METRICS_TOKEN, only requests with that token are served. Without one, `/metrics` on SERVER_PORT serves this machine only; on
a port of its own (METRICS_PORT, WORKER_PORT) it serves everybody that reaches the port.
"""

import hmac

from litestar.datastructures import Headers
from msgspec import Struct

from internal.domain.errors import Forbidden, Unauthenticated
from internal.http.loopback import is_loopback
from internal.runtime.secret import NO_SECRET, Secret

FORWARDED = ("forwarded", "via", "x-real-ip", "x-forwarded-")
"""Prefixes of header fields that proxies add: a request that has passed a proxy does not come from this machine."""


class MetricsAccess(Struct, frozen=True):
    """`token`: required if not empty. `loopback_only`: without a token, serve this machine only."""

    token: Secret = NO_SECRET
    loopback_only: bool = False

    def check(self, client: str | None, headers: Headers) -> None:
        """Check a request from the address `client` with these `headers`. Raises Unauthenticated or Forbidden."""
        if self.token:
            if not _has_token(headers.getall("authorization", []), self.token):
                raise Unauthenticated
        elif self.loopback_only and not (is_loopback(client) and not any(name.startswith(FORWARDED) for name in headers)):
            raise Forbidden("Metrics are shown to this machine only. METRICS_PORT or METRICS_TOKEN show them to others.")


def _has_token(authorization: list[str], token: Secret) -> bool:
    """True if the only Authorization field is `Bearer` with this token. Constant time."""
    scheme, _, given = authorization[0].partition(" ") if len(authorization) == 1 else ("", "", "")
    return scheme.lower() == "bearer" and hmac.compare_digest(given.strip(" ").encode("latin-1"), token.reveal().encode())
