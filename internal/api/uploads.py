"""`POST /images`: the form is read as a stream, and its picture goes straight into the store."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from litestar import post
from litestar.exceptions import InternalServerException
from litestar.response.base import ASGIResponse

from internal.api.answers import answer, response
from internal.api.form import Form
from internal.api.requests import ApiRequest, idempotency_key_of, owner_of, parts_of
from internal.errors import ClientGone, PayloadTooLarge, Unavailable
from internal.images.upload import Context, accept_upload

FORM_BYTES = 2**18
"""What a form may have beside its picture: the other parts, headers and boundaries."""

LINGER_BYTES = 2**20
"""How much of a refused body is still read, so that a client which reads only after sending sees why it was refused."""

LINGER_SECONDS = 2.0

PLACE_SECONDS = 10.0
"""How long an upload waits for a place among those in flight."""


class Body:
    """A request's body as it comes, no more than `max_bytes` of it, and whether all of it has come."""

    def __init__(self, request: ApiRequest, max_bytes: int) -> None:
        self._chunks = request.stream()
        self._left = max_bytes
        self._cut = False
        self.complete = False

    async def chunks(self) -> AsyncIterator[bytes]:
        """Raises PayloadTooLarge at the byte that is too many: also of what a form may have before and behind its parts."""
        try:
            async for chunk in self._chunks:
                self._left -= len(chunk)
                if self._left < 0:
                    raise PayloadTooLarge
                yield chunk
        except asyncio.CancelledError:
            self._cut = True  # the stream is at its end now, but the body is not
            raise
        self.complete = not self._cut

    async def linger(self) -> None:
        """Read a little more of a body that nobody wants, and drop it."""
        self._left = LINGER_BYTES
        with contextlib.suppress(TimeoutError, InternalServerException, PayloadTooLarge):
            async with asyncio.timeout(LINGER_SECONDS):
                async for _ in self.chunks():
                    pass


@asynccontextmanager
async def _place(uploads: asyncio.Semaphore) -> AsyncIterator[None]:
    """One of the places for uploads in flight. Raises Unavailable when none gets free in time."""
    try:
        async with asyncio.timeout(PLACE_SECONDS):
            await uploads.acquire()
    except TimeoutError as error:
        raise Unavailable("Too many uploads are under way. Try again after the time in Retry-After.") from error
    try:
        yield
    finally:
        uploads.release()


@post("/images", status_code=201)
async def upload_image(request: ApiRequest) -> ASGIResponse:
    """Take a picture and ask for its renditions."""
    parts = parts_of(request)
    rules = parts.ports.rules
    max_bytes = rules.max_upload_bytes + FORM_BYTES
    body = Body(request, max_bytes)
    try:
        announced = request.headers.get("content-length", "")
        if announced.isdecimal() and int(announced) > max_bytes:
            raise PayloadTooLarge(f"The body has {announced} bytes; a picture may have {rules.max_upload_bytes}.")
        form = Form(body.chunks(), request.headers.get("content-type", ""), max_metadata_bytes=rules.max_metadata_bytes)
        context = Context(
            owner=owner_of(request),
            idempotency_key=idempotency_key_of(request),
            timeout_seconds=parts.settings.server.upload_seconds,
            answer=partial(answer, 201, grammar=parts.ports.grammar),
        )
        async with _place(parts.uploads):
            return response(await accept_upload(form, parts.ports, context))
    except ClientGone:
        raise
    except Exception:
        if not body.complete:
            await body.linger()
            request.scope["state"]["unread_body"] = not body.complete
        raise
