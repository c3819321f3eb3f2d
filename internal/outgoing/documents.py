"""Small documents by HTTP, with httpx2."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2

from internal.domain.urls import is_secure
from internal.ports.outgoing import FetchFailed

MAX_BYTES = 512 * 1024
SECONDS = 5.0
"""Limits of one document."""

HEADERS = {"accept": "application/json", "accept-encoding": "identity", "user-agent": "image-processor"}


class Documents:
    """Gets documents over https. `allow_http`: also over http from other machines; from this machine always.

    It follows no redirect, asks for no compression, reads no variable for proxies and keeps no cookie.
    """

    def __init__(self, client: httpx2.AsyncClient, *, allow_http: bool = False, seconds: float = SECONDS) -> None:
        self._client = client
        self._allow_http = allow_http
        self._seconds = seconds

    async def fetch(self, url: str) -> bytes:
        if not is_secure(url, allow_http=self._allow_http):
            raise FetchFailed(f"{url} is no https address")
        try:
            async with asyncio.timeout(self._seconds), self._client.stream("GET", url) as answer:
                return await _body(answer, url)
        except TimeoutError as error:
            raise FetchFailed(f"{url} did not answer within {self._seconds:g} s") from error
        except (httpx2.HTTPError, httpx2.InvalidURL, ssl.SSLError, OSError) as error:
            raise FetchFailed(f"{url} can't be fetched: {str(error) or type(error).__name__}") from error


async def _body(answer: httpx2.Response, url: str) -> bytes:
    status = answer.status_code
    if status != 200:
        hint = f" to {answer.headers['location']}: name that address" if answer.has_redirect_location else ""
        raise FetchFailed(f"{url} answers with {status}{hint}", status=status)
    if answer.headers.get("content-encoding", "identity") != "identity":
        raise FetchFailed(f"{url} answers with a Content-Encoding, which was not asked for")
    content = bytearray()
    async for chunk in answer.aiter_raw():
        content += chunk
        if len(content) > MAX_BYTES:
            raise FetchFailed(f"{url} answers with more than {MAX_BYTES} bytes")
    return bytes(content)


def tls_context(ca_file: str = "") -> ssl.SSLContext:
    """TLS that trusts the CAs of a file in PEM; empty: the system's. Raises OSError for a file that can't be used."""
    return ssl.create_default_context(cafile=ca_file or None)


@asynccontextmanager
async def open_documents(tls: ssl.SSLContext, *, allow_http: bool = False, seconds: float = SECONDS) -> AsyncIterator[Documents]:
    """Open the client while the block runs."""
    timeout = httpx2.Timeout(seconds)
    limits = httpx2.Limits(max_connections=4, max_keepalive_connections=0)
    async with httpx2.AsyncClient(headers=HEADERS, timeout=timeout, limits=limits, verify=tls, trust_env=False) as client:
        yield Documents(client, allow_http=allow_http, seconds=seconds)
