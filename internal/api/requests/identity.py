"""Who sends a request: the guard of every route, and what it found out."""

from collections.abc import Awaitable, Callable
from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from internal.domain.errors import Forbidden
from internal.domain.identity import Principal, Scope
from internal.http.asgi import ApiRequest

Guard = Callable[[ASGIConnection[Any, Any, Any, Any], BaseRouteHandler], Awaitable[None]]


def require(scope: Scope) -> Guard:
    """A guard that lets a request through whose credential has the scope. It runs before anything else is read or checked.

    Raises Unauthenticated, Forbidden, InvalidRequest and DatabaseUnavailable.
    """

    async def authorize(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
        headers = connection.headers
        authenticator = connection.app.state.services.authenticator
        principal = await authenticator.authenticate(headers.getall("authorization", []), headers.getall("x-api-key", []))
        if scope not in principal.scopes:
            raise Forbidden(scope=scope)
        connection.scope["state"]["principal"] = principal

    return authorize


def principal_of(request: ApiRequest) -> Principal:
    """The sender of the request. Only in a route that has a scope."""
    principal: Principal = request.scope["state"]["principal"]
    return principal


def owner_of(request: ApiRequest) -> str:
    """The owner whose images the request is about."""
    return principal_of(request).owner
