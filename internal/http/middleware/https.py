"""HTTPS only: a request over http is sent to https, and browsers are told to come by https at once (HSTS, RFC 6797).

The service speaks plain HTTP, and knows that a client came over TLS from a trusted proxy (proxies.py).
"""

from internal.http.asgi import App, Message, Receive, Scope, Send
from internal.http.middleware.access_log import QUIET
from internal.http.middleware.hosts import host_of
from internal.http.problems import problem_response

HSTS = (b"strict-transport-security", b"max-age=31536000")
"""A year. It speaks for this host alone, and not for those below it."""


class HttpsRedirect:
    """ASGI middleware: 308 to the same path under https, which keeps method and body. Health checks and scrapes are answered."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in QUIET:
            await self._app(scope, receive, send)
        elif scope["scheme"] == "https":
            await self._app(scope, receive, _with_hsts(send))
        else:
            await _redirect(scope, receive, send)


def _with_hsts(send: Send) -> Send:
    async def send_with_hsts(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), HSTS]
        await send(message)

    return send_with_hsts


async def _redirect(scope: Scope, receive: Receive, send: Send) -> None:
    host = host_of(scope["headers"])
    if host is None:
        state = scope.setdefault("state", {})
        state["problem"] = "invalid_request"
        detail = "This is served over https only, and the request has no valid Host to be sent to."
        response = problem_response(400, "invalid_request", detail, request_id=state.get("request_id"))
        await response(scope, receive, send)  # type: ignore[arg-type]  # Litestar's types are narrower than ASGI's
        return
    path = scope["raw_path"].partition(b"?")[0].partition(b"#")[0]
    query = b"?" + scope["query_string"] if scope["query_string"] else b""
    location = b"https://" + host.encode() + (path if path.startswith(b"/") else b"/") + query
    headers = [(b"location", location), (b"content-length", b"0")]
    await send({"type": "http.response.start", "status": 308, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
