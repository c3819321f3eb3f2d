"""Query parameters: a call accepts only those that it declares, each once.

A misspelt or repeated parameter is refused: if it were ignored, the client would get another answer than it asked for.
"""

from typing import TypeVar

import msgspec

from internal.domain.errors import InvalidRequest
from internal.http.asgi import ApiRequest

T = TypeVar("T")

FURTHER = "further_query_parameters"
"""The key of a handler's `opt` that holds the names of those that its guard reads."""

_NOT_IN_THE_QUERY = {"request", "data"}
"""Arguments of handlers that are neither query nor path parameters."""


def refuse_unknown(request: ApiRequest) -> None:
    """Runs before every call. Raises InvalidRequest for an unknown or repeated query parameter."""
    seen: set[str] = set()
    for name, _ in request.query_params.multi_items():
        if name in seen:
            raise InvalidRequest(f"The query parameter `{name}` came twice.")
        seen.add(name)
    if not seen:
        return
    known = query_parameters(request)
    if unknown := sorted(seen - set(known)):
        there = f"This call has: {', '.join(known)}." if known else "This call has none."
        raise InvalidRequest(f"There is no query parameter `{unknown[0]}`. {there}")


def query_parameters(request: ApiRequest) -> list[str]:
    """Names of the query parameters that the request's handler, or its guard, takes."""
    named = request.route_handler.parsed_fn_signature.parameters
    own = [name for name in named if name not in _NOT_IN_THE_QUERY and name not in request.path_params]
    return [*own, *request.route_handler.opt.get(FURTHER, ())]


def parse_parameter(name: str, text: str | None, kind: type[T]) -> T | None:
    """The parameter's `text` as a `kind`; None when it was not given. Raises InvalidRequest for anything else, `null` too."""
    try:
        return None if text is None else msgspec.convert(text, kind)
    except msgspec.ValidationError as error:
        raise InvalidRequest(f"{name}: {error}.") from error
