"""HTTP connections to an S3 server: how long they wait, and when they try once more."""

import os
import ssl
from typing import Any, Self

import certifi
import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

from internal.objectstore.s3.settings import MinioSettings

PIECE = 2**20
"""Bytes that have to go out within `connect_seconds`."""

_TIMEOUTS = (TimeoutError, urllib3.exceptions.TimeoutError)


class _OneFreshConnection(urllib3.Retry):
    """One more try for a kept connection that the server has closed meanwhile; none after a timeout, which would double it."""

    def increment(self, *args: Any, **named: Any) -> Self:
        error = named.get("error") or Exception()
        if any(isinstance(found, _TIMEOUTS) for found in (error, *error.args)):  # one of sending is inside a ProtocolError
            raise error
        return super().increment(*args, **named)


class _InPieces:
    """Sends a body piece by piece. urllib3 lets the timeout of connecting stand while it sends, and to a socket that is the time
    for all that one call sends: a part of 8 MiB would need a link of 4 MB/s.

    INVARIANT: a slow link is no outage (tests/unit/objectstore/test_connections.py).
    """

    def send(self, data: Any) -> None:
        whole = memoryview(data)
        for start in range(0, len(whole), PIECE):
            super().send(whole[start : start + PIECE])  # type: ignore[misc]


class _Connection(_InPieces, HTTPConnection):
    pass


class _SecureConnection(_InPieces, HTTPSConnection):
    pass


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


def connections(settings: MinioSettings, count: int) -> urllib3.PoolManager:
    """At most `count` of them are kept open. Each call ends by itself: it carries the settings' timeouts."""
    manager = urllib3.PoolManager(
        maxsize=count,
        timeout=urllib3.Timeout(connect=settings.connect_seconds, read=settings.timeout_seconds),
        retries=_OneFreshConnection(total=1, connect=0, redirect=0, status=0),
        cert_reqs=ssl.CERT_REQUIRED,
        ca_certs=os.environ.get("SSL_CERT_FILE") or certifi.where(),
    )
    manager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}
    return manager


def close(manager: urllib3.PoolManager) -> None:
    """Close every idle connection now; `clear` alone leaves them open as long as anybody holds an error that came by them."""
    for key in manager.pools.keys():  # noqa: SIM118  # iterating over it is what urllib3 forbids
        manager.pools[key].close()
    manager.clear()
