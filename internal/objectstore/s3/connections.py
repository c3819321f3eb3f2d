"""HTTP connections to an S3 server: timeouts and retries."""

import os
import ssl
from typing import Any, Self

import certifi
import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

from internal.objectstore.s3.settings import MinioSettings

SEND_CHUNK = 2**20
"""Bytes that must be sent within `connect_seconds`."""

_TIMEOUTS = (TimeoutError, urllib3.exceptions.TimeoutError)


class _RetryStaleConnection(urllib3.Retry):
    """One retry for a kept connection that the server has closed. No retry after a timeout, because it would double the wait."""

    def increment(self, *args: Any, **named: Any) -> Self:
        error = named.get("error") or Exception()
        if any(
            isinstance(found, _TIMEOUTS) for found in (error, *error.args)
        ):  # a timeout while sending is inside a ProtocolError
            raise error
        return super().increment(*args, **named)


class _SendsInChunks:
    """Mixin that sends a body in chunks. urllib3 applies the connect timeout to each call that sends, so a part of 8 MiB in one
    call would need a link of 4 MB/s.

    INVARIANT: a slow link is no outage (tests/unit/objectstore/test_connections.py).
    """

    def send(self, data: Any) -> None:
        whole = memoryview(data)
        for start in range(0, len(whole), SEND_CHUNK):
            super().send(whole[start : start + SEND_CHUNK])  # type: ignore[misc]


class _ChunkedConnection(_SendsInChunks, HTTPConnection):
    pass


class _ChunkedSecureConnection(_SendsInChunks, HTTPSConnection):
    pass


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _ChunkedConnection


class _SecurePool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _ChunkedSecureConnection


def connections(settings: MinioSettings, count: int) -> urllib3.PoolManager:
    """Open a pool that keeps at most `count` connections. Each call has the timeouts of the settings."""
    manager = urllib3.PoolManager(
        maxsize=count,
        timeout=urllib3.Timeout(connect=settings.connect_seconds, read=settings.timeout_seconds),
        retries=_RetryStaleConnection(total=1, connect=0, redirect=0, status=0),
        cert_reqs=ssl.CERT_REQUIRED,
        ca_certs=os.environ.get("SSL_CERT_FILE") or certifi.where(),
    )
    manager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}
    return manager


def close(manager: urllib3.PoolManager) -> None:
    """Close every idle connection now. `clear` alone leaves them open while an error from one of them is referenced."""
    for key in manager.pools.keys():  # noqa: SIM118  # urllib3 forbids iterating over `pools` itself
        manager.pools[key].close()
    manager.clear()
