"""Images: upload, list, status, further renditions, retry, deletion."""

from internal.api.openapi import examples
from internal.api.openapi.components import Json
from internal.api.openapi.guide import failure_table
from internal.api.openapi.operation import json_answer, json_content, operation
from internal.api.openapi.problems import problems
from internal.api.schemas import CHAIN_SCHEMA, PREFIX
from internal.domain.errors import (
    DatabaseUnavailable,
    DeadlinePassed,
    IdempotencyConflict,
    IdempotencyInProgress,
    ImageTooLarge,
    InvalidImage,
    InvalidProcessing,
    InvalidRequest,
    NotFound,
    NothingToRetry,
    PayloadTooLarge,
    PreconditionFailed,
    RenditionExists,
    RequestTimeout,
    ServiceError,
    StoreUnavailable,
    UnsupportedMediaType,
)
from internal.domain.status import Status
from internal.intake.inspect import HEIF_MEDIA_TYPES, MEDIA_TYPES
from internal.intake.metadata import MAX_DEPTH
from internal.intake.rendition_request import NAME

TAG = "Images"
IMAGES, IMAGE = f"{PREFIX}/images", f"{PREFIX}/images/{{image_id}}"

UPLOAD_FAILURES = (
    InvalidRequest,
    RequestTimeout,
    IdempotencyInProgress,
    PayloadTooLarge,
    UnsupportedMediaType,
    InvalidImage,
    ImageTooLarge,
    InvalidProcessing,
    IdempotencyConflict,
    StoreUnavailable,
    DatabaseUnavailable,
    DeadlinePassed,
    ServiceError,
)


def paths() -> Json:
    return {
        IMAGES: {"post": _upload(), "get": _list()},
        IMAGE: {"delete": _delete()},
        f"{IMAGE}/status": {"get": _status()},
        f"{IMAGE}/renditions": {"post": _new_rendition()},
        f"{IMAGE}/retry": {"post": _retry()},
    }


def _upload() -> Json:
    return operation(
        "upload_image",
        TAG,
        "Upload a picture",
        "Keeps the picture and asks for its renditions, which are made in the background. A 201 means: it is safe, and it will "
        "come to an end, `processed` or `failed`. What only decoding can find, like a file cut short, ends as `failed` with "
        "`invalid_image`. The parts of the form may come in any order; the picture is read as a stream.",
        takes=("Idempotency-Key",),
        body={"required": True, "content": {"multipart/form-data": _form()}},
        answers={
            "201": json_answer(
                "The picture is kept. A repeated Idempotency-Key gets this same answer again.",
                "ImageBody",
                {"uploaded": examples.image(Status.UPLOADED)},
                "Location",
            ),
            **problems(*UPLOAD_FAILURES),
        },
    )


def _form() -> Json:
    shown = examples.upload()
    return {
        "schema": {"type": "object", "required": ["image"], "additionalProperties": False, "properties": _parts(shown)},
        "encoding": {
            "image": {"contentType": ", ".join(sorted(MEDIA_TYPES | HEIF_MEDIA_TYPES))},
            "renditions": {"contentType": "application/json"},
            "metadata": {"contentType": "application/json"},
        },
        "examples": {
            "everything": {"summary": "A result, a thumbnail and metadata", "value": shown},
            "json": {
                "summary": "The chain as JSON",
                "value": {"image": shown["image"], "processing": '[{"op": "resize", "size": "800x600"}]'},
            },
            "list": {
                "summary": "Chains as lists of texts",
                "value": {
                    "image": shown["image"],
                    "processing": '["resize:800x600", "grayscale"]',
                    "renditions": {"thumb": ["thumbnail:200", "format:webp"]},
                },
            },
            "nothing": {"summary": "The configured default", "value": {"image": shown["image"]}},
        },
    }


