"""Errors as RFC 9457 `application/problem+json`. The table below is the one place where codes become HTTP.

A problem never carries a stack trace, a statement or an object key: only the code, and a sentence that says what to do.
"""

from http import HTTPStatus
from typing import Any

import msgspec
import structlog
from litestar import Request
from litestar.exceptions import HTTPException, ValidationException
from litestar.response.base import ASGIResponse

from internal.domain import errors
from internal.domain.errors import InvalidProcessing, ServiceError

log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
RETRY_SECONDS = 1

STATUS: dict[type[ServiceError], int] = {
    errors.InvalidRequest: 400,
    errors.Unauthenticated: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.RequestTimeout: 408,
    errors.NotReady: 409,
    errors.ProcessingFailed: 409,
    errors.RenditionExists: 409,
    errors.NothingToRetry: 409,
    errors.IdempotencyInProgress: 409,
    errors.PreconditionFailed: 412,
    errors.PayloadTooLarge: 413,
    errors.RangeNotSatisfiable: 416,
    errors.UnsupportedMediaType: 415,
    errors.InvalidImage: 422,
    errors.ImageTooLarge: 422,
    errors.InvalidProcessing: 422,
    errors.IdempotencyConflict: 422,
    errors.ClientGone: 499,  # nginx's word for it; it only reaches the log
    errors.ObjectLost: 500,
    errors.Unavailable: 503,
}
"""Errors by class; an error that is not here takes its nearest ancestor's row, and 500 when there is none."""

RETRY_LATER = (errors.NotReady, errors.IdempotencyInProgress, errors.Unavailable)
"""These answers carry Retry-After, in seconds."""

CODE_OF_STATUS = {400: "invalid_request", 404: "not_found", 405: "method_not_allowed", 413: "payload_too_large"}
"""Codes of what the framework itself refuses."""

TITLE = {413: "Content Too Large", 422: "Unprocessable Content", 499: "Client Closed Request"}
"""RFC 9110's words, which older Pythons don't know yet."""


def status_of(error: type[ServiceError]) -> int:
    return next((STATUS[ancestor] for ancestor in error.__mro__ if ancestor in STATUS), 500)


class Problem(msgspec.Struct, omit_defaults=True):
    """RFC 9457. `code` is stable; `detail` is for people; `position` counts characters of `processing`, from 0."""

    title: str
    status: int
    code: str
    detail: str
    type: str = "about:blank"
    position: int | None = None
    request_id: str | None = None


class ProblemResponse(ASGIResponse):
    """What an exception handler returns: Litestar asks it for its ASGI form, which it is already."""

    def to_asgi_response(self, *_: Any, **__: Any) -> ASGIResponse:
        return self


def problem_response(
    status: int, code: str, detail: str, *, request_id: str | None = None, position: int | None = None, retry: bool = False
) -> ASGIResponse:
    title = TITLE.get(status) or HTTPStatus(status).phrase
    problem = Problem(title, status, code, detail, position=position, request_id=request_id)
    headers = {"Retry-After": str(RETRY_SECONDS)} if retry else {}
    return ProblemResponse(body=msgspec.json.encode(problem), status_code=status, media_type=MEDIA_TYPE, headers=headers)


def path_not_found(request_id: str | None) -> ASGIResponse:
    """A 404 for a path that is none of ours."""
    return problem_response(404, CODE_OF_STATUS[404], HTTPStatus(404).description, request_id=request_id)


def method_not_allowed(allowed: str, request_id: str | None) -> ASGIResponse:
    """A 405, with the methods that the path has, for `Allow`."""
    detail = f"{HTTPStatus(405).description}. This path has: {allowed}."
    response = problem_response(405, CODE_OF_STATUS[405], detail, request_id=request_id)
    response.headers["Allow"] = allowed
    return response


def _request_id(request: Request[Any, Any, Any]) -> str | None:
    request_id: str | None = request.scope["state"].get("request_id")
    return request_id


def service_problem(request: Request[Any, Any, Any], error: ServiceError) -> ASGIResponse:
    status = status_of(type(error))
    request.scope["state"]["problem"] = error.code
    if status >= 500:
        log.warning("request.failed", code=error.code, detail=error.detail, cause=repr(error.__cause__))
    position = error.position if isinstance(error, InvalidProcessing) else None
    retry = isinstance(error, RETRY_LATER)
    request_id = _request_id(request)
    response = problem_response(status, error.code, error.detail, request_id=request_id, position=position, retry=retry)
    if isinstance(error, errors.Unauthenticated):
        response.headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, errors.RangeNotSatisfiable):
        response.headers["Content-Range"] = f"bytes */{error.size}"
    return response


def framework_problem(request: Request[Any, Any, Any], error: HTTPException) -> ASGIResponse:
    status = error.status_code
    code = CODE_OF_STATUS.get(status, "internal_error" if status >= 500 else "invalid_request")
    request.scope["state"]["problem"] = code
    if status >= 500:
        return unexpected_problem(request, error)
    detail = _validation_detail(error) if isinstance(error, ValidationException) else HTTPStatus(status).description
    response = problem_response(status, code, detail or HTTPStatus(status).phrase, request_id=_request_id(request))
    for name, value in (error.headers or {}).items():
        response.headers[name] = value
    return response


def _validation_detail(error: ValidationException) -> str:
    """Which parameter is wrong and how, in the framework's words but without its inner names."""
    faults = error.extra if isinstance(error.extra, list) else []
    told = [f"{fault.get('key', 'body')}: {fault.get('message', 'not valid')}" for fault in faults if isinstance(fault, dict)]
    return "; ".join(told) or "The request is not valid."


def unexpected_problem(request: Request[Any, Any, Any], error: Exception) -> ASGIResponse:
    request.scope["state"]["problem"] = ServiceError.code
    log.error("request.crashed", exc_info=error)
    return problem_response(500, ServiceError.code, ServiceError().detail, request_id=_request_id(request))


HANDLERS: dict[Any, Any] = {
    ServiceError: service_problem,
    HTTPException: framework_problem,
    Exception: unexpected_problem,
}
