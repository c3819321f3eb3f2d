"""Lingering close: how a connection is closed while its client is still sending. RFC 9112, section 9.6.

An answer can be known before the request's body has arrived: a file of the wrong kind, a body that is too large, a path that has
no POST. If the server closed at once, the client's kernel would see a reset, and a client that sends first and reads afterwards
would never read the answer. So the connection lingers: the answer is sent with `Connection: close`, our side is closed for
writing, and further input is dropped until the body or the connection ends, or a limit is reached. Nothing of it is stored, and
no further request is taken from the connection.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any, ClassVar

import httptools
from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from internal.domain.errors import ServiceError
from internal.http.asgi import App, Header, Message, Receive, Scope, Send
from internal.http.middleware.default_headers import DEFAULTS
from internal.http.problems import MEDIA_TYPE, RETRY_SECONDS, detail_of, problem_response
from internal.http.server.upgrades import IgnoringUpgrades

LINGER_SECONDS = 30.0
"""How long a connection lingers at most. This and the next are nginx's `lingering_time` and `lingering_timeout`."""

IDLE_SECONDS = 5.0
"""A lingering connection is closed after this silence; it is checked this often, so it may take twice as long."""

STOP_SECONDS = 1.0
"""How long a connection lingers while the server shuts down."""

MAX_LINGERING = 128
"""Lingering connections of one process. One more closes the one that has lingered longest."""

MIN_BYTES = 2**28

RefusalHeaders = Callable[[list[Header]], Iterable[Header]]
"""Further headers of an answer that the server gives itself, by the request's headers, as far as they have come."""

MAX_HEAD_BYTES = 64 * 1024
"""Of one request's head, of its trailers, or between two pieces of its body, which is chunked then. httptools 0.9.0 has no bound,
and takes 12 s of CPU for a header of 64 MiB that comes in pieces of 64 KiB."""


def linger_bytes(max_upload_bytes: int) -> int:
    """Bytes of one body that are dropped before the connection is closed anyway: more than the largest upload."""
    return max(MIN_BYTES, 2 * max_upload_bytes)


def no_headers(_: list[Header]) -> Iterable[Header]:
    return ()


