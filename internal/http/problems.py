"""Errors as RFC 9457 `application/problem+json`. The table below is the one place where codes become HTTP.

Errors say what is wrong (internal/domain/errors.py); the table adds what a client should do about it. A problem never carries a
stack trace, a statement or an object key.
"""

import re
from http import HTTPStatus
from typing import Any

import msgspec
import structlog
from litestar import Request
from litestar.exceptions import HTTPException, ValidationException
from litestar.response.base import ASGIResponse

from internal.domain import errors
from internal.domain.errors import InvalidProcessing, QuotaExceeded, RateLimited, ServiceError

log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
RETRY_SECONDS = 1


class Row(msgspec.Struct, frozen=True):
    """How an error becomes HTTP: its status, and what a client should do about it, as a sentence behind the error's own.

    `raisers_advise`: the code that raises it with its own text puts better advice into that text, so this advice is left out.
    """

    status: int
    advice: str = ""
    raisers_advise: bool = False


AGAIN = "Ask again after the time in Retry-After"
LIMITS = "See GET /api/v1/limits."

PROBLEMS: dict[type[ServiceError], Row] = {
    errors.InvalidRequest: Row(400),
    errors.Unauthenticated: Row(401, "Send a key or a token as `Authorization: Bearer …`.", raisers_advise=True),
    errors.Forbidden: Row(403),
    errors.LinkInvalid: Row(403, "Ask whoever gave it to you for a new one."),
    errors.LinksDisabled: Row(403, "Whoever runs it can set LINK_KEYS."),
    errors.QuotaExceeded: Row(403, "Delete what is no longer needed, or ask the people who run the service for more."),
    errors.NotFound: Row(404),
    errors.RequestTimeout: Row(408, "Send it again over a faster connection."),
    errors.NotReady: Row(409, f"{AGAIN}, or send `Prefer: wait=30`."),
    errors.ProcessingFailed: Row(409, "Its status says why.", raisers_advise=True),
    errors.RenditionExists: Row(409, "Choose another name."),
    errors.NothingToRetry: Row(409),
    errors.IdempotencyInProgress: Row(409, f"{AGAIN}."),
    errors.PreconditionFailed: Row(412),
    errors.PayloadTooLarge: Row(413, LIMITS),
    errors.RangeNotSatisfiable: Row(416, "Content-Range has its size."),
    errors.UnsupportedMediaType: Row(415, "Send a JPEG, PNG, WebP, GIF or TIFF.", raisers_advise=True),
    errors.InvalidImage: Row(422),
    errors.ImageTooLarge: Row(422, LIMITS),
    errors.InvalidProcessing: Row(422, "See GET /api/v1/operations.", raisers_advise=True),
    errors.IdempotencyConflict: Row(422, "Use a new key for a new request."),
    errors.RateLimited: Row(429, f"{AGAIN}."),
    errors.ClientGone: Row(499),  # nginx's word for it; it only reaches the log
    errors.ObjectLost: Row(500, "Asking again is of no use; report the request id."),
    errors.ServiceError: Row(500, "Try again, and report the request id if it goes on."),
    errors.Unavailable: Row(503, "Try again after the time in Retry-After."),
    errors.DeadlinePassed: Row(503, "Send it again."),
}
"""Errors by class; an error that is not here takes its nearest ancestor's row."""

RETRY_LATER = (errors.NotReady, errors.IdempotencyInProgress, errors.Unavailable, errors.RateLimited)
"""These answers carry Retry-After, in seconds."""

CODE_OF_STATUS = {400: "invalid_request", 404: "not_found", 405: "method_not_allowed", 413: "payload_too_large"}
"""Codes of what the framework itself refuses."""

TITLE = {413: "Content Too Large", 422: "Unprocessable Content", 499: "Client Closed Request"}
"""RFC 9110's words, which older Pythons don't know yet."""


def row_of(error: type[ServiceError]) -> Row:
    return next(PROBLEMS[ancestor] for ancestor in error.__mro__ if ancestor in PROBLEMS)


def status_of(error: type[ServiceError]) -> int:
    return row_of(error).status


def detail_of(error: ServiceError) -> str:
    """The text of a problem: what is wrong, and what to do about it."""
    row = row_of(type(error))
    if not row.advice or (row.raisers_advise and error.detail != type(error)().detail):
        return error.detail
    return f"{error.detail} {row.advice}"


_NOT_IN_A_DESCRIPTION = re.compile(r"[^ !#-\[\]-~]")

_ADVISED = {kind().detail: detail_of(kind()) for kind in PROBLEMS}


