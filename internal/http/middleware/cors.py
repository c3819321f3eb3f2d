"""Cross-Origin Resource Sharing (the Fetch standard, "HTTP-CORS protocol"): pages of the named origins may use the API.

Every answer says who may read it, errors and the answer to an unknown path too, else a page sees nothing but "failed to fetch".
Every answer varies by Origin, also one to a request without: a cache would else give it to a page, which could not read it. A
preflight is answered for every path and needs no credential. Cookies are never allowed (`Access-Control-Allow-Credentials`).

Litestar 2.25.0 has a middleware for this. It replaces the answer's own `Vary`, so that a cache mixes up the formats of a picture;
it sets `Vary: Origin` only where the request has an Origin; and it takes each OPTIONS with an Origin for a preflight.
"""

from collections.abc import Collection

from internal.http.asgi import App, Header, Message, Receive, Scope, Send
from internal.http.vary import vary_by

METHODS = "DELETE, GET, HEAD, PATCH, POST, PUT"
"""No path has PUT; a page that sends it can read the 405."""

REQUEST_HEADERS = (
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    "If-Match",
    "If-Modified-Since",
    "If-None-Match",
    "If-Range",
    "If-Unmodified-Since",
    "Last-Event-ID",
    "Prefer",
    "Range",
    "Traceparent",
    "Tracestate",
    "X-API-Key",
    "X-Request-ID",
    "X-Requested-With",
)
"""Headers that a page may send beside those that every page may. None of them has a meaning that a page must not use."""

EXPOSED = (
    "Accept-Ranges",
    "Allow",
    "Content-Disposition",
    "Content-Range",
    "ETag",
    "Link",
    "Location",
    "Preference-Applied",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "WWW-Authenticate",
    "X-Request-ID",
)
"""Headers of an answer that a page may read beside those that every page may."""

MAX_AGE_SECONDS = 7200
"""How long a browser may remember the answer to a preflight: as long as Chromium does at most."""

ORIGIN = b"origin"
_EXPOSE = (b"access-control-expose-headers", ", ".join(EXPOSED).encode())
_PREFLIGHT = [
    (b"access-control-allow-methods", METHODS.encode()),
    (b"access-control-allow-headers", ", ".join(REQUEST_HEADERS).encode()),
    (b"access-control-max-age", b"%d" % MAX_AGE_SECONDS),
]


class CorsPolicy:
    """The origins that may read answers, as browsers write them, or `*` alone: every origin."""

    def __init__(self, origins: Collection[str]) -> None:
        self._everybody = "*" in origins
        self._origins = frozenset(origin.encode() for origin in origins)
        self._only = next(iter(self._origins)) if len(self._origins) == 1 else None

    def allowed(self, request_headers: list[Header]) -> bytes | None:
        """The value of Access-Control-Allow-Origin. Of a single origin it is the same for every request."""
        if self._everybody:
            return b"*"
        given = [value for name, value in request_headers if name == ORIGIN]
        return given[0] if len(given) == 1 and given[0] in self._origins else None if given else self._only

    def answer_headers(self, request_headers: list[Header]) -> list[Header]:
        """What an answer to a request with these headers needs beside its own, without `Vary`."""
        allowed = self.allowed(request_headers)
        return [] if allowed is None else [(b"access-control-allow-origin", allowed), _EXPOSE]

    def refusal_headers(self, request_headers: list[Header]) -> list[Header]:
        """What the answer to a request needs that the server itself refuses."""
        return vary_by(self.answer_headers(request_headers), ORIGIN)


class Cors:
    """ASGI middleware.

    INVARIANT: an answer that a page may read says so, whatever its status
    (tests/unit/http/test_cors.py::test_an_answer_of_any_status_can_be_read).
    """

    def __init__(self, app: App, policy: CorsPolicy) -> None:
        self._app, self._policy = app, policy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["method"] == "OPTIONS" and _is_preflight(scope["headers"]):
            allowed = self._policy.allowed(scope["headers"])
            headers = [] if allowed is None else [(b"access-control-allow-origin", allowed), *_PREFLIGHT]
            await send({"type": "http.response.start", "status": 204, "headers": vary_by(headers, ORIGIN)})
            await send({"type": "http.response.body", "body": b""})
            return
        own = self._policy.answer_headers(scope["headers"])

        async def send_shared(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = vary_by([*message.get("headers", ()), *own], ORIGIN)
            await send(message)

        await self._app(scope, receive, send_shared)


def _is_preflight(headers: list[Header]) -> bool:
    names = {name for name, _ in headers}
    return ORIGIN in names and b"access-control-request-method" in names
