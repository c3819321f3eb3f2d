"""Sending an object's bytes: small ones in one piece, larger ones as they come, ranges and conditions obeyed."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import datetime
from enum import StrEnum
from functools import partial
from urllib.parse import quote
from uuid import UUID

import structlog
from litestar.enums import HttpMethod
from litestar.response.base import ASGIResponse
from litestar.types import Receive, Scope, Send
from msgspec import Struct

from internal.api.requests.conditional import Representation, conditions_of, decide
from internal.domain.errors import (
    ClientGone,
    NotFound,
    ObjectLost,
    ObjectNotFound,
    PreconditionFailed,
    RangeNotSatisfiable,
    StoreUnavailable,
)
from internal.http.asgi import ApiRequest
from internal.observability import metrics
from internal.ports.object_store import ByteRange, ObjectStore, ObjectStream
from internal.ports.repository.repository import Repository

log = structlog.get_logger(__name__)

OpenObject = Callable[[], AbstractAsyncContextManager[ObjectStream]]

ONE_PIECE_BYTES = 2**20

EXTENSION = {
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/webp": "webp",
    "image/gif": "gif",
    "image/tiff": "tif",
    "image/avif": "avif",
    "image/heic": "heic",
}

_NOT_PLAIN = re.compile(r'[^ -~]|["%/\\]')
"""What the quoted `filename` of RFC 6266 can't hold, or what some program reads in another way (its appendix D)."""


class Disposition(StrEnum):
    """What a browser does with the answer: shows it, or saves it (RFC 6266)."""

    INLINE = "inline"
    ATTACHMENT = "attachment"


class Download(Struct, frozen=True):
    """One object of an image, to be sent. `sha256` makes the strong ETag; `stem` is the file name offered, without its ending.

    `varies`: another client may get another file from the same address, as its Accept says. `cross_origin`: other sites
    may show it in their pages.
    """

    image_id: UUID
    key: str
    sha256: str
    size: int
    content_type: str
    modified: datetime
    stem: str
    varies: bool = False
    cross_origin: bool = False
    disposition: Disposition = Disposition.INLINE


def etag_of(sha256: str) -> str:
    """The strong tag of bytes with this hash, with its quotes."""
    return f'"{sha256[:32]}"'


async def send(
    request: ApiRequest, download: Download, store: ObjectStore, repository: Repository, cache_control: str
) -> ASGIResponse:
    """The response for a GET or HEAD. The store is asked only when bytes are to be sent: a 304 costs it nothing.

    Raises PreconditionFailed and RangeNotSatisfiable, as the request's conditions say.
    """
    representation = Representation(etag_of(download.sha256), download.modified, download.size, not download.varies)
    decision = decide(representation, conditions_of(request.headers), request.method)
    if decision.status == 412:
        raise PreconditionFailed
    if decision.status == 416:
        raise RangeNotSatisfiable(size=download.size)
    headers = _headers(download, representation, cache_control)
    byte_range = decision.byte_range or ByteRange(0, download.size)
    if decision.status == 304:
        del headers["content-type"]
        return ASGIResponse(status_code=decision.status, headers=headers, is_head_response=True)
    if decision.status == 206:
        headers["content-range"] = f"bytes {byte_range.start}-{byte_range.stop - 1}/{download.size}"
    headers["content-length"] = str(byte_range.stop - byte_range.start)
    if request.method == HttpMethod.HEAD:
        return ASGIResponse(status_code=decision.status, headers=headers, is_head_response=True)
    if byte_range.stop - byte_range.start <= ONE_PIECE_BYTES:
        async with _open_object(download, decision.byte_range, store, repository) as opened:
            body = b"".join([chunk async for chunk in opened.chunks])
        return ASGIResponse(body=body, status_code=decision.status, headers=headers)
    return StreamedObject(
        partial(_open_object, download, decision.byte_range, store, repository), status_code=decision.status, headers=headers
    )


class StreamedObject(ASGIResponse):
    """An object's bytes as they come from the store, in constant memory; it ends when the client hangs up.

    The object is opened before the status is sent, so that a store that is down is a 503 and not a broken 200. A store that fails
    later breaks the answer off, short of its Content-Length.

    INVARIANT: an answer that broke off closes its connection, so that the client notices, and is not counted as a 200
    (tests/integration/test_damaged_objects.py::test_a_body_that_breaks_off_closes_the_connection_and_is_no_200).
    """

    def __init__(self, open_object: OpenObject, *, status_code: int, headers: dict[str, str]) -> None:
        super().__init__(status_code=status_code, headers=headers)
        self._opener = open_object

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._started = False
        try:
            async with self._opener() as opened:
                await self._send(opened, scope, receive, send)
        except StoreUnavailable as outage:
            if not self._started:
                raise
            scope["state"]["problem"] = "broken_off"
            metrics.BROKEN_OFF.inc()
            log.warning("download.broken_off", detail=outage.detail, cause=repr(outage.__cause__))

    async def _send(self, opened: ObjectStream, scope: Scope, receive: Receive, send: Send) -> None:
        disconnected = asyncio.ensure_future(_wait_for_disconnect(receive))
        try:
            await self.start_response(send)
            self._started = True
            async for chunk in opened.chunks:
                if disconnected.done():
                    scope["state"]["problem"] = ClientGone.code
                    return
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            disconnected.cancel()


@asynccontextmanager
async def _open_object(
    download: Download, byte_range: ByteRange | None, store: ObjectStore, repository: Repository
) -> AsyncIterator[ObjectStream]:
    """The object, open, as long as its row says. Raises NotFound when it was deleted meanwhile, else ObjectLost.

    INVARIANT: an object of another size is a 500, and never a 200 with a broken body
    (tests/integration/test_damaged_objects.py::test_a_cut_object_is_refused_before_the_status).
    """
    async with AsyncExitStack() as stack:
        try:
            opened = await stack.enter_async_context(store.get(download.key, byte_range))
        except ObjectNotFound as error:
            if not await repository.references.referred([download.key]):
                raise NotFound from error  # its image was deleted between the look-up and now
            metrics.MISSING.inc()
            log.error("object.missing", image_id=str(download.image_id), key=download.key)
            raise ObjectLost from error
        if opened.size != download.size:
            metrics.DAMAGED.inc()
            sizes = {"size": opened.size, "expected": download.size}
            log.error("object.damaged", image_id=str(download.image_id), key=download.key, **sizes)
            raise ObjectLost
        yield opened


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _headers(download: Download, representation: Representation, cache_control: str) -> dict[str, str]:
    name = f"{download.stem}.{EXTENSION.get(download.content_type, 'bin')}"
    return {
        **({"vary": "accept"} if download.varies else {}),
        **({"cross-origin-resource-policy": "cross-origin"} if download.cross_origin else {}),
        "content-type": download.content_type,
        "etag": representation.etag,
        "last-modified": representation.last_modified,
        "cache-control": cache_control,
        "accept-ranges": "bytes",
        "content-security-policy": "default-src 'none'; sandbox",
        "content-disposition": content_disposition(download.disposition, name),
    }


def content_disposition(disposition: str, name: str) -> str:
    """`inline` or `attachment` with the file's name, by RFC 6266.

    The name is there twice: `curl -OJ` (7.88) and other programs read `filename` alone, which holds ASCII only. What it can't
    hold is a `_` there. Who reads `filename*` prefers it.
    """
    return f"{disposition}; filename=\"{_NOT_PLAIN.sub('_', name)}\"; filename*=UTF-8''{quote(name, safe='')}"
