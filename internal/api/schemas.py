"""The bodies that the API sends and takes."""

from datetime import datetime
from typing import Annotated, Any
from urllib.parse import quote
from uuid import UUID

from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from internal.api.responses.download import Disposition
from internal.domain.image import Image
from internal.domain.rendition import Failure, Lane, Rendition, Result
from internal.domain.status import Status
from internal.domain.upload import RenditionRequest, Upload
from internal.domain.visibility import Visibility
from internal.http.problems import with_advice
from internal.intake.rendition_request import NAME
from internal.library.staleness import is_stale
from internal.pipeline.language.grammar import Grammar

PREFIX = "/api/v1"

CHAIN_SCHEMA: dict[str, Any] = {
    "description": "A chain: a text of operations between `|`, or a list whose items are such texts, or operations as objects.",
    "anyOf": [
        {"type": "string", "minLength": 1, "maxLength": 8192},
        {
            "type": "array",
            "minItems": 1,
            "items": {
                "anyOf": [
                    {"type": "string", "minLength": 1},
                    {"type": "object", "required": ["op"], "properties": {"op": {"type": "string"}}},
                ]
            },
        },
    ],
    "examples": [
        "resize:300x300|format:webp",
        ["resize:300x300", "format:webp"],
        [{"op": "resize", "size": "300x300"}, {"op": "format", "name": "webp"}],
    ],
}

Moment = Annotated[datetime, Meta(tz=True)]


class ErrorBody(Struct):
    """Why something failed: a stable `code` and a sentence."""

    code: str
    detail: str


class AlternativeBody(Struct):
    """Another file of the same picture, sent if `Accept` names its type. `size` in bytes."""

    content_type: str
    size: int
    width: int
    height: int


class RenditionBody(Struct):
    """One rendition. Sizes are null until there is a result, and those of the old result while it is regenerated.

    `processing` is the chain that it is made by, in its canonical form; `requested` is what was asked for. `stale`: that means
    another chain by now. `attempts` counts the attempts since it was asked for, retried or regenerated, as WORKER_MAX_ATTEMPTS
    does; one that an outage or a stop ended is not counted. `url` is relative.
    """

    name: str
    processing: str
    requested: str
    stale: bool
    status: Status
    error: ErrorBody | None
    attempts: int
    width: int | None
    height: int | None
    frames: int | None
    size: int | None
    content_type: str | None
    alternatives: list[AlternativeBody]
    url: str


class OriginalBody(Struct):
    """The upload, unchanged. `size` in bytes; `width` and `height` in pixels as stored.

    `orientation` is the EXIF number, 1 to 8, that turns it upright: from 5 on the picture that is shown is `height` wide.

    `frames`, `has_alpha`, `dominant_colour` (`#rrggbb`) and `thumbhash` (base64, https://evanw.github.io/thumbhash/) are found
    with the first rendition, as are sides and orientation that the first bytes do not contain. Null while unknown.
    """

    content_type: str
    size: int
    sha256: str
    width: int | None
    height: int | None
    orientation: int | None
    frames: int | None
    has_alpha: bool | None
    dominant_colour: str | None
    thumbhash: str | None
    filename: str | None
    url: str


class ImageBody(Struct):
    """An image with its renditions. `original` is null while the image is pending: its bytes have not arrived.

    `visibility`: whether anybody may read its renditions by their `url`.
    """

    id: UUID
    status: Status
    visibility: Visibility
    error: ErrorBody | None
    original: OriginalBody | None
    metadata: Annotated[Raw, Meta(description="As it was sent, text for text.", extra_json_schema={"type": "object"})]
    created_at: Moment
    updated_at: Moment
    renditions: list[RenditionBody]


class PageBody(Struct):
    items: list[ImageBody]
    next_cursor: str | None


class NewRendition(Struct, forbid_unknown_fields=True):
    """A further rendition of an existing image."""

    name: Annotated[str, Meta(examples=["small"], extra_json_schema={"pattern": f"^{NAME.pattern}$"})]
    processing: Annotated[Raw, Meta(extra_json_schema=CHAIN_SCHEMA)]


