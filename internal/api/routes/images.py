"""Stored images: list, status, further renditions, retry, deletion."""

from datetime import UTC, datetime
from functools import partial
from typing import Annotated

from litestar import delete, get, post
from litestar.openapi.spec import Tag
from litestar.params import QueryParameter
from litestar.response.base import ASGIResponse

from internal.api.openapi import examples
from internal.api.openapi.components import LOCATION
from internal.api.openapi.describe import Answer, JsonBody, describe
from internal.api.openapi.guide import failure_table
from internal.api.requests.cursor import cursor_after, parse_cursor
from internal.api.requests.identity import owner_of
from internal.api.requests.preconditions import precondition_check
from internal.api.requests.queries import parse_parameter
from internal.api.requests.request import (
    ImageId,
    chain_text,
    idempotency_key_of,
    image_id_of,
    json_of,
    message_context_of,
    state_of,
)
from internal.api.responses.stored import render_image, to_response
from internal.api.schemas import ImageBody, MessageBody, Moment, NewRendition, PageBody, image_body
from internal.domain.errors import (
    DatabaseUnavailable,
    IdempotencyConflict,
    IdempotencyInProgress,
    InvalidProcessing,
    NotFound,
    NothingToRetry,
    PayloadTooLarge,
    PreconditionFailed,
    RenditionExists,
)
from internal.domain.identity import Scope
from internal.domain.image import Image, ListFilter
from internal.domain.status import Status
from internal.http.asgi import ApiRequest
from internal.intake.idempotency import run_idempotent
from internal.intake.rendition_request import parse_rendition
from internal.library.delete import delete_image
from internal.library.lookup import find_image_or_upload
from internal.library.renditions import AddedRendition, add_rendition, retry_failed
from internal.ports.repository.repository import Tables

DEFAULT_LIMIT, MAX_LIMIT = 50, 200

MAX_JSON_BYTES = 2**16
"""Of a body that is read whole."""

KEY_LEASE_SECONDS = 30.0
"""How long a post without a file may hold its Idempotency-Key."""


IMAGES = Tag("Images", "Uploads, what became of them, and what else is made of them.")

Cursor = Annotated[
    str | None,
    QueryParameter(
        description="Where the page begins: `next_cursor` of the page before. It has no other meaning.",
        schema_extra={"pattern": "^[A-Za-z0-9_-]+$"},
    ),
]


def _moment(side: str) -> QueryParameter:
    return QueryParameter(description=f"Only images that were uploaded {side} this time, RFC 3339. A time without a zone is UTC.")


@get(
    "/images/{image_id:str}/status",
    **describe(
        IMAGES,
        "Get an image's status",
        scope=Scope.READ,
        answers={200: Answer("The image as it is now.", examples=examples.statuses)},
        errors=(NotFound, DatabaseUnavailable),
        details=failure_table,
    ),
)
async def image_status(request: ApiRequest, image_id: ImageId) -> ImageBody:
    """The image and each of its renditions, with where to get them. A rendition is `stale` when what was `requested` means
    another chain by now: a preset has changed. Ask for it once more to regenerate it. If one has failed, `error` says why:
    """
    state = state_of(request)
    found = await find_image_or_upload(state.repository, owner_of(request), image_id_of(image_id))
    return image_body(found, state.grammar)


