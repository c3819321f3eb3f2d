"""The document's shared parts: schemas off the structs, headers and parameters."""

from typing import Any

import msgspec

from internal.api.requests.request import MAX_KEY, MAX_WAIT_SECONDS
from internal.api.routes.images import DEFAULT_LIMIT, MAX_LIMIT
from internal.api.routes.operations import CatalogueBody, LimitsBody
from internal.api.schemas import ImageBody, MessageBody, NewRendition, PageBody
from internal.http.problems import Problem
from internal.observability.health import Report

Json = dict[str, Any]

BODIES = (ImageBody, PageBody, NewRendition, MessageBody, CatalogueBody, LimitsBody, Report, Problem)
ETAG = '"9f86d081884c7d659a2feaa0c55ad015"'
MODIFIED = "Sat, 21 Nov 2026 08:30:00 GMT"
IMAGE_ID = "0192f0c1-7c1e-7b7e-9d57-0e1f4a3c2b1a"


def _header(description: str, example: Any, *, always: bool = True, **schema: Any) -> Json:
    """`always`: every answer that is documented with it has it."""
    return {"description": description, "required": always, "schema": {"type": "string", **schema}, "example": example}


HEADERS: dict[str, Json] = {
    "X-Request-ID": _header("The id of this request, for logs and reports: yours, or one of ours.", IMAGE_ID),
    "Location": _header("Relative path of the image.", f"/api/v1/images/{IMAGE_ID}", format="uri-reference"),
    "Retry-After": _header("Seconds after which it is worth asking again.", 1, always=False, type="integer", minimum=0),
    "ETag": _header("Strong: the same bytes, the same tag.", ETAG),
    "Last-Modified": _header("When these bytes were made.", MODIFIED),
    "Cache-Control": _header("As this deployment has it configured.", "private, no-cache"),
    "Accept-Ranges": _header("Ranges of bytes are served.", "bytes", const="bytes"),
    "Content-Length": _header("Bytes of this answer.", 48213, type="integer", minimum=0),
    "Content-Range": _header("Which bytes these are and how many there are; `bytes */SIZE` with a 416.", "bytes 0-1023/48213"),
    "Content-Disposition": _header("A file name for saving.", "inline; filename*=UTF-8''holiday-default.jpg"),
    "Vary": _header(
        "There is a second file of this picture, and Accept has decided; without it there is one.", "accept", always=False
    ),
    "Content-Security-Policy": _header("A picture that is opened as a page can do nothing.", "default-src 'none'; sandbox"),
}


def _parameter(name: str, where: str, description: str, example: Any = None, **schema: Any) -> Json:
    made: Json = {"name": name, "in": where, "description": description, "schema": {"type": "string", **schema}}
    if where == "path":
        made["required"] = True
    return made if example is None else {**made, "example": example}


def _moment(name: str, side: str) -> Json:
    description = f"Only images that were uploaded {side} this time, RFC 3339. A time without a zone is UTC."
    return _parameter(name, "query", description, format="date-time")


PARAMETERS: dict[str, Json] = {
    "ImageId": _parameter("image_id", "path", "The image's id, as the upload's answer has it.", IMAGE_ID, format="uuid"),
    "Rendition": _parameter(
        "rendition", "query", "Which rendition. Default: the one named `default`, or the only one.", maxLength=64
    ),
    "Limit": _parameter("limit", "query", "Images a page.", type="integer", minimum=1, maximum=MAX_LIMIT, default=DEFAULT_LIMIT),
    "Cursor": _parameter(
        "cursor",
        "query",
        "Where the page begins: `next_cursor` of the page before. It has no other meaning.",
        pattern="^[A-Za-z0-9_-]+$",
    ),
    "Status": {
        "name": "status",
        "in": "query",
        "description": "Only images of this status.",
        "schema": {"$ref": "#/components/schemas/Status"},
    },
    "CreatedAfter": _moment("created_after", "after"),
    "CreatedBefore": _moment("created_before", "before"),
    "X-Request-ID": _parameter(
        "X-Request-ID",
        "header",
        "Your id for this request; it is echoed and logged, also by the worker. Anything else than 1 to 128 printable "
        "characters without a space is replaced.",
    ),
    "Idempotency-Key": _parameter(
        "Idempotency-Key",
        "header",
        "Makes this call safe to send again: for 24 hours the same key and the same request get the first answer, and nothing "
        "is done twice. What counts is the meaning: the file's bytes, the canonical chains, the metadata.",
        minLength=1,
        maxLength=MAX_KEY,
        pattern="^[!-~]([ -~]*[!-~])?$",
    ),
    "Prefer": _parameter(
        "Prefer",
        "header",
        f"`wait=N` (RFC 7240): wait up to N seconds, at most {MAX_WAIT_SECONDS:g}, for a picture that is still being processed.",
    ),
    "Range": _parameter("Range", "header", "One range of bytes, like `bytes=0-1023`; several are answered with the whole."),
    "If-Range": _parameter("If-Range", "header", "The range only when this tag or date still fits, else the whole."),
    "If-Match": _parameter(
        "If-Match", "header", "Only when the tag of GET on this path is one of these, else 412. `*`: only when there is an image."
    ),
    "If-Unmodified-Since": _parameter(
        "If-Unmodified-Since", "header", "Only when not made later, else 412. If-Match goes before."
    ),
    "If-None-Match": _parameter("If-None-Match", "header", "Only when the tag is none of these, else 304."),
    "If-Modified-Since": _parameter("If-Modified-Since", "header", "Only when made later, else 304. If-None-Match goes before."),
}

CONDITIONS = ("Range", "If-Range", "If-Match", "If-Unmodified-Since", "If-None-Match", "If-Modified-Since")
"""What the binaries obey."""


def schemas() -> Json:
    """Each body of the API, and what it is made of."""
    return msgspec.json.schema_components(BODIES, ref_template="#/components/schemas/{name}")[1]


def schema(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def headers(*names: str) -> Json:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def parameters(*names: str) -> list[Json]:
    """These, and the request's id, which every operation takes."""
    return [{"$ref": f"#/components/parameters/{name}"} for name in (*names, "X-Request-ID")]
