"""The bodies that the API sends and takes."""

from datetime import datetime
from typing import Annotated, Any
from urllib.parse import quote
from uuid import UUID

from msgspec import Meta, Struct

from internal.images.model import Failure, Image, Rendition, Status

PREFIX = "/api/v1"

Moment = Annotated[datetime, Meta(tz=True)]


class ErrorBody(Struct):
    """Why something failed: a stable `code` and a sentence."""

    code: str
    detail: str


class RenditionBody(Struct):
    """One rendition; sizes are null until it is processed. `url` is relative."""

    name: str
    processing: str
    status: Status
    error: ErrorBody | None
    attempts: int
    width: int | None
    height: int | None
    frames: int | None
    size: int | None
    content_type: str | None
    url: str


class OriginalBody(Struct):
    """The upload as it came. `width` and `height` in pixels as stored, null while unknown; `size` in bytes."""

    content_type: str
    size: int
    sha256: str
    width: int | None
    height: int | None
    filename: str | None
    url: str


class ImageBody(Struct):
    """An image and all that is known of it."""

    id: UUID
    status: Status
    error: ErrorBody | None
    original: OriginalBody
    metadata: dict[str, Any]
    created_at: Moment
    updated_at: Moment
    renditions: list[RenditionBody]


class PageBody(Struct):
    items: list[ImageBody]
    next_cursor: str | None


class NewRendition(Struct, forbid_unknown_fields=True):
    """A further rendition of an image that is there."""

    name: Annotated[str, Meta(min_length=1, max_length=64, examples=["small"])]
    processing: Annotated[str, Meta(min_length=1, max_length=8192, examples=["resize:300x300|format:webp"])]


class MessageBody(Struct):
    message: str


def image_path(image_id: UUID) -> str:
    return f"{PREFIX}/images/{image_id}"


def image_body(image: Image) -> ImageBody:
    original, path = image.original, image_path(image.id)
    failed = [rendition for rendition in image.renditions if rendition.failure]
    return ImageBody(
        id=image.id,
        status=image.status,
        error=_error(failed[0].failure) if image.status == Status.FAILED and failed else None,
        original=OriginalBody(
            content_type=original.media_type,
            size=original.size,
            sha256=original.sha256,
            width=original.width,
            height=original.height,
            filename=original.filename,
            url=f"{path}/original",
        ),
        metadata=image.metadata,
        created_at=image.created_at,
        updated_at=image.updated_at,
        renditions=[_rendition_body(path, rendition) for rendition in image.renditions],
    )


def _rendition_body(path: str, rendition: Rendition) -> RenditionBody:
    result = rendition.result
    return RenditionBody(
        name=rendition.name,
        processing=rendition.pipeline,
        status=rendition.status,
        error=_error(rendition.failure),
        attempts=rendition.attempt,
        width=result.width if result else None,
        height=result.height if result else None,
        frames=result.frames if result else None,
        size=result.size if result else None,
        content_type=result.content_type if result else None,
        url=f"{path}?rendition={quote(rendition.name)}",
    )


def _error(failure: Failure | None) -> ErrorBody | None:
    return ErrorBody(failure.code, failure.detail) if failure else None
