"""Preconditions of a call that changes an image (RFC 9110, 13.1): they are about what GET on the same path answers with."""

from collections.abc import Callable, Mapping
from functools import partial

from internal.api.requests.conditional import PRECONDITIONS, conditions_of, unmet_precondition
from internal.api.responses.download import etag_of
from internal.domain.errors import InvalidRequest, PreconditionFailed
from internal.domain.image import Image
from internal.domain.upload import Upload
from internal.http.asgi import ApiRequest
from internal.library.lookup import choose_rendition


def precondition_check(request: ApiRequest) -> Callable[[Image | Upload], None] | None:
    """What the request's conditions demand of the image, to be called under its lock; None if it has none."""
    conditions = conditions_of(request.headers)
    return partial(_require, conditions) if any(name in conditions for name in PRECONDITIONS) else None


def _require(conditions: Mapping[str, str], image: Image | Upload) -> None:
    """Hold the request's conditions against the files that GET on the image's path chooses from. Raises PreconditionFailed."""
    try:
        chosen = None if isinstance(image, Upload) else choose_rendition(image, None)
    except InvalidRequest:  # several, and none is the default: no tag is that of this path
        chosen = None
    if chosen is None:
        files, made = [], image.created_at
    else:
        files = [chosen.result, *chosen.alternatives] if chosen.result is not None else []
        made = chosen.finished_at or image.created_at
    if unmet_precondition([etag_of(file.sha256) for file in files], made, conditions, safe=False) is not None:
        raise PreconditionFailed
