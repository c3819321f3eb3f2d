"""Clients that keep connections open and send next to nothing: silent ones, and slow uploads."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tests.e2e.deployment import IMAGES
from tests.e2e.wire import FORM, opening
from tests.services.waiting import repeated

MOST = 60
"""Connections at once: the oldest make place."""
DRIP_SECONDS = 1.0
KINDS = ("silent", "half a head", "no body", "dripping")


def begin(kind: str, key: str) -> bytes:
    """What it sends at once; all but the silent ones then send a byte a second. With the `key` they are let in."""
    fields = ("host: soak", f"authorization: Bearer {key}", f"content-type: {FORM}", "content-length: 100000", "")
    head = "\r\n".join((f"POST {IMAGES} HTTP/1.1", *fields)).encode()
    return {"silent": b"", "half a head": head, "no body": head + b"\r\n"}.get(kind, head + b"\r\n" + opening())


class Loiterers:
    """Bounded in number. A connection that the service ends is forgotten. `key`: an API key."""

    def __init__(self, key: str) -> None:
        self._key = key
        self._connections: list[tuple[str, socket.socket]] = []
        self._lock = threading.Lock()

    def join(self, kind: str, place: tuple[str, int]) -> None:
        """One more of this kind; nobody is there to take it while an API is being replaced."""
        with suppress(OSError):
            connection = socket.create_connection(place, timeout=5)
            connection.sendall(begin(kind, self._key))
            with self._lock:
                self._connections.append((kind, connection))
                ended, self._connections = self._connections[:-MOST], self._connections[-MOST:]
            for _, one in ended:
                one.close()

    @contextmanager
    def dripping(self) -> Iterator[None]:
        """They drip in a thread of their own while the block runs, and are gone at its end."""
        try:
            with repeated(self._drip, DRIP_SECONDS):
                yield
        finally:
            for _, connection in self._connections:
                connection.close()
            self._connections.clear()

    def _drip(self) -> None:
        """A byte of each that is not silent."""
        with self._lock:
            connections = list(self._connections)
        for kind, connection in connections:
            try:
                if kind != "silent":
                    connection.send(b"x")
            except OSError:
                self._forget(connection)

    def _forget(self, gone: socket.socket) -> None:
        with self._lock:
            self._connections = [one for one in self._connections if one[1] is not gone]
        gone.close()
