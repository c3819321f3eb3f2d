"""Binaries: a rendition's result, and the original as it was uploaded."""

from typing import Annotated
from uuid import UUID

from litestar import HttpMethod, route
from litestar.openapi.spec import Tag
from litestar.params import QueryParameter
from litestar.response.base import ASGIResponse
from msgspec.structs import replace

from internal.api.openapi.components import CONDITIONS
from internal.api.openapi.describe import Answer, describe
from internal.api.requests.identity import OpenTo, reader_of
from internal.api.requests.negotiation import preferred
from internal.api.requests.queries import parse_parameter
from internal.api.requests.request import ImageId, image_id_of, state_of, wait_of
from internal.api.responses.download import Disposition, Download, send
from internal.domain.errors import (
    DatabaseUnavailable,
    NotFound,
    NotReady,
    ObjectLost,
    PreconditionFailed,
    ProcessingFailed,
    RangeNotSatisfiable,
    StoreUnavailable,
    Unauthenticated,
)
from internal.domain.identity import NOBODY, Reader, Scope
from internal.domain.visibility import Visibility
from internal.http.asgi import ApiRequest
from internal.intake.inspect import HEIF_MEDIA_TYPES, MEDIA_TYPES
from internal.library.lookup import find_original, find_rendition, result_of, wait_for_rendition
from internal.pipeline.containers.formats import FORMATS

PICTURES = Tag("Pictures", "The bytes: results and originals.")
GET_AND_HEAD = [HttpMethod.GET, HttpMethod.HEAD]

RESULT_TYPES = tuple(known.media_type for known in FORMATS.values())
ORIGINAL_TYPES = tuple(sorted(MEDIA_TYPES | HEIF_MEDIA_TYPES))

KNOWN = ("ETag", "Last-Modified", "Cache-Control", "Accept-Ranges", "Content-Disposition", "Content-Security-Policy")
CROSS = "Cross-Origin-Resource-Policy"
"""The headers of every binary."""

ORIGINAL_ERRORS = (NotFound, NotReady, PreconditionFailed, RangeNotSatisfiable, DatabaseUnavailable, StoreUnavailable, ObjectLost)

RenditionName = Annotated[
    str | None,
    QueryParameter(
        description="Which rendition. Default: the one named `default`, or the only one.", schema_extra={"max_length": 64}
    ),
]

Saving = Annotated[
    str | None,
    QueryParameter(description="Whether a browser shows the picture, which is the default, or saves it."),
]


def _answers(media_types: tuple[str, ...], *known: str) -> dict[int, Answer]:
    return {
        200: Answer("The whole picture.", media_types=media_types, headers=("Content-Length", *known)),
        206: Answer(
            "The range that was asked for.", media_types=media_types, headers=("Content-Length", "Content-Range", *known)
        ),
        304: Answer("You have it already: nothing has changed.", headers=known),
    }


@route(
    "/images/{image_id:str}",
    http_method=GET_AND_HEAD,
    status_code=200,
    **describe(
        PICTURES,
        "Get a result",
        scope=Scope.READ,
        open_to=OpenTo.LINKS | OpenTo.ANYBODY,
        answers=_answers(RESULT_TYPES, *KNOWN, CROSS, "Vary"),
        reads={"disposition": Disposition},
        errors=(*ORIGINAL_ERRORS, ProcessingFailed),
        headers=("Prefer", *CONDITIONS),
    ),
)
async def rendition_bytes(
    request: ApiRequest, image_id: ImageId, rendition: RenditionName = None, disposition: Saving = None
) -> ASGIResponse:
    """The bytes of a rendition. While it is in work this is a 409 `not_ready` with `Retry-After`; with `Prefer: wait=N` the call
    waits first. The content type is that of the result, and nothing of the upload's metadata is in it.

    Where `format:auto` has made two files, `Accept` decides: the WebP or AVIF goes to those who name its type and rank it no
    lower than the other's, as browsers do; wildcards alone, or no `Accept`, get the other. `Vary` says so.

    A signed link needs no credential, and neither does a public image.
    """
    state, reader = state_of(request), reader_of(request)
    wanted = _readable_id(reader, image_id)
    repository = state.repository
    if seconds := wait_of(request):
        image, chosen = await wait_for_rendition(
            repository, state.signals, state.shutdown_event, reader, wanted, rendition, seconds
        )
    else:
        image, chosen = await find_rendition(repository, reader, wanted, rendition)
    result = preferred(chosen, result_of(chosen), ",".join(request.headers.getall("accept", [])))
    stem = f"{_stem(image.original.filename, image_id)}-{chosen.name}"
    made = chosen.finished_at or image.created_at
    varies = bool(chosen.alternatives)
    download = Download(image.id, result.key, result.sha256, result.size, result.content_type, made, stem, varies)
    return await _sent(request, download, disposition, public=image.visibility is Visibility.PUBLIC)


@route(
    "/images/{image_id:str}/original",
    http_method=GET_AND_HEAD,
    status_code=200,
    **describe(
        PICTURES,
        "Get the original",
        scope=Scope.READ,
        open_to=OpenTo.LINKS,
        answers=_answers(ORIGINAL_TYPES, *KNOWN, CROSS),
        reads={"disposition": Disposition},
        errors=ORIGINAL_ERRORS,
        headers=CONDITIONS,
    ),
)
async def original_bytes(request: ApiRequest, image_id: ImageId, disposition: Saving = None) -> ASGIResponse:
    """The upload, byte for byte, with all that its file holds. Its content type is the one found in its bytes.

    A signed link to it needs no credential. A public image does not open its original, which may say where it was taken.
    """
    image = await find_original(state_of(request).repository, reader_of(request), image_id_of(image_id))
    original = image.original
    stem = _stem(original.filename, image_id)
    download = Download(image.id, original.key, original.sha256, original.size, original.media_type, image.created_at, stem)
    return await _sent(request, download, disposition, public=False)


def _readable_id(reader: Reader, text: str) -> UUID:
    """The id in the path. To a reader without a credential a malformed one is as every other: Unauthenticated."""
    try:
        return image_id_of(text)
    except NotFound as error:
        raise (Unauthenticated if reader == NOBODY else NotFound) from error


async def _sent(request: ApiRequest, download: Download, disposition: str | None, *, public: bool) -> ASGIResponse:
    """`public`: what is sent is for anybody. What a link answers is cached as a private one, because the link expires."""
    state, linked = state_of(request), reader_of(request).linked
    chosen = parse_parameter("disposition", disposition, Disposition) or Disposition.INLINE
    download = replace(download, disposition=chosen, cross_origin=linked or public)
    server = state.settings.server
    cache_control = server.public_cache_control if public and not linked else server.cache_control
    return await send(request, download, state.store, state.repository, cache_control)


def _stem(filename: str | None, image_id: str) -> str:
    return (filename or image_id).rpartition(".")[0] or filename or image_id