def _parts(shown: Json) -> Json:
    return {
        "image": {
            "type": "string",
            "format": "binary",
            "description": "The file, once. Its kind is read off its bytes; "
            "`GET /api/v1/limits` has the media types that are taken here.",
        },
        "processing": {
            "type": "string",
            "description": "The chain of the rendition `default`: operations in order, between `|`; sent several times, "
            "the parts are one chain. A text that begins with `[` is a JSON list, of such texts or of operations as objects.",
            "examples": [shown["processing"]],
        },
        "renditions": {
            "type": "object",
            "additionalProperties": CHAIN_SCHEMA,
            "propertyNames": {"pattern": f"^{NAME.pattern}$"},
            "description": "Further renditions: names and their chains. With these and no `processing` there is no "
            "`default`; with neither, the configured default chain is made.",
            "examples": [shown["renditions"]],
        },
        "metadata": {
            "type": "object",
            "description": f"Yours, given back text for text; at most {MAX_DEPTH} levels deep. Numbers beyond doubles, U+0000 "
            "and halves of surrogate pairs are refused.",
            "examples": [shown["metadata"]],
        },
    }


def _list() -> Json:
    return operation(
        "list_images",
        TAG,
        "List images",
        "Newest first. Follow `next_cursor` until it is null.",
        takes=("Limit", "Cursor", "Status", "CreatedAfter", "CreatedBefore"),
        answers={
            "200": json_answer("One page.", "PageBody", {"page": examples.page()}),
            **problems(InvalidRequest, DatabaseUnavailable, ServiceError),
        },
    )


def _status() -> Json:
    return operation(
        "image_status",
        TAG,
        "Get an image's status",
        "The image and each of its renditions, with where to get them. A rendition is `stale` when what was `requested` means "
        "another chain by now: a preset has changed. Ask for it once more to have it made anew. Where one has failed, why:\n\n"
        + failure_table(),
        takes=("ImageId",),
        answers={
            "200": json_answer(
                "The image as it is now.",
                "ImageBody",
                {
                    **{status.value: examples.image(status) for status in reversed(Status)},
                    "format_auto": examples.two_files(),
                    "stale": examples.stale(),
                },
            ),
            **problems(InvalidRequest, NotFound, DatabaseUnavailable, ServiceError),
        },
    )


def _new_rendition() -> Json:
    asked = {"thumbnail": examples.THUMBNAIL, "list": {**examples.THUMBNAIL, "processing": ["thumbnail:200", "format:webp"]}}
    there = {"asked": examples.with_thumbnail()}
    return operation(
        "new_rendition",
        TAG,
        "Ask for one more rendition",
        "The image reads `processing` until the new rendition is made. Asking again for the same name and chain changes nothing, "
        "unless the rendition is `stale`: then it is made anew, and its old bytes are served until that is done, also should it "
        "fail.",
        takes=("ImageId", "Idempotency-Key"),
        body={"required": True, "content": json_content("NewRendition", asked)},
        answers={
            "200": json_answer("The image has this rendition already, as it should be.", "ImageBody", there, "Location"),
            "202": json_answer("It will be made, or made anew.", "ImageBody", there, "Location"),
            **problems(
                InvalidRequest,
                NotFound,
                RenditionExists,
                IdempotencyInProgress,
                PayloadTooLarge,
                InvalidProcessing,
                IdempotencyConflict,
                DatabaseUnavailable,
                ServiceError,
            ),
        },
    )


def _retry() -> Json:
    return operation(
        "retry_image",
        TAG,
        "Try failed renditions again",
        "Queues each failed rendition again, with all its tries.",
        takes=("ImageId", "Idempotency-Key"),
        answers={
            "202": json_answer("They will be tried.", "ImageBody", {"queued": examples.image(Status.UPLOADED)}, "Location"),
            **problems(InvalidRequest, NotFound, NothingToRetry, IdempotencyInProgress, DatabaseUnavailable, ServiceError),
        },
    )


def _delete() -> Json:
    return operation(
        "remove_image",
        TAG,
        "Delete an image",
        "The original and every rendition are gone at once, also one that is being made. A second call is a 404.\n\n"
        "With `If-Match` (or `If-Unmodified-Since`) only while GET on this path answers with that tag: when the picture was made "
        "anew meanwhile this is a 412, and nothing is deleted.",
        takes=("ImageId", "If-Match", "If-Unmodified-Since"),
        answers={
            "200": json_answer("Gone.", "MessageBody", {"deleted": examples.deleted()}),
            **problems(InvalidRequest, NotFound, PreconditionFailed, DatabaseUnavailable, ServiceError),
        },
    )
