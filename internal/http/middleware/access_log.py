"""Around every request: its id, its one line in the log, its place in the metrics.

Plain ASGI, outside the framework, so that no answer escapes it: not a refused route and not a crash.
"""

import re
import time

import structlog

from internal.domain.errors import ClientGone
from internal.domain.ids import new_id
from internal.http.asgi import App, Message, Receive, Scope, Send
from internal.observability import metrics

log = structlog.get_logger(__name__)


_REQUEST_ID = re.compile(r"[\x21-\x7e]{1,128}")


QUIET = frozenset({"/health", "/health/live", "/health/ready", "/metrics"})
"""Asked every few seconds by machines: logged only when they go wrong."""


class AccessLog:
    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            exchange = _Exchange(receive, send, request_id)
            scope.setdefault("state", {})["request_id"] = request_id
            try:
                await self._app(scope, exchange.receive, exchange.send)
            finally:
                exchange.count(scope)
                exchange.log_line(scope)


def _request_id(scope: Scope) -> str:
    """The client's X-Request-ID when it is short and printable, else one of ours."""
    given = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"").decode("latin-1")
    return given if _REQUEST_ID.fullmatch(given) else str(new_id())


class _Exchange:
    """One request and its answer: counts what passes."""

    def __init__(self, receive: Receive, send: Send, request_id: str) -> None:
        self._receive, self._send, self._request_id = receive, send, request_id
        self._began = time.perf_counter()
        self._status: int | None = None
        self._complete = False
        self._bytes_in = self._bytes_out = 0

    async def receive(self) -> Message:
        message = await self._receive()
        self._bytes_in += len(message.get("body", b""))
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            message["headers"] = [*message.get("headers", ()), (b"x-request-id", self._request_id.encode())]
        else:
            self._bytes_out += len(message.get("body", b""))
        await self._send(message)
        self._complete = message["type"] == "http.response.body" and not message.get("more_body", False)

    def _outcome(self, scope: Scope) -> int:
        """The status that was sent. An answer that is not complete is none: 499 when the client hung up, else 500."""
        if self._status is not None and self._complete:
            return self._status
        return 499 if scope["state"].get("problem") == ClientGone.code else 500

    def count(self, scope: Scope) -> None:
        """By the route's template: a path holds an id, and would be a series of its own."""
        route = str(scope.get("path_template") or "unmatched")
        metrics.HTTP_REQUESTS.labels(scope["method"], route, str(self._outcome(scope))).inc()
        metrics.HTTP_SECONDS.labels(scope["method"], route).observe(time.perf_counter() - self._began)

    def log_line(self, scope: Scope) -> None:
        status = self._outcome(scope)
        if scope["path"] in QUIET and status < 400:
            return
        line = log.warning if status >= 500 else log.info
        problem = scope["state"].get("problem")
        line(
            "request",
            method=scope["method"],
            path=scope["path"],
            client=client[0] if (client := scope.get("client")) else None,
            status=status,
            seconds=round(time.perf_counter() - self._began, 4),
            bytes_in=self._bytes_in,
            bytes_out=self._bytes_out,
            **({"problem": problem} if problem else {}),
            **({"sent_status": self._status} if self._status not in (None, status) else {}),
        )
