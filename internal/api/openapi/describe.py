"""The description of a route: everything that its handler's signature, docstring and types do not say.

    @get("/totals", **describe(TOTALS, "Show totals", scope=Scope.READ, errors=(NotFound,)))
    async def show_totals(request: ApiRequest) -> TotalsBody:
        \"\"\"What the owner has stored.\"\"\"

Litestar's generator reads path, method, parameters, result and docstring; document.py adds what stands here.
"""

from collections.abc import Callable, Mapping
from typing import Any, Self

from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Tag
from msgspec import Struct

from internal.api.openapi.components import Json
from internal.api.requests.identity import OpenTo, require
from internal.api.requests.links import LINK_PARAMETERS
from internal.api.requests.queries import FURTHER
from internal.api.requests.rates import counted
from internal.domain.errors import (
    DatabaseUnavailable,
    Forbidden,
    InvalidRequest,
    LinkInvalid,
    RateLimited,
    ServiceError,
    Unauthenticated,
)
from internal.domain.identity import Scope

OPTION = "description"
"""The key of a handler's `opt` that holds its Description."""

GUARD_ERRORS = (InvalidRequest, Unauthenticated, Forbidden, RateLimited, DatabaseUnavailable)
"""How every route can fail before its handler runs."""

Examples = Callable[[], Json]
"""Values by name. A function: examples parse chains, and plug-ins are loaded for that."""


class Answer(Struct, frozen=True):
    """A success. `body` is its struct when the handler's return type does not say it.

    `media_types`: those of a binary, which is streamed. `headers`: names in components.HEADERS.
    """

    description: str
    body: type[Struct] | None = None
    examples: Examples | None = None
    headers: tuple[str, ...] = ()
    media_types: tuple[str, ...] = ()


class JsonBody(Struct, frozen=True):
    """A body that the handler decodes itself (`json_of`)."""

    kind: type[Struct]
    examples: Examples

    def content(self) -> Json:
        return {"application/json": {"schema": {"$ref": f"#/components/schemas/{self.kind.__name__}"}, **shown(self.examples)}}


class StreamedBody(Struct, frozen=True):
    """A body that is read as a stream: its media types, as OpenAPI writes them. Litestar's generator can't express these."""

    content: Callable[[], Json]


class Description(Struct, frozen=True):
    """The arguments of `describe`."""

    tag: Tag
    answers: Mapping[int, Answer]
    errors: tuple[type[ServiceError], ...]
    headers: tuple[str, ...]
    reads: Mapping[str, Any]
    body: JsonBody | StreamedBody | None
    details: Callable[[], str] | None
    scope: Scope
    open_to: OpenTo

    def __deepcopy__(self, _: object) -> Self:
        """Itself: Litestar copies handlers deeply, and msgspec.Meta in a type can't be copied."""
        return self


def describe(
    tag: Tag,
    summary: str,
    *,
    scope: Scope,
    open_to: OpenTo = OpenTo.OWNERS,
    answers: Mapping[int, Answer] | None = None,
    errors: tuple[type[ServiceError], ...] = (),
    headers: tuple[str, ...] = (),
    reads: Mapping[str, Any] | None = None,
    body: JsonBody | StreamedBody | None = None,
    details: Callable[[], str] | None = None,
) -> dict[str, Any]:
    """Arguments for Litestar's route decorators.

    `scope`: what a credential must have. `open_to`: who needs none; links have query parameters, which the guard reads.
    `errors`: how the route can fail, besides GUARD_ERRORS (InvalidRequest is also a query parameter that it does not have) and an
    internal error.
    `headers`: request headers that it obeys, names in components.PARAMETERS. `reads`: types of query parameters that the handler
    takes as text and reads itself. `details`: Markdown that is made from the code, behind the docstring.
    """
    linked = OpenTo.LINKS in open_to
    failures = tuple(dict.fromkeys((*GUARD_ERRORS, *((LinkInvalid,) if linked else ()), *errors, ServiceError)))
    described = Description(tag, answers or {}, failures, headers, reads or {}, body, details, scope, open_to)
    bodies = {status: answer.body for status, answer in described.answers.items() if answer.body is not None}
    return {
        "summary": summary,
        "tags": [tag.name],
        "responses": {status: ResponseSpec(kind, generate_examples=False) for status, kind in bodies.items()},
        "opt": {OPTION: described, FURTHER: LINK_PARAMETERS if linked else ()},
        "guards": [counted(require(scope, open_to))],
    }


def shown(examples: Examples | None) -> Json:
    """The entry `examples` of a media type; empty without any."""
    return {"examples": {name: {"value": value} for name, value in examples().items()}} if examples else {}
