"""`POST /images`: the form is read as a stream, and its picture goes straight into the store."""

from collections.abc import AsyncIterator
from functools import partial

from litestar import post
from litestar.response.base import ASGIResponse

from internal.api.forms.described import form_content
from internal.api.forms.form import Form
from internal.api.forms.upload_slots import UploadSlots
from internal.api.openapi import examples
from internal.api.openapi.components import LOCATION
from internal.api.openapi.describe import Answer, StreamedBody, describe
from internal.api.requests.identity import owner_of
from internal.api.requests.rates import client_address_of, counted_owner_of, upload_meter_of
from internal.api.requests.request import idempotency_key_of, message_context_of, state_of
from internal.api.responses.stored import render_image, to_response
from internal.api.routes.images import IMAGES
from internal.api.schemas import ImageBody
from internal.domain.errors import (
    DatabaseUnavailable,
    DeadlinePassed,
    IdempotencyConflict,
    IdempotencyInProgress,
    ImageTooLarge,
    InvalidImage,
    InvalidProcessing,
    PayloadTooLarge,
    QuotaExceeded,
    RequestTimeout,
    StoreUnavailable,
    UnsupportedMediaType,
)
from internal.domain.identity import Scope
from internal.http.asgi import ApiRequest
from internal.http.server.protocol import connection_of
from internal.intake.idempotency import with_idempotency_lock
from internal.intake.multipart import ROUTE
from internal.intake.upload import time_limit

FORM_BYTES = 2**18
"""Bytes of a form besides its picture: the other parts, headers and boundaries."""


async def _at_most(max_bytes: int, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yields `chunks`. Raises PayloadTooLarge at the first byte beyond `max_bytes`, also in a form's preamble and epilogue."""
    left = max_bytes
    async for chunk in chunks:
        left -= len(chunk)
        if left < 0:
            raise PayloadTooLarge
        yield chunk


def upload_slots_of(request: ApiRequest) -> UploadSlots:
    slots: UploadSlots = request.app.state.upload_slots
    return slots


@post(
    "/images",
    status_code=201,
    **describe(
        IMAGES,
        "Upload a picture",
        scope=Scope.WRITE,
        body=StreamedBody(form_content),
        answers={
            201: Answer(
                "The picture is kept. A repeated Idempotency-Key gets this same answer again.",
                ImageBody,
                examples.uploaded,
                LOCATION,
            )
        },
        errors=(
            RequestTimeout,
            IdempotencyInProgress,
            PayloadTooLarge,
            QuotaExceeded,
            UnsupportedMediaType,
            InvalidImage,
            ImageTooLarge,
            InvalidProcessing,
            IdempotencyConflict,
            StoreUnavailable,
            DatabaseUnavailable,
            DeadlinePassed,
        ),
        headers=("Idempotency-Key",),
    ),
)
async def upload_image(request: ApiRequest) -> ASGIResponse:
    """Keeps the picture and asks for its renditions, which are made in the background. A 201 means: it is safe, and it will come
    to an end, `processed` or `failed`. What only decoding can find, like a file cut short, ends as `failed` with `invalid_image`.
    The parts of the form may come in any order; the picture is read as a stream.
    """
    state = state_of(request)
    policy = state.policy
    max_bytes = policy.max_upload_bytes + FORM_BYTES
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > max_bytes:
        raise PayloadTooLarge(f"The body has {announced} bytes; a picture may have {policy.max_upload_bytes}.")
    slot = upload_slots_of(request).slot(client_address_of(request), counted_owner_of(request), connection_of(request.scope))
    body = slot.hold_for(_at_most(max_bytes, request.stream()))
    least_bytes = max(0, int(announced) - FORM_BYTES) if announced.isdecimal() else 0
    content_type = request.headers.get("content-type", "")
    form = Form(body, content_type, max_metadata_bytes=policy.max_metadata_bytes, least_bytes=least_bytes)
    key = idempotency_key_of(request, ROUTE, policy.intent_seconds)
    meter = upload_meter_of(request, state.upload_rates, max_bytes)
    accept = partial(state.multipart.accept, owner_of(request), form, message_context_of(request), meter=meter)
    identify = partial(state.multipart.identify, form)
    render = partial(render_image, 201, grammar=state.grammar)
    async with slot, time_limit(state.settings.server.upload_seconds):
        return to_response(await with_idempotency_lock(state.repository, key, accept, identify, render))