class ImageChange(Struct, forbid_unknown_fields=True):
    """What is to be changed: one of the two, or both. `metadata` replace those that are there."""

    visibility: Visibility | UnsetType = UNSET
    metadata: Annotated[Raw | UnsetType, Meta(extra_json_schema={"type": ["object", "null"]})] = UNSET


class NewLink(Struct, forbid_unknown_fields=True):
    """A link to be made. `expires_in` in seconds, at most LINK_MAX_SECONDS.

    `rendition`: a name, or `original` for the upload itself. Default: the one named `default`, or the only one.
    `disposition`: what a browser does with the picture. Default: it shows it.
    """

    expires_in: Annotated[int, Meta(ge=1, examples=[3600])]
    rendition: Annotated[str | None, Meta(examples=["thumb"])] = None
    disposition: Disposition | None = None


class LinkBody(Struct):
    """A signed link. Who has it may read the picture until it expires. `url` is relative unless PUBLIC_URL is set."""

    url: str
    expires_at: Moment


class MessageBody(Struct):
    message: str


def image_path(image_id: UUID) -> str:
    return f"{PREFIX}/images/{image_id}"


def image_body(image: Image | Upload, grammar: Grammar) -> ImageBody:
    """The body of an image, or of the upload of a pending one. `grammar` says what its renditions' texts mean now."""
    if isinstance(image, Upload):
        return _pending_body(image, grammar)
    original, path = image.original, image_path(image.id)
    failed = [rendition for rendition in image.renditions if rendition.failure]
    return ImageBody(
        id=image.id,
        status=image.status,
        visibility=image.visibility,
        error=_error(failed[0].failure) if image.status == Status.FAILED and failed else None,
        original=OriginalBody(
            content_type=original.media_type,
            size=original.size,
            sha256=original.sha256,
            width=original.width,
            height=original.height,
            orientation=original.orientation,
            frames=original.frames,
            has_alpha=original.has_alpha,
            dominant_colour=original.dominant_colour,
            thumbhash=original.thumbhash,
            filename=original.filename,
            url=f"{path}/original",
        ),
        metadata=Raw(image.metadata),
        created_at=image.created_at,
        updated_at=image.updated_at,
        renditions=[_rendition_body(path, rendition, grammar) for rendition in image.renditions],
    )


def _pending_body(upload: Upload, grammar: Grammar) -> ImageBody:
    path, waiting = image_path(upload.id), [_waiting(upload, request) for request in upload.options.renditions]
    return ImageBody(
        id=upload.id,
        status=upload.status,
        visibility=upload.options.visibility,
        error=None,
        original=None,
        metadata=Raw(upload.options.metadata),
        created_at=upload.created_at,
        updated_at=upload.updated_at,
        renditions=[_rendition_body(path, rendition, grammar) for rendition in waiting],
    )


def _waiting(upload: Upload, request: RenditionRequest) -> Rendition:
    """A pending image's rendition reads as one that waits for a worker. Its lane is not known yet, and not shown."""
    return Rendition(request.id, upload.id, request.name, request.processing, request.pipeline, Lane.FAST)


def _rendition_body(path: str, rendition: Rendition, grammar: Grammar) -> RenditionBody:
    result = rendition.result
    return RenditionBody(
        name=rendition.name,
        processing=rendition.pipeline,
        requested=rendition.processing,
        stale=is_stale(rendition, grammar),
        status=rendition.status,
        error=_error(rendition.failure),
        attempts=rendition.attempts,
        width=result.width if result else None,
        height=result.height if result else None,
        frames=result.frames if result else None,
        size=result.size if result else None,
        content_type=result.content_type if result else None,
        alternatives=[_alternative_body(further) for further in rendition.alternatives],
        url=f"{path}?rendition={quote(rendition.name)}",
    )


def _alternative_body(result: Result) -> AlternativeBody:
    return AlternativeBody(result.content_type, result.size, result.width, result.height)


def _error(failure: Failure | None) -> ErrorBody | None:
    return ErrorBody(failure.code, with_advice(failure.detail)) if failure else None
