"""The binaries: a rendition's result and the original, whole, in ranges, and on conditions."""

from internal.api.openapi.components import CONDITIONS, Json
from internal.api.openapi.operation import bytes_answer, operation
from internal.api.openapi.problems import problems
from internal.api.schemas import PREFIX
from internal.domain.errors import (
    DatabaseUnavailable,
    InvalidRequest,
    NotFound,
    NotReady,
    ObjectLost,
    PreconditionFailed,
    ProcessingFailed,
    RangeNotSatisfiable,
    ServiceError,
    StoreUnavailable,
)
from internal.intake.inspect import HEIF_MEDIA_TYPES, MEDIA_TYPES
from internal.pipeline.containers.formats import FORMATS

TAG = "Pictures"
RESULT_TYPES = tuple(known.media_type for known in FORMATS.values())
ORIGINAL_TYPES = tuple(sorted(MEDIA_TYPES | HEIF_MEDIA_TYPES))

KNOWN = ("ETag", "Last-Modified", "Cache-Control", "Accept-Ranges", "Content-Disposition", "Content-Security-Policy")

ORIGINAL_FAILURES = (
    InvalidRequest,
    NotFound,
    PreconditionFailed,
    RangeNotSatisfiable,
    DatabaseUnavailable,
    StoreUnavailable,
    ObjectLost,
    ServiceError,
)
RESULT_FAILURES = (*ORIGINAL_FAILURES, NotReady, ProcessingFailed)

RESULT = (
    "The bytes of a rendition. While it is in work this is a 409 `not_ready` with `Retry-After`; with `Prefer: wait=N` the call "
    "waits first. The content type is that of the result, and nothing of the upload's metadata is in it.\n\n"
    "Where `format:auto` has made two files, `Accept` decides: the WebP or AVIF goes to those who name its type and rank it no "
    "lower than the other's, as browsers do; wildcards alone, or no `Accept`, get the other. `Vary` says so."
)
ORIGINAL = "The upload, byte for byte, with all that its file holds. Its content type is the one found in its bytes."


def paths() -> Json:
    image = f"{PREFIX}/images/{{image_id}}"
    named = ("ImageId", "Rendition", "Prefer", *CONDITIONS)
    unnamed = ("ImageId", *CONDITIONS)
    return {
        image: {
            "get": operation(
                "rendition_bytes",
                TAG,
                "Get a result",
                RESULT,
                takes=named,
                answers=_answers(RESULT_TYPES, RESULT_FAILURES, *KNOWN, "Vary"),
            ),
        },
        f"{image}/original": {
            "get": operation(
                "original_bytes",
                TAG,
                "Get the original",
                ORIGINAL,
                takes=unnamed,
                answers=_answers(ORIGINAL_TYPES, ORIGINAL_FAILURES, *KNOWN),
            ),
        },
    }


def _answers(media_types: tuple[str, ...], failures: tuple[type[ServiceError], ...], *known: str) -> Json:
    """`known` are the headers of all of them."""
    return {
        "200": bytes_answer("The whole picture.", media_types, "Content-Length", *known),
        "206": bytes_answer("The range that was asked for.", media_types, "Content-Length", "Content-Range", *known),
        "304": bytes_answer("You have it already: nothing has changed.", (), *known),
        **problems(*failures),
    }
