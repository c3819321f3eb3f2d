"""uvicorn's protocol with deadlines for clients: a silent, slow or endless client loses its connection.

Each second a connection's progress is compared with the deadlines (internal/http/server/deadlines.py). Between these checks a
busy connection costs nothing. The deadlines apply only while the server waits for the client:

- headers: from the connection's start, or from the first byte of a further request;
- body: while the application reads, but not while it is behind or has not sent `100 Continue`;
- answer: while bytes wait to be sent. Bytes in the kernel count as unsent until the client's side has acknowledged them.

Between two requests uvicorn's keep-alive timer applies; while the application works on a request, none does.
"""

import fcntl
import struct
import termios
from contextlib import suppress
from typing import Any
from weakref import WeakKeyDictionary

import structlog
from uvicorn import Config
from uvicorn.server import ServerState

from internal.http.server.connections import ConnectionLimits, Connections, address_of
from internal.http.server.deadlines import Progress
from internal.http.server.lingering import MAX_HEAD_BYTES, MIN_BYTES, LingeringProtocol, RefusalHeaders, no_headers
from internal.observability import metrics

log = structlog.get_logger(__name__)

MAX_FIELDS = 128
"""Header fields of one request, and of its trailers. A field costs memory besides its bytes: 64 KiB of `a:` took 4 MB."""

MAX_PIPELINED = 32
"""Pipelined requests that wait on one connection. Each costs 3 KB, and one read can hold 14,000 of them."""

EXTENSION = "image_processor.connection"
"""Key of the protocol in an ASGI scope's extensions; upload slots ask it whether the client keeps up."""

_servers: WeakKeyDictionary[ServerState, Connections] = WeakKeyDictionary()


class _HeadTooLarge(Exception):
    """Raised from a callback to stop the parser."""


class _PipelineFull(Exception):
    """Raised from a callback to stop the parser after the last pipelined request that is taken."""


