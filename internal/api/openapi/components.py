"""The document's shared parts: headers of answers, and headers of requests that no handler takes as an argument."""

from typing import Any

from internal.api.requests.request import EXAMPLE_ID, MAX_KEY, MAX_WAIT_SECONDS

Json = dict[str, Any]

ETAG = '"9f86d081884c7d659a2feaa0c55ad015"'
MODIFIED = "Sat, 21 Nov 2026 08:30:00 GMT"


def _header(description: str, example: Any, *, always: bool = True, **schema: Any) -> Json:
    """`always`: every answer that is documented with it has it."""
    return {"description": description, "required": always, "schema": {"type": "string", **schema}, "example": example}


HEADERS: dict[str, Json] = {
    "X-Request-ID": _header("The id of this request, for logs and reports: yours, or one of ours.", EXAMPLE_ID),
    "Location": _header("Relative path of the image.", f"/api/v1/images/{EXAMPLE_ID}", format="uri-reference"),
    "WWW-Authenticate": _header(
        "Present if a credential is missing, wrong or lacks the scope (RFC 6750, 3).", "Bearer", always=False
    ),
    "Retry-After": _header("Seconds to wait before asking again.", 1, always=False, type="integer", minimum=0),
    "RateLimit-Policy": _header(
        "Present if rate limits are configured: those that count for this call. `q`: units at once; `w`: seconds in which as "
        "many come back (draft-ietf-httpapi-ratelimit-headers-11).",
        '"requests";q=100;w=60',
        always=False,
    ),
    "RateLimit": _header(
        "Beside RateLimit-Policy: `r` units fit now, and more after `t` seconds. A refusal has the limit that refused.",
        '"requests";r=99;t=1',
        always=False,
    ),
    "ETag": _header("Strong: the same bytes, the same tag.", ETAG),
    "Last-Modified": _header("When these bytes were made.", MODIFIED),
    "Cache-Control": _header("As this deployment has it configured.", "private, no-cache"),
    "Accept-Ranges": _header("Ranges of bytes are served.", "bytes", const="bytes"),
    "Content-Length": _header("Bytes of this answer.", 48213, type="integer", minimum=0),
    "Content-Range": _header("Which bytes these are and how many there are; `bytes */SIZE` with a 416.", "bytes 0-1023/48213"),
    "Content-Disposition": _header("A file name for saving.", "inline; filename=\"a.jpg\"; filename*=UTF-8''a.jpg"),
    "Vary": _header("Present if the picture has a second file, between which Accept decides.", "accept", always=False),
    "Cross-Origin-Resource-Policy": _header(
        "`cross-origin` if the picture is public or asked for by a link: other sites may show it. Else `same-origin`.",
        "cross-origin",
    ),
    "Content-Security-Policy": _header("A picture that is opened as a page can do nothing.", "default-src 'none'; sandbox"),
}


def _parameter(name: str, description: str, place: str = "header", **schema: Any) -> Json:
    return {"name": name, "in": place, "description": description, "schema": {"type": "string", **schema}}


PARAMETERS: dict[str, Json] = {
    "X-Request-ID": _parameter(
        "X-Request-ID",
        "Your id for this request; it is echoed and logged, also by the worker. Anything else than 1 to 128 printable "
        "characters without a space is replaced.",
    ),
    "Idempotency-Key": _parameter(
        "Idempotency-Key",
        "Makes this call safe to send again: for 24 hours the same key and the same request get the first answer, and nothing "
        "is done twice. What counts is the meaning: the file's bytes, the canonical chains, the metadata.",
        minLength=1,
        maxLength=MAX_KEY,
        pattern="^[!-~]([ -~]*[!-~])?$",
    ),
    "Prefer": _parameter(
        "Prefer",
        f"`wait=N` (RFC 7240): wait up to N seconds, at most {MAX_WAIT_SECONDS:g}, for a picture that is still being processed.",
    ),
    "Range": _parameter("Range", "One range of bytes, like `bytes=0-1023`; several are answered with the whole."),
    "If-Range": _parameter("If-Range", "The range only when this tag or date still fits, else the whole."),
    "If-Match": _parameter(
        "If-Match", "Only when the tag of GET on this path is one of these, else 412. `*`: only when there is an image."
    ),
    "If-Unmodified-Since": _parameter("If-Unmodified-Since", "Only when not made later, else 412. If-Match goes before."),
    "If-None-Match": _parameter("If-None-Match", "Only when the tag is none of these, else 304."),
    "If-Modified-Since": _parameter("If-Modified-Since", "Only when made later, else 304. If-None-Match goes before."),
    "expires": _parameter("expires", "Of a signed link: when it expires, in seconds since 1970.", "query", pattern="^[0-9]+$"),
    "kid": _parameter("kid", "Of a signed link: the id of its key.", "query"),
    "sig": _parameter("sig", "Of a signed link: its signature. A link is sent as it was given.", "query"),
}

SECURITY_SCHEMES: dict[str, Json] = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key or a token, with the scope that the operation names. Where the service runs with "
        "`AUTH_MODE=none`, none is needed.",
    },
    "api_key": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "An API key, in a header of its own."},
}

LOCATION = ("Location",)
"""Of answers that are an image."""

RATE_HEADERS = ("RateLimit-Policy", "RateLimit")
"""Of answers to requests that are counted, which are those to every route with a scope."""

CONDITIONS = ("Range", "If-Range", "If-Match", "If-Unmodified-Since", "If-None-Match", "If-Modified-Since")
"""Request headers that the binaries obey."""


def schema(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def headers(*names: str) -> Json:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def parameters(*names: str) -> list[Json]:
    return [{"$ref": f"#/components/parameters/{name}"} for name in names]
