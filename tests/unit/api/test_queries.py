"""Query parameters: every call refuses unknown, repeated and invalid ones."""

import re
from collections.abc import AsyncIterator
from types import SimpleNamespace

import httpx2
import pytest
from litestar import Litestar, Router

from internal.api.app import ROUTES
from internal.api.requests.queries import refuse_unknown
from internal.api.schemas import PREFIX
from internal.http.middleware.methods import Methods
from internal.http.problems import HANDLERS
from internal.limits.request_rates import RequestRates
from tests.identities import BY_SCOPES, EVERY_SCOPE

IMAGES = f"{PREFIX}/images"
CALLS = [
    (str(method), PREFIX + re.sub(r"{\w+:str}", "0192f0c1-7c1e-7b7e-9d57-0e1f4a3c2b1a", path))
    for handler in ROUTES
    for path in sorted(handler.paths)
    for method in sorted(handler.http_methods)
]


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    """The API's calls without anything behind them: what is refused here is refused before anything is asked."""
    router = Router(PREFIX, route_handlers=ROUTES, before_request=refuse_unknown)
    app = Litestar([router], openapi_config=None, exception_handlers=HANDLERS, logging_config=None)
    app.state.services = SimpleNamespace(authenticator=BY_SCOPES, request_rates=RequestRates(None))
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=Methods(app)), base_url="http://api", headers=EVERY_SCOPE
    ) as client:
        yield client


def _refused(answer: httpx2.Response) -> str:
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json"), answer.text
    assert answer.json()["code"] == "invalid_request"
    return str(answer.json()["detail"])


@pytest.mark.parametrize(("method", "path"), [call for call in CALLS if call[0] != "HEAD"])
async def test_every_call_refuses_unknown_parameters(client: httpx2.AsyncClient, method: str, path: str) -> None:
    assert "`colour`" in _refused(await client.request(method, path, params={"colour": "blue"}))


async def test_a_refusal_lists_the_known_parameters(client: httpx2.AsyncClient) -> None:
    expected = "There is no query parameter `state`. This call has: limit, cursor, status, created_after, created_before."
    assert _refused(await client.get(IMAGES, params={"state": "failed"})) == expected
    assert _refused(await client.get(f"{PREFIX}/limits?x")).endswith("This call has none.")


@pytest.mark.parametrize(
    "query",
    ["status=failed&status=failed", "status=null&status=null", "limit=1&limit=2", "cursor=a&limit=1&cursor=a"],
)
async def test_a_repeated_parameter_is_refused(client: httpx2.AsyncClient, query: str) -> None:
    """litestar 2.25.0 takes the last one."""
    name = query.partition("=")[0]
    assert _refused(await client.get(f"{IMAGES}?{query}")) == f"The query parameter `{name}` came twice."
    assert "twice" in _refused(await client.get(f"{IMAGES}/0192f0c1-7c1e-7b7e-9d57-0e1f4a3c2b1a?rendition=a&rendition=b"))


@pytest.mark.parametrize(
    "query",
    [
        *["status=null", "status=", "status=lost", "status=Failed", "created_after=null", "created_before=0"],
        *["created_after=2026-11-30", "created_before=yesterday", "limit=null", "limit=0", "limit=201", "limit=1.5", "limit="],
        *["cursor=", "cursor=null", "cursor=%00"],
    ],
)
async def test_a_value_of_the_wrong_type_is_refused(client: httpx2.AsyncClient, query: str) -> None:
    """litestar 2.25.0 with msgspec 0.22.0 takes `null` for None, so that all images were listed, and `0` for 1970."""
    _refused(await client.get(f"{IMAGES}?{query}"))