class WatchedProtocol(LingeringProtocol):
    """INVARIANT: a client that is silent, or sends or reads below the minimum rate, loses its connection, and everything that the
    connection holds is freed (tests/unit/http/test_connections.py, with scaled times).
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: Any = None,
        *,
        max_bytes: int = MIN_BYTES,
        limits: ConnectionLimits = ConnectionLimits(),  # noqa: B008 - it is frozen
        refusal_headers: RefusalHeaders = no_headers,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop, max_bytes=max_bytes, refusal_headers=refusal_headers)
        self._deadlines = limits.deadlines
        self._registry = _servers.setdefault(server_state, Connections(limits))
        self.address, self.is_proxy = "", False
        self._head_seconds: float | None = None
        """Seconds since the current request's headers began; None while none are expected."""
        self._head_bytes = self._head_fields = 0
        self._discarding = False
        self._received = self._received_before = self._taken = 0
        self._body_progress: Progress | None = None
        self._reader_progress: Progress | None = None

    @property
    def behind(self) -> float:
        """Seconds that the request's body is behind the minimum rate; 0 when all of it has arrived."""
        return self._body_progress.behind if self._body_progress is not None and self._in_body and not self.lingering else 0.0

    @property
    def is_flushed(self) -> bool:
        """True if nothing waits to be sent. A connection closed earlier stays open until then, and must still be checked."""
        return not self._wire.get_write_buffer_size()

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        peer = self.client[0] if self.client else None
        self.address, self.is_proxy = address_of(peer), peer in self._registry.limits.proxies
        self._head_seconds = 0.0
        if not self._registry.add(self):
            self._count_cut_off("refused")
            self._refuse(503, "There are too many connections. Try again after the time in Retry-After.", code="unavailable")

    def connection_lost(self, exc: Exception | None) -> None:
        self._registry.remove(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._received += len(data)
        if self._discarding and not self.lingering:
            self.flow.pause_reading()
            return
        if self._head_seconds is None and self._is_idle():
            self._head_seconds = 0.0
        super().data_received(data)

    def on_message_begin(self) -> None:
        if len(self.pipeline) >= MAX_PIPELINED and not self.lingering:
            self._discard_input()
            raise _PipelineFull
        self._head_bytes = self._head_fields = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        self._head_bytes += len(url)
        if self._head_bytes > MAX_HEAD_BYTES:
            raise _HeadTooLarge
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_bytes += len(name) + len(value) + 4
        self._head_fields += 1
        if self._head_bytes > MAX_HEAD_BYTES or self._head_fields > MAX_FIELDS:
            raise _HeadTooLarge
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._head_seconds = self._body_progress = None
        self._head_bytes = self._head_fields = 0  # of trailers, from now on
        super().on_headers_complete()
        if not self.lingering:
            self.scope["extensions"] = {EXTENSION: self}  # type: ignore[dict-item]
            self._registry.mark_busy(self)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._is_idle():
            self._registry.mark_idle(self)
            self._head_seconds = 0.0 if self._in_head else None

    def send_400_response(self, msg: str) -> None:
        if self._discarding:
            return
        if self._head_bytes > MAX_HEAD_BYTES or self._head_fields > MAX_FIELDS:
            self._refuse(431, f"The request's headers are longer than {MAX_HEAD_BYTES} bytes, or more than {MAX_FIELDS}.")
        else:
            super().send_400_response(msg)

    def _refuse(self, status: int, detail: str, *, code: str = "invalid_request") -> None:
        if self._in_body or self._is_idle():
            super()._refuse(status, detail, code=code)
        else:  # an earlier request is still at work: an answer now would be taken for that one's
            self._discard_input()

    def _discard_input(self) -> None:
        """End the connection after the last answer, which says `Connection: close`. Further input is dropped, as a body is."""
        self._in_body = self._discarding = True
        self.cycle.keep_alive = False

    def check(self, seconds: float) -> None:
        """Compare the connection with the deadlines, `seconds` after the last check."""
        came, self._received_before = self._received - self._received_before, self._received
        if waiting := self._wire.get_write_buffer_size():
            self._check_reader(waiting, seconds)
            return
        self._reader_progress = None
        if self.lingering or self._wire.is_closing():
            return
        if self._is_idle():
            if self._head_seconds is not None:
                self._head_seconds += seconds
                if self._head_seconds >= self._deadlines.head_seconds:
                    self._time_out_head()
        elif self._in_body and not self._discarding and not self.flow.read_paused and not self.cycle.waiting_for_100_continue:
            self._body_progress = self._body_progress or Progress(self._deadlines)
            if self._body_progress.is_too_slow(seconds, came):
                self.cut_off("body", "The body came too slowly. Send it again over a faster connection.")

    def close_idle(self) -> None:
        """Close it while it waits for a request, to make room for another one."""
        self._count_cut_off("idle")
        self._wire.close()

    def cut_off(self, reason: str, detail: str) -> None:
        """End a request whose body is incomplete: 408 for the client, a disconnect for the application."""
        self._count_cut_off(reason)
        if self.cycle.response_started:
            self._wire.abort()
        else:
            self._refuse(408, detail, code="request_timeout")

    def _is_idle(self) -> bool:
        """True if it waits for a request, or for the rest of its headers."""
        cycle: Any = self.cycle  # None before the first request
        return cycle is None or cycle.response_complete

    def _time_out_head(self) -> None:
        self._count_cut_off("head")
        if self._in_head:
            self._refuse(408, "The request's headers came too slowly.", code="request_timeout")
        else:  # no request has begun: nobody expects an answer
            self._wire.close()

    def _check_reader(self, waiting: int, seconds: float) -> None:
        taken = self.transport.sent - waiting - _unacknowledged(self._wire)  # type: ignore[attr-defined]
        if self._reader_progress is None:
            self._reader_progress, self._taken = Progress(self._deadlines), taken
        elif self._reader_progress.is_too_slow(seconds, max(0, taken - self._taken)):
            self._count_cut_off("reading")
            self._wire.abort()
        self._taken = max(self._taken, taken)

    def _count_cut_off(self, reason: str) -> None:
        metrics.CUT_OFF.labels(reason).inc()
        log.debug("connection.cut_off", reason=reason, address=self.address)


def connection_of(scope: Any) -> WatchedProtocol | None:
    """The protocol of a request's connection; None under another server."""
    found = scope.get("extensions", {}).get(EXTENSION)
    return found if isinstance(found, WatchedProtocol) else None


def _unacknowledged(transport: Any) -> int:
    """Bytes in the kernel that the client's side has not acknowledged. 0 where the kernel does not report it."""
    with suppress(OSError):
        return int(struct.unpack("i", fcntl.ioctl(transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, bytes(4)))[0])
    return 0
