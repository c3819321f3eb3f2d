"""Who sends a request: the guard of every route, and what it found out."""

import time
from collections.abc import Awaitable, Callable
from enum import Flag
from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from internal.api.requests.links import claimed_link
from internal.domain.errors import Forbidden
from internal.domain.identity import LINK_BEARER, NOBODY, Principal, Reader, Scope
from internal.http.asgi import ApiRequest

Guard = Callable[[ASGIConnection[Any, Any, Any, Any], BaseRouteHandler], Awaitable[None]]

NOBODY_MAY = "With AUTH_MODE=none nobody has the scope {scope}. Start the service with AUTH_MODE=key, and make a key that has it."


class OpenTo(Flag):
    """Who besides the owner may call a route that reads a picture: the bearer of a signed link, and anybody if it is public."""

    OWNERS = 0
    LINKS = 1
    ANYBODY = 2


def require(scope: Scope, open_to: OpenTo = OpenTo.OWNERS) -> Guard:
    """A guard that lets a request through whose credential has the scope. It runs before anything else is read or checked.

    Where a route is open to links, a request with a link is judged by the link, before anything is looked up. Where it is open to
    anybody, a request without a credential goes on as NOBODY. A credential that is there is never ignored: if it is wrong, the
    request is refused, whatever else would let it in.

    Raises Unauthenticated, Forbidden, LinkInvalid, InvalidRequest and DatabaseUnavailable.
    """

    async def authorize(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
        services, state = connection.app.state.services, connection.scope["state"]
        credentials = connection.headers.getall("authorization", []), connection.headers.getall("x-api-key", [])
        if OpenTo.LINKS in open_to and (link := claimed_link(connection)):
            services.links.verify(link.grant, link.signature, now=time.time())
            if any(credentials):
                state["principal"] = await services.authenticator.authenticate(*credentials)
            state["reader"] = LINK_BEARER
            return
        if OpenTo.ANYBODY in open_to and services.authenticator.asks and not any(credentials):
            state["reader"] = NOBODY
            return
        principal = await services.authenticator.authenticate(*credentials)
        if scope not in principal.scopes:
            raise Forbidden(None if services.authenticator.asks else NOBODY_MAY.format(scope=scope), scope=scope)
        state["principal"] = principal
        state["reader"] = Reader(principal.owner)

    return authorize


def principal_of(request: ApiRequest) -> Principal:
    """The sender of the request. Only in a route that is open to nobody else."""
    principal: Principal = request.scope["state"]["principal"]
    return principal


def owner_of(request: ApiRequest) -> str:
    """The owner whose images the request is about. Only in a route that is open to nobody else."""
    return principal_of(request).owner


def reader_of(request: ApiRequest) -> Reader:
    """Who asks for a picture."""
    reader: Reader = request.scope["state"]["reader"]
    return reader
