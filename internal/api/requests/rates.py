"""The rate limits of a request: counted once it is known who sends it, before anything else is done for it."""

from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from internal.api.requests.identity import Guard
from internal.domain.errors import ServiceError
from internal.domain.identity import Principal
from internal.http.asgi import ApiRequest
from internal.http.server.connections import address_of
from internal.limits.clients import WITH_OWNER, client_of
from internal.limits.report import RateReport
from internal.limits.upload_rates import UploadMeter, UploadRates


def counted(guard: Guard) -> Guard:
    """A guard that counts what comes to `guard`: for the owner that it finds, or for the address if there is none or it refuses.

    Raises RateLimited, also in place of an error of `guard`: guesses at credentials are limited like other requests.
    """

    async def count(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
        try:
            await guard(connection, handler)
        except ServiceError:
            _count(connection)
            raise
        _count(connection)

    return count


def _count(connection: ASGIConnection[Any, Any, Any, Any]) -> None:
    report = connection.scope["state"]["rates"] = RateReport()
    connection.app.state.services.request_rates.count(rate_client_of(connection), report)


def upload_meter_of(request: ApiRequest, rates: UploadRates, most: int) -> UploadMeter:
    """The meter of the request's body, of which at most `most` bytes are taken."""
    announced = request.headers.get("content-length", "")
    length = (
        int(announced) if announced.isdecimal() else None
    )  # a body with both is no request (RFC 9112, 6.3): the server refuses it
    return rates.meter(rate_client_of(request), length, most, request.scope["state"]["rates"])


def rate_client_of(connection: ASGIConnection[Any, Any, Any, Any]) -> str:
    """Whose limits count."""
    return client_of(connection.scope["state"].get("principal"), client_address_of(connection))


def counted_owner_of(connection: ASGIConnection[Any, Any, Any, Any]) -> str | None:
    """The owner whose share of the uploads counts; None where everybody is the same."""
    principal: Principal | None = connection.scope["state"].get("principal")
    return principal.owner if principal is not None and principal.credential in WITH_OWNER else None


def client_address_of(connection: ASGIConnection[Any, Any, Any, Any]) -> str:
    """The client's address, as limits count it."""
    return address_of(connection.client.host if connection.client else None)
