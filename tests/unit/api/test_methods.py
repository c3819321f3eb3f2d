"""Methods of every path: OPTIONS, the Allow of a 405, and HEAD wherever GET is."""

import re
from collections.abc import AsyncIterator, Iterator

import httpx2
import pytest
from litestar import Litestar, Router, delete, get, post, route
from litestar.params import FromPath
from litestar.response.base import ASGIResponse
from litestar.routes import HTTPRoute

from internal.api.app import ROUTES
from internal.api.docs import docs_handlers
from internal.api.schemas import PREFIX
from internal.http.asgi import ApiRequest
from internal.http.middleware.access_log import AccessLog
from internal.http.middleware.methods import Methods
from internal.http.monitoring.health import health_handlers
from internal.http.monitoring.metrics import metrics_handler
from internal.http.problems import HANDLERS

LITESTAR = Litestar(
    [Router(PREFIX, route_handlers=ROUTES), *docs_handlers({})],
    openapi_config=None,
    exception_handlers=HANDLERS,
    logging_config=None,
)
APP = AccessLog(Methods(LITESTAR))
LITESTAR.register(Router("/", route_handlers=[*health_handlers({}), metrics_handler([])]))

ALL_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND"}


def _paths() -> Iterator[tuple[str, set[str]]]:
    """Each path of the application, and the methods that its handlers name."""
    for found in LITESTAR.routes:
        assert isinstance(found, HTTPRoute)
        yield re.sub(r"{\w+}", "0192f0c1-7c1e-7b7e-9d57-0e1f4a3c2b1a", found.path_format), set(map(str, found.methods))


PATHS = sorted(_paths())


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=APP), base_url="http://api") as client:
        yield client


def _listed(answer: httpx2.Response) -> set[str]:
    return set(answer.headers["allow"].split(", "))


def test_all_paths_are_walked() -> None:
    paths = {path for path, _ in PATHS}
    assert {"/", "/health", "/metrics", "/docs", "/openapi.json", f"{PREFIX}/images", f"{PREFIX}/limits"} <= paths


@pytest.mark.parametrize(("path", "handled"), PATHS, ids=[path for path, _ in PATHS])
async def test_options_and_a_405_list_every_method(client: httpx2.AsyncClient, path: str, handled: set[str]) -> None:
    expected = {*handled, "OPTIONS", *(["HEAD"] if "GET" in handled else [])}

    options = await client.options(path)

    assert (options.status_code, options.content) == (204, b"")
    assert _listed(options) == expected
    for method in ALL_METHODS - expected:
        refused = await client.request(method, path)
        assert refused.status_code == 405, method
        assert _listed(refused) == expected
        assert refused.headers["content-type"] == "application/problem+json"
        if method != "HEAD":
            assert refused.json()["code"] == "method_not_allowed"
            assert refused.json()["request_id"] == refused.headers["x-request-id"]


@pytest.mark.parametrize("path", ["/health", "/health/live", "/", "/docs", "/redoc", "/openapi.json", "/docs/assets/docs.js"])
async def test_head_is_get_without_its_body(client: httpx2.AsyncClient, path: str) -> None:
    got, head = [await client.request(method, path, headers={"x-request-id": "same"}) for method in ("GET", "HEAD")]

    assert (head.status_code, head.headers) == (got.status_code, got.headers)
    assert head.content == b""


async def test_an_unknown_path_has_no_methods(client: httpx2.AsyncClient) -> None:
    for method in ("OPTIONS", "HEAD", "PUT"):
        assert (await client.request(method, f"{PREFIX}/nothing")).status_code == 404


async def test_a_path_that_is_written_out_goes_before_a_parameter() -> None:
    @get("/things/{name:str}")
    async def thing(name: FromPath[str]) -> str:
        return name

    @post("/things/all")
    async def everything() -> None: ...

    @delete("/things/{name:str}")
    async def remove(name: FromPath[str]) -> None: ...

    app = Methods(Litestar([thing, everything, remove], openapi_config=None))
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://api") as client:
        assert _listed(await client.options("/things/all")) == {"OPTIONS", "POST"}
        assert _listed(await client.options("/things/one")) == {"DELETE", "GET", "HEAD", "OPTIONS"}


async def test_a_path_that_is_added_later_is_known() -> None:
    """Health and metrics are, when the API starts."""

    @get("/later")
    async def later() -> None: ...

    litestar = Litestar([], openapi_config=None)
    app = Methods(litestar)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://api") as client:
        assert (await client.options("/later")).status_code == 404
        litestar.register(later)
        assert _listed(await client.options("/later")) == {"GET", "HEAD", "OPTIONS"}


async def test_a_handler_that_names_head_gets_it() -> None:
    """A binary's headers are known without opening its object."""
    methods = []

    @route("/bytes", http_method=["GET", "HEAD"])
    async def some_bytes(request: ApiRequest) -> ASGIResponse:
        methods.append(request.method)
        return ASGIResponse(headers={"content-length": "4"}, is_head_response=True)

    app = Methods(Litestar([some_bytes], openapi_config=None))
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://api") as client:
        assert (await client.head("/bytes")).headers["content-length"] == "4"
    assert methods == ["HEAD"]


async def test_requests_are_counted_by_their_path(client: httpx2.AsyncClient) -> None:
    """Those too that the framework does not see."""
    for method in ("OPTIONS", "PUT", "HEAD"):
        await client.request(method, "/docs/assets/none.js")
    counted = (await client.get("/metrics")).text
    for method, status in (("OPTIONS", 204), ("PUT", 405), ("HEAD", 404)):
        assert f'{{method="{method}",route="/docs/assets/{{name}}",status="{status}"}}' in counted