class LingeringTransport:
    """The transport that uvicorn sees: `close` goes to the protocol, the rest to the real transport. `sent`: bytes so far."""

    def __init__(self, transport: asyncio.Transport, protocol: "LingeringProtocol") -> None:
        self._transport, self._protocol = transport, protocol
        self.sent = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Drops data after the end: a request may still be at work when the connection is ended."""
        if not self.is_closing():
            self.sent += len(data)
            self._transport.write(data)

    def is_closing(self) -> bool:
        return self._protocol.lingering or self._transport.is_closing()

    def close(self) -> None:
        self._protocol.close()


class LingeringProtocol(HttpToolsProtocol):
    """uvicorn's protocol, with a lingering close wherever it would close in the middle of a request's body.

    INVARIANT: bytes of a body that was not read are never taken for a request: the answer says `Connection: close`, and a
    connection that lingers starts no request
    (tests/unit/http/test_lingering.py::test_nothing_behind_an_unread_body_is_a_request).
    """

    _all_lingering: ClassVar[dict["LingeringProtocol", None]] = {}
    """Of this process, the longest first."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,  # the name that uvicorn passes it by
        *,
        max_bytes: int = MIN_BYTES,
        refusal_headers: RefusalHeaders = no_headers,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.app = self._closing_when_unread(self.app)
        self.parser = IgnoringUpgrades(self)  # type: ignore[assignment]  # a parser in all that uvicorn asks of one
        self.lingering = False
        self._max_bytes = max_bytes
        self._refusal_headers = refusal_headers
        self._in_body = False
        self._stopping = False
        self._in_head = 0
        self._dropped = self._dropped_before = 0
        self._until = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def _closing_when_unread(self, app: App) -> App:
        """`app`, whose answers say `Connection: close` when they begin before the request's body has ended.

        A crash outside of the framework is a problem too; uvicorn 0.54.0 answers it with a bare text.
        """

        async def answering(scope: Scope, receive: Receive, send: Send) -> None:
            started = False

            async def send_closing(message: Message) -> None:
                nonlocal started
                started = True
                if message["type"] == "http.response.start" and self._in_body and scope is self.scope:
                    message = {**message, "headers": [*message.get("headers", ()), (b"connection", b"close")]}
                await send(message)

            try:
                await app(scope, receive, send_closing)
            except Exception:
                if not started:
                    headers, body = self._problem(500, detail_of(ServiceError()), ServiceError.code)
                    await send({"type": "http.response.start", "status": 500, "headers": headers})
                    await send({"type": "http.response.body", "body": body})
                raise

        return answering

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._wire = transport
        super().connection_made(LingeringTransport(transport, self))  # type: ignore[arg-type]

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_lingering()
        super().connection_lost(exc)

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_body:  # else it is a trailer, which is no header (RFC 9110, 6.5.1)
            super().on_header(name, value.rstrip(b" \t"))  # httptools 0.9.0 leaves what is behind a value, which is none of it

    def on_headers_complete(self) -> None:
        self._in_head = 0
        if not self.lingering:
            self._in_body = True
            super().on_headers_complete()
            if b"#" in self.url:  # a request's target has no fragment (RFC 9112, 3.2); uvicorn 0.54.0 drops it in silence
                self.scope["raw_path"] = self.url

    def on_body(self, body: bytes) -> None:
        self._in_head = 0
        if not self.lingering:
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._in_head = 0
        self._in_body = False
        if self.lingering:
            self._close_now()
        else:
            super().on_message_complete()

    def data_received(self, data: bytes) -> None:
        endless = self._in_head > MAX_HEAD_BYTES
        self._in_head += len(data)
        if not self.lingering:
            super().data_received(data)
            if self._in_head > MAX_HEAD_BYTES and not self.transport.is_closing():
                self._refuse(431, f"The request's headers are longer than {MAX_HEAD_BYTES} bytes.")
            return
        self._dropped += len(data)
        if self._dropped > self._max_bytes:
            self._close_now()
            return
        if not endless:
            with contextlib.suppress(httptools.HttpParserError):  # what is no HTTP is dropped as well
                self.parser.feed_data(data)

    def send_400_response(self, msg: str) -> None:
        self._refuse(400, msg)

    def _refuse(self, status: int, detail: str, *, code: str = "invalid_request") -> None:
        """A problem, as all that is refused; `detail` is for people. The rest is dropped: nobody knows where it would end."""
        self._in_body = True
        headers, body = self._problem(status, detail, code)
        fields = (b"%s: %s" % header for header in (*self.server_state.default_headers, *headers))
        lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}".encode(), *fields]
        self.transport.write(b"\r\n".join([*lines, b"", body]))
        self.close()

    def _problem(self, status: int, detail: str, code: str) -> tuple[list[Header], bytes]:
        """An answer that no application gives: its headers and its body."""
        body = problem_response(status, code, detail).body
        headers = [
            (b"content-type", MEDIA_TYPE.encode()),
            (b"content-length", b"%d" % len(body)),
            *DEFAULTS,
            *self._refusal_headers(self.headers or []),
            *([(b"retry-after", b"%d" % RETRY_SECONDS)] if status == 503 else []),
            (b"connection", b"close"),
        ]
        return headers, body

    def shutdown(self) -> None:
        self._stopping = True
        if self.lingering:
            self._linger_for(STOP_SECONDS)
        else:
            super().shutdown()

    def close(self) -> None:
        """Close the connection: at once between two requests, lingering in the middle of a body."""
        if self._wire.is_closing() or not self._in_body:
            self._wire.close()
        elif not self.lingering:
            self._linger()

    def _linger(self) -> None:
        while len(self._all_lingering) >= MAX_LINGERING:
            next(iter(self._all_lingering))._close_now()
        self._all_lingering[self] = None
        self.lingering = True
        if self.cycle is not None:  # its application hears no more of the body, and is to know it
            self.cycle.disconnected = not self.cycle.response_complete
            self.cycle.body.clear()
            self.cycle.message_event.set()
        if self._wire.can_write_eof():
            self._wire.write_eof()
        self.flow.resume_reading()
        self._linger_for(STOP_SECONDS if self._stopping else LINGER_SECONDS)

    def _linger_for(self, seconds: float) -> None:
        self._until = self.loop.time() + seconds
        self._schedule_check(min(seconds, IDLE_SECONDS))

    def _schedule_check(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.loop.call_later(seconds, self._check_linger)

    def _check_linger(self) -> None:
        left = self._until - self.loop.time()
        if left <= 0 or self._dropped == self._dropped_before:
            self._close_now()
        else:
            self._dropped_before = self._dropped
            self._schedule_check(min(left, IDLE_SECONDS))

    def _close_now(self) -> None:
        self._stop_lingering()
        self._wire.close()

    def _stop_lingering(self) -> None:
        self._all_lingering.pop(self, None)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
