"""The API's routes over the core of the tests, as httpx talks to them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import httpx2
from litestar import Litestar, Router

from internal.api.app import ROUTES
from internal.api.forms.upload_slots import UploadSlots
from internal.api.requests.queries import refuse_unknown
from internal.api.schemas import PREFIX
from internal.domain.errors import Unauthenticated
from internal.domain.identity import ANONYMOUS, Credential, Principal, Scope
from internal.http.middleware.access_log import AccessLog
from internal.http.middleware.default_headers import DefaultHeaders
from internal.http.middleware.methods import Methods
from internal.http.problems import HANDLERS
from internal.identity.authenticator import Authenticator
from internal.identity.links import LinkSigner
from internal.identity.settings import LinkKey
from internal.limits.request_rates import RequestRates
from internal.limits.upload_rates import UploadRates
from internal.postgres.listener import Listener
from tests.integration.service import Service

PRIVATE_CACHE, PUBLIC_CACHE = "private, no-cache", "public, max-age=300"
MAX_LINK_SECONDS = 604800

OWNER, READER, STRANGER = ({"x-api-key": f"imgp_{name}"} for name in ("owner", "reader", "stranger"))
"""The headers of the owner of the tests' images, of one who may only read them, and of a stranger."""

PRINCIPALS = {
    "imgp_owner": Principal(ANONYMOUS, frozenset({Scope.READ, Scope.WRITE}), Credential.KEY),
    "imgp_reader": Principal(ANONYMOUS, frozenset({Scope.READ}), Credential.KEY),
    "imgp_stranger": Principal("a stranger", frozenset(Scope), Credential.KEY),
}


class Keys:
    """Knows PRINCIPALS by their keys."""

    async def verify(self, credential: str) -> Principal:
        if credential not in PRINCIPALS:
            raise Unauthenticated("This key is not known.", rejected=True)
        return PRINCIPALS[credential]


AUTHENTICATOR = Authenticator({Credential.KEY: Keys()})
LINKS = LinkSigner((LinkKey("new", bytes(32)), LinkKey("old", bytes(range(32)))))


@asynccontextmanager
async def api_over(service: Service, listener: Listener, **changes: Any) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of the API. `changes`: what else its state holds than by default."""
    routes = [Router(PREFIX, route_handlers=ROUTES, before_request=refuse_unknown)]
    app = Litestar(routes, exception_handlers=HANDLERS, openapi_config=None, logging_config=None, request_max_body_size=None)
    app.state.upload_slots = UploadSlots(8, 8, 8)
    state: dict[str, Any] = {
        "authenticator": Authenticator(),
        "links": LinkSigner(),
        "request_rates": RequestRates(None),
        "upload_rates": UploadRates(None, None),
        "repository": service.repository,
        "store": service.store,
        "grammar": service.policy.grammar,
        "policy": service.policy,
        "multipart": service.door,
        "signals": listener,
        "shutdown_event": asyncio.Event(),
        "settings": settings(),
    }
    app.state.services = SimpleNamespace(**{**state, **changes})
    transport = httpx2.ASGITransport(AccessLog(DefaultHeaders(Methods(app))))
    async with httpx2.AsyncClient(transport=transport, base_url="http://service") as client:
        yield client


def settings(public_url: str = "") -> Any:
    """Those that handlers read."""
    server = SimpleNamespace(
        cache_control=PRIVATE_CACHE, public_cache_control=PUBLIC_CACHE, upload_seconds=60, public_url=public_url
    )
    return SimpleNamespace(server=server, links=SimpleNamespace(max_seconds=MAX_LINK_SECONDS))
