"""Query parameters: each call has its own, each comes once, and each is what the API's description says it is.

A parameter that is misspelt, or comes twice, would else be ignored, and its client would get another answer than it asked for.
"""

from typing import TypeVar

import msgspec

from internal.domain.errors import InvalidRequest
from internal.http.asgi import ApiRequest

T = TypeVar("T")

_NOT_IN_THE_QUERY = {"request", "data"}
"""What else handlers take, beside the parameters of their path."""


def refuse_unknown(request: ApiRequest) -> None:
    """Before every call. Raises InvalidRequest for a query parameter that the handler does not name, or that comes twice."""
    seen: set[str] = set()
    for name, _ in request.query_params.multi_items():
        if name in seen:
            raise InvalidRequest(f"The query parameter `{name}` came twice.")
        seen.add(name)
    if not seen:
        return
    known = parameters_of(request)
    if unknown := sorted(seen - set(known)):
        there = f"This call has: {', '.join(known)}." if known else "This call has none."
        raise InvalidRequest(f"There is no query parameter `{unknown[0]}`. {there}")


def parameters_of(request: ApiRequest) -> list[str]:
    """The names that the request's handler takes from the query."""
    named = request.route_handler.parsed_fn_signature.parameters
    return [name for name in named if name not in _NOT_IN_THE_QUERY and name not in request.path_params]


def read(name: str, text: str | None, kind: type[T]) -> T | None:
    """The parameter's `text` as a `kind`; None when it was not given. Raises InvalidRequest for anything else, `null` too."""
    try:
        return None if text is None else msgspec.convert(text, kind)
    except msgspec.ValidationError as error:
        raise InvalidRequest(f"{name}: {error}.") from error