@get(
    "/images",
    **describe(
        IMAGES,
        "List images",
        scope=Scope.READ,
        answers={200: Answer("One page.", examples=examples.page)},
        errors=(DatabaseUnavailable,),
        reads={"status": Status, "created_after": Moment, "created_before": Moment},
    ),
)
async def list_images(
    request: ApiRequest,
    limit: Annotated[int, QueryParameter(description="Images a page.", ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT,
    cursor: Cursor = None,
    status: Annotated[str | None, QueryParameter(description="Only images of this status.")] = None,
    created_after: Annotated[str | None, _moment("after")] = None,
    created_before: Annotated[str | None, _moment("before")] = None,
) -> PageBody:
    """Newest first. Follow `next_cursor` until it is null."""
    wanted = ListFilter(
        limit=limit,
        after=None if cursor is None else parse_cursor(cursor),
        status=parse_parameter("status", status, Status),
        created_after=_in_utc(parse_parameter("created_after", created_after, datetime)),
        created_before=_in_utc(parse_parameter("created_before", created_before, datetime)),
    )
    state = state_of(request)
    found = await state.repository.images.page(owner_of(request), wanted)
    page = found[:limit]
    items = [image_body(image, state.grammar) for image in page]
    return PageBody(items, cursor_after(page[-1]) if len(found) > limit else None)


def _in_utc(moment: datetime | None) -> datetime | None:
    """A time without a zone is UTC."""
    return moment.replace(tzinfo=UTC) if moment and moment.tzinfo is None else moment


@post(
    "/images/{image_id:str}/renditions",
    status_code=202,
    request_max_body_size=MAX_JSON_BYTES,
    **describe(
        IMAGES,
        "Ask for one more rendition",
        scope=Scope.WRITE,
        body=JsonBody(NewRendition, examples.new_renditions),
        answers={
            200: Answer("The image has this rendition already, as it should be.", ImageBody, examples.with_thumbnail, LOCATION),
            202: Answer("It will be made, or regenerated.", ImageBody, examples.with_thumbnail, LOCATION),
        },
        errors=(
            NotFound,
            RenditionExists,
            IdempotencyInProgress,
            PayloadTooLarge,
            InvalidProcessing,
            IdempotencyConflict,
            DatabaseUnavailable,
        ),
        headers=("Idempotency-Key",),
    ),
)
async def new_rendition(request: ApiRequest, image_id: ImageId) -> ASGIResponse:
    """The image reads `processing` until the new rendition is made. Asking again for the same name and chain changes nothing,
    unless the rendition is `stale`: then it is regenerated, and its old bytes are served until that is done, even if it fails.
    """
    state, owner, wanted = state_of(request), owner_of(request), image_id_of(image_id)
    data = await json_of(request, NewRendition)
    asked = parse_rendition(data.name, chain_text(data.processing, "`processing`"), state.policy)

    async def add(work: Tables) -> AddedRendition:
        return await add_rendition(work, state.policy, owner, wanted, asked, message_context_of(request))

    def render(added: AddedRendition) -> bytes:
        return render_image(202 if added.new else 200, added.image, state.grammar)

    key = idempotency_key_of(request, f"POST /images/{wanted}/renditions", KEY_LEASE_SECONDS)
    return to_response(await run_idempotent(state.repository, key, add, (wanted, asked.name, asked.pipeline), render))


@post(
    "/images/{image_id:str}/retry",
    status_code=202,
    **describe(
        IMAGES,
        "Try failed renditions again",
        scope=Scope.WRITE,
        answers={202: Answer("They will be tried.", ImageBody, examples.queued, LOCATION)},
        errors=(NotFound, NothingToRetry, IdempotencyInProgress, DatabaseUnavailable),
        headers=("Idempotency-Key",),
    ),
)
async def retry_image(request: ApiRequest, image_id: ImageId) -> ASGIResponse:
    """Queues each failed rendition again, with all its attempts."""
    state, owner, wanted = state_of(request), owner_of(request), image_id_of(image_id)

    async def retry(work: Tables) -> Image:
        return await retry_failed(work, state.policy, owner, wanted, message_context_of(request))

    key = idempotency_key_of(request, f"POST /images/{wanted}/retry", KEY_LEASE_SECONDS)
    render = partial(render_image, 202, grammar=state.grammar)
    return to_response(await run_idempotent(state.repository, key, retry, (wanted,), render))


@delete(
    "/images/{image_id:str}",
    status_code=200,
    **describe(
        IMAGES,
        "Delete an image",
        scope=Scope.WRITE,
        answers={200: Answer("Gone.", examples=examples.deleted)},
        errors=(NotFound, PreconditionFailed, DatabaseUnavailable),
        headers=("If-Match", "If-Unmodified-Since"),
    ),
)
async def remove_image(request: ApiRequest, image_id: ImageId) -> MessageBody:
    """The original and every rendition are gone at once, also one that is being made. A second call is a 404.

    With `If-Match` (or `If-Unmodified-Since`) only while GET on this path answers with that tag: if the picture was regenerated
    meanwhile, this is a 412, and nothing is deleted.
    """
    check = precondition_check(request)
    await delete_image(state_of(request).repository, owner_of(request), image_id_of(image_id), check=check)
    return MessageBody("Image deleted successfully")