def with_advice(detail: str) -> str:
    """A stored `detail`, with the advice of the error that has this sentence."""
    return _ADVISED.get(detail, detail)


def known_problems() -> list[tuple[int, str, str, bool]]:
    """Status, code and text of every problem that an answer can be, and whether it carries Retry-After; by status and code."""
    known = {
        (row.status, kind.code): (detail_of(kind()), kind in RETRY_LATER)
        for kind, row in reversed(PROBLEMS.items())  # of several with one code the first counts: the family's own
        if kind is not errors.ClientGone
    }
    codes = {code for _, code in known}
    framework = {(status, code) for status, code in CODE_OF_STATUS.items() if code not in codes}
    known |= {(status, code): (f"{HTTPStatus(status).description}.", False) for status, code in framework}
    return [(status, code, detail, retry) for (status, code), (detail, retry) in sorted(known.items())]


class Problem(msgspec.Struct, omit_defaults=True):
    """RFC 9457. `code` is stable; `detail` is for people; `position` counts characters of `processing`, from 0.

    A rate limit or a quota that refuses is named, with what is `used` of what is `allowed`, in its unit.
    """

    title: str
    status: int
    code: str
    detail: str
    type: str = "about:blank"
    position: int | None = None
    limit: str | None = None
    quota: str | None = None
    used: int | None = None
    allowed: int | None = None
    request_id: str | None = None


class ProblemResponse(ASGIResponse):
    """Result of an exception handler. Litestar asks for its ASGI form, which it already is."""

    def to_asgi_response(self, *_: Any, **__: Any) -> ASGIResponse:
        return self


def members_of(error: ServiceError) -> dict[str, Any]:
    """The members of a problem that only errors of this class have."""
    if isinstance(error, InvalidProcessing):
        return {"position": error.position}
    if isinstance(error, RateLimited):
        return {"limit": error.limit, "used": error.used, "allowed": error.allowed}
    if isinstance(error, QuotaExceeded):
        return {"quota": error.quota, "used": error.used, "allowed": error.allowed}
    return {}


def retry_seconds_of(error: ServiceError) -> int | None:
    """Seconds for Retry-After, None if the answer has none."""
    if isinstance(error, RateLimited):
        return error.retry_seconds
    return RETRY_SECONDS if isinstance(error, RETRY_LATER) else None


def problem_response(
    status: int, code: str, detail: str, *, request_id: str | None = None, retry_seconds: int | None = None, **members: Any
) -> ASGIResponse:
    """The answer. `members`: further fields of Problem."""
    title = TITLE.get(status) or HTTPStatus(status).phrase
    problem = Problem(title, status, code, detail, request_id=request_id, **members)
    headers = {} if retry_seconds is None else {"Retry-After": str(retry_seconds)}
    return ProblemResponse(body=msgspec.json.encode(problem), status_code=status, media_type=MEDIA_TYPE, headers=headers)


def path_not_found(request_id: str | None) -> ASGIResponse:
    """A 404 for a path that does not exist."""
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
    request_id, retry_seconds = _request_id(request), retry_seconds_of(error)
    response = problem_response(
        status, error.code, detail_of(error), request_id=request_id, retry_seconds=retry_seconds, **members_of(error)
    )
    if isinstance(error, errors.Unauthenticated):
        response.headers["WWW-Authenticate"] = _challenge(error)
    if isinstance(error, errors.Forbidden) and error.scope:
        response.headers["WWW-Authenticate"] = f'Bearer error="insufficient_scope", scope="{error.scope}"'
    if isinstance(error, errors.RangeNotSatisfiable):
        response.headers["Content-Range"] = f"bytes */{error.size}"
    return response


def _challenge(error: errors.Unauthenticated) -> str:
    """RFC 6750, 3: without a credential no error; for a refused one why, in the characters that it allows."""
    if not error.rejected:
        return "Bearer"
    return f'Bearer error="invalid_token", error_description="{_NOT_IN_A_DESCRIPTION.sub("?", error.detail[:200])}"'


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
    described = [
        f"{fault.get('key', 'body')}: {fault.get('message', 'not valid')}" for fault in faults if isinstance(fault, dict)
    ]
    return "; ".join(described) or "The request is not valid."


def unexpected_problem(request: Request[Any, Any, Any], error: Exception) -> ASGIResponse:
    request.scope["state"]["problem"] = ServiceError.code
    log.error("request.crashed", exc_info=error)
    return problem_response(500, ServiceError.code, detail_of(ServiceError()), request_id=_request_id(request))


HANDLERS: dict[Any, Any] = {
    ServiceError: service_problem,
    HTTPException: framework_problem,
    Exception: unexpected_problem,
}
