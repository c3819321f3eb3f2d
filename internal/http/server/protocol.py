"""The API's connections under uvicorn: nobody who is silent, slow, or endless keeps one, nor what it costs.

A look every second costs a busy connection nothing in between: it holds up what has come and what was taken since the last one
against the deadlines (internal/http/server/deadlines.py), and only where the client is the one who is waited for:

- its head: from the connection's beginning, or from the first byte of a further request;
- its body: while we read, and not while the application is behind, or has not said `100 Continue`;
- its reading: while bytes wait to be sent. The kernel counts as the client until the client's side has acknowledged.

Between two requests it is uvicorn's keep-alive timer that waits; while a request is at work nothing of this applies.
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
from internal.http.server.lingering import MAX_HEAD_BYTES, MIN_BYTES, LingeringProtocol
from internal.observability import metrics

log = structlog.get_logger(__name__)

MAX_FIELDS = 128
"""Of one request's head, and of its trailers. Each costs its place in memory beside its bytes: 64 KiB of `a:` were 4 MB."""

MAX_PIPELINED = 32
"""Requests of one connection that wait behind another one's answer. Each costs 3 KB, and one read brought 14,000 of them."""

EXTENSION = "image_processor.connection"
"""In an ASGI scope's extensions: the protocol, for who has to know whether its client keeps up."""

_servers: WeakKeyDictionary[ServerState, Connections] = WeakKeyDictionary()


class _HeadTooLarge(Exception):
    """Raised into the parser, so that it stops."""


class _EnoughAhead(Exception):
    """The same, behind the last request that is taken."""


class WatchedProtocol(LingeringProtocol):
    """INVARIANT: a client that is silent, or takes or sends less than the least rate, loses its connection, and what that holds
    is free again (tests/unit/http/test_connections.py, with scaled times).
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
    ) -> None:
        super().__init__(config, server_state, app_state, _loop, max_bytes=max_bytes)
        self._deadlines = limits.deadlines
        self._registry = _servers.setdefault(server_state, Connections(limits))
        self.address = ""
        self._head_waited: float | None = None
        """Seconds that the rest of a head has been waited for; None while no head is."""
        self._head_bytes = self._head_fields = 0
        self._deaf = False
        self._received = self._received_before = self._taken = 0
        self._sending: Progress | None = None
        self._reading: Progress | None = None

    @property
    def behind(self) -> float:
        """Seconds that the request's body is behind the least rate; 0 when all of it has come."""
        return self._sending.behind if self._sending is not None and self._in_body and not self.lingering else 0.0

    @property
    def is_read(self) -> bool:
        """Whether nothing waits to be sent: what is closed before stays open until all is, and has to be looked at."""
        return not self._wire.get_write_buffer_size()

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.address = address_of(self.client[0] if self.client else None)
        self._head_waited = 0.0
        if not self._registry.add(self):
            self._told("refused")
            self._refuse(503, "There are too many connections. Try again after the time in Retry-After.", code="unavailable")

    def connection_lost(self, exc: Exception | None) -> None:
        self._registry.remove(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._received += len(data)
        if self._deaf and not self.lingering:
            self.flow.pause_reading()
            return
        if self._head_waited is None and self._is_idle():
            self._head_waited = 0.0
        super().data_received(data)

    def on_message_begin(self) -> None:
        if len(self.pipeline) >= MAX_PIPELINED and not self.lingering:
            self._hear_no_more()
            raise _EnoughAhead
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
        self._head_waited = self._sending = None
        self._head_bytes = self._head_fields = 0  # of trailers, from now on
        super().on_headers_complete()
        if not self.lingering:
            self.scope["extensions"] = {EXTENSION: self}  # type: ignore[dict-item]
            self._registry.works(self)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._is_idle():
            self._registry.waits(self)
            self._head_waited = 0.0 if self._in_head else None

    def send_400_response(self, msg: str) -> None:
        if self._deaf:
            return
        if self._head_bytes > MAX_HEAD_BYTES or self._head_fields > MAX_FIELDS:
            self._refuse(431, f"The request's headers are longer than {MAX_HEAD_BYTES} bytes, or more than {MAX_FIELDS}.")
        else:
            super().send_400_response(msg)

    def _refuse(self, status: int, detail: str, *, code: str = "invalid_request") -> None:
        if self._in_body or self._is_idle():
            super()._refuse(status, detail, code=code)
        else:  # what is wrong stands behind a request that is at work: an answer to it now would be taken for that one's
            self._hear_no_more()

    def _hear_no_more(self) -> None:
        """End the connection with the last answer, which says so. What comes before and behind that is dropped, as a body is."""
        self._in_body = self._deaf = True
        self.cycle.keep_alive = False

    def look(self, seconds: float) -> None:
        """Hold the connection against the deadlines, `seconds` after the last look."""
        came, self._received_before = self._received - self._received_before, self._received
        if waiting := self._wire.get_write_buffer_size():
            self._look_at_reading(waiting, seconds)
            return
        self._reading = None
        if self.lingering or self._wire.is_closing():
            return
        if self._is_idle():
            if self._head_waited is not None:
                self._head_waited += seconds
                if self._head_waited >= self._deadlines.head_seconds:
                    self._give_up_head()
        elif self._in_body and not self._deaf and not self.flow.read_paused and not self.cycle.waiting_for_100_continue:
            self._sending = self._sending or Progress(self._deadlines)
            if self._sending.is_too_slow(seconds, came):
                self.cut_off("body", "The body came too slowly. Send it again over a faster connection.")

    def give_up(self) -> None:
        """Close it: it waits for a request, and its place is wanted."""
        self._told("idle")
        self._wire.close()

    def cut_off(self, reason: str, detail: str) -> None:
        """End a request whose body is not here: a 408 for its client, and a hang-up for its application."""
        self._told(reason)
        if self.cycle.response_started:
            self._wire.abort()
        else:
            self._refuse(408, detail, code="request_timeout")

    def _is_idle(self) -> bool:
        """Whether it waits for a request, or for the rest of one's head."""
        cycle: Any = self.cycle  # None before the first request
        return cycle is None or cycle.response_complete

    def _give_up_head(self) -> None:
        self._told("head")
        if self._in_head:
            self._refuse(408, "The request's headers came too slowly.", code="request_timeout")
        else:  # nothing was asked, and nobody reads an answer
            self._wire.close()

    def _look_at_reading(self, waiting: int, seconds: float) -> None:
        taken = self.transport.sent - waiting - _unacknowledged(self._wire)  # type: ignore[attr-defined]
        if self._reading is None:
            self._reading, self._taken = Progress(self._deadlines), taken
        elif self._reading.is_too_slow(seconds, max(0, taken - self._taken)):
            self._told("reading")
            self._wire.abort()
        self._taken = max(self._taken, taken)

    def _told(self, reason: str) -> None:
        metrics.CUT_OFF.labels(reason).inc()
        log.debug("connection.cut_off", reason=reason, address=self.address)


def connection_of(scope: Any) -> WatchedProtocol | None:
    """The protocol under a request, of which this is the scope; None where another server carries it."""
    found = scope.get("extensions", {}).get(EXTENSION)
    return found if isinstance(found, WatchedProtocol) else None


def _unacknowledged(transport: Any) -> int:
    """Bytes that the kernel has and the client's side has not acknowledged. 0 where the kernel does not tell."""
    with suppress(OSError):
        return int(struct.unpack("i", fcntl.ioctl(transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, bytes(4)))[0])
    return 0
