"""Pages that make a browser of this machine speak to an API that asks nobody for a credential.

Such an API listens on loopback, where each page in a browser of the same machine reaches it, wherever the page came from:

- A page whose own name points to 127.0.0.1 after it was loaded (DNS rebinding) is of the same origin as the API, and may read and
  delete everything. Its requests have its name in `Host`. So a request is answered under addresses, which are no names, and under
  names that nobody else can have: `localhost`, names below it, and names without a dot.
- Any page may send a form, and so add pictures, although it can't read the answer. Browsers send `Origin` with it.

A program that is no browser sends no `Origin`, and what name it uses is its own affair.
"""

import re
from collections.abc import Collection

from internal.http.asgi import App, Receive, Scope, Send
from internal.http.middleware.access_log import QUIET
from internal.http.middleware.cors import ORIGIN, CorsPolicy
from internal.http.middleware.hosts import host_of
from internal.http.problems import problem_response

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing (RFC 9110, 9.2.1)."""

_ADDRESS = re.compile(r"[0-9.]+|\[.*\]")

_HOST_REFUSED = (
    "With AUTH_MODE=none the service answers under addresses, localhost and names without a dot. For other names set "
    "APP_MIDDLEWARE_TRUSTEDHOST and TRUSTED_HOSTS, or AUTH_MODE=key."
)
_ORIGIN_REFUSED = "With AUTH_MODE=none a page of another origin changes nothing here, unless CORS_ORIGINS names its origin."


class ForeignPages:
    """ASGI middleware. `public_origin`: the origin at which clients reach the API, if it is another one than they see in `Host`.
    `any_host`: the names in `Host` are checked by TrustedHosts.

    INVARIANT: what a foreign page sends is not carried out
    (tests/unit/http/test_foreign_pages.py::test_a_page_under_a_name_of_its_own_gets_nothing and the one after it).
    """

    def __init__(self, app: App, *, allowed: Collection[str] = (), public_origin: str = "", any_host: bool = False) -> None:
        self._app, self._any_host = app, any_host
        self._policy = CorsPolicy([*allowed, *([public_origin] if public_origin else [])])
        self._public_host = host_of([(b"host", public_origin.partition("://")[2].encode())])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in QUIET:
            await self._app(scope, receive, send)
        elif not self._any_host and self._may_be_foreign(host_of(scope["headers"])):
            await _refuse(400, "invalid_request", _HOST_REFUSED, scope, receive, send)
        elif scope["method"] not in SAFE and self._is_foreign_origin(scope):
            await _refuse(403, "forbidden", _ORIGIN_REFUSED, scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _may_be_foreign(self, host: str | None) -> bool:
        """True for a name that anybody may own. A browser always sends a Host, and one that is well-formed."""
        if host is None or host == self._public_host or _ADDRESS.fullmatch(host):
            return False
        return "." in host and not host.endswith(".localhost")

    def _is_foreign_origin(self, scope: Scope) -> bool:
        given = [value for name, value in scope["headers"] if name == ORIGIN]
        own = [value.lower() for name, value in scope["headers"] if name == b"host"]
        if not given or [origin.partition(b"://")[2] for origin in given] == own:
            return False
        return self._policy.allowed(scope["headers"]) is None


async def _refuse(status: int, code: str, detail: str, scope: Scope, receive: Receive, send: Send) -> None:
    state = scope.setdefault("state", {})
    state["problem"] = code
    response = problem_response(status, code, detail, request_id=state.get("request_id"))
    await response(scope, receive, send)  # type: ignore[arg-type]  # Litestar's types are narrower than ASGI's
