"""Problems in the document: status, code and sentence come from the errors and from `internal/http/problems.py`."""

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from internal.api.openapi.components import Json, headers, schema
from internal.domain.errors import (
    Forbidden,
    InvalidProcessing,
    QuotaExceeded,
    RangeNotSatisfiable,
    RateLimited,
    ServiceError,
    Unauthenticated,
)
from internal.http.problems import MEDIA_TYPE, RETRY_LATER, detail_of, members_of, problem_response, status_of
from internal.pipeline.language.grammar import Grammar

REQUEST_ID = "0192f0c1-7c1e-7b7e-9d57-0e1f4a3c2b1a"


def problems(*kinds: type[ServiceError]) -> dict[str, Json]:
    """The answers of an operation that can fail in these ways, grouped by status."""
    grouped: dict[int, list[type[ServiceError]]] = {}
    for kind in sorted(kinds, key=status_of):
        grouped.setdefault(status_of(kind), []).append(kind)
    return {str(status): _answer(status, group) for status, group in grouped.items()}


def _answer(status: int, kinds: list[type[ServiceError]]) -> Json:
    codes = list(dict.fromkeys(kind.code for kind in kinds))
    narrowed = {"type": "object", "properties": {"code": {"enum": codes}, "status": {"const": status}}}
    content = {"schema": {"allOf": [schema("Problem"), narrowed]}, "examples": _examples(kinds)}
    more = ["Retry-After"] if any(issubclass(kind, RETRY_LATER) for kind in kinds) else []
    more += ["WWW-Authenticate"] if any(kind in (Unauthenticated, Forbidden) for kind in kinds) else []
    more += ["Content-Range"] if RangeNotSatisfiable in kinds else []
    return {
        "description": "\n\n".join(f"`{kind.code}`: {detail_of(kind())}" for kind in kinds),
        "headers": headers("X-Request-ID", *more),
        "content": {MEDIA_TYPE: content},
    }


def _examples(kinds: Iterable[type[ServiceError]]) -> Json:
    return {_words(kind): {"summary": kind.code, "value": example_body(kind)} for kind in kinds}


def _words(kind: type[ServiceError]) -> str:
    """Errors that share a code still need names of their own: DatabaseUnavailable is `database_unavailable`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", kind.__name__).lower()


def example_body(kind: type[ServiceError]) -> Any:
    """The problem as the API would answer it, made by the same function."""
    error = _instance(kind)
    answer = problem_response(status_of(kind), error.code, detail_of(error), **members_of(error))
    return {**msgspec.json.decode(answer.body), "request_id": REQUEST_ID}


def _instance(kind: type[ServiceError]) -> ServiceError:
    """The error as it is raised, with the values that it carries. The sentence of InvalidProcessing is the grammar's."""
    if kind is InvalidProcessing:
        try:
            Grammar().parse("resize:300x200|blurr:3")
        except InvalidProcessing as error:
            return error
    if kind is RateLimited:
        return RateLimited(limit="uploads", used=100, allowed=100)
    if kind is QuotaExceeded:
        return QuotaExceeded(quota="images", used=5000, allowed=5000)
    return kind()
