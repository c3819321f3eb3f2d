"""Answers without a Cache-Control of their own are not cached."""

from collections.abc import AsyncIterator

import httpx2
import pytest

from internal.api.app import create_app
from internal.api.schemas import PREFIX
from internal.settings.loader import load_settings
from tests.unit.api.test_methods import APP
from tests.unit.http.serving import read_to_end, serving

IMAGE = f"{PREFIX}/images/0192f0c1-7c1e-7b7e-9d57-0e1f4a3c2b1a"


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    """The API as it is served, without its dependencies: calls about images are a 500."""
    app = create_app(load_settings({"APP_PROFILE": "standalone"}))
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://api") as client:
        yield client


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", f"{PREFIX}/operations", 500),
        ("GET", f"{IMAGE}/status", 500),
        ("HEAD", f"{IMAGE}/status", 500),
        ("DELETE", IMAGE, 500),
        ("GET", f"{PREFIX}/nothing", 404),
        ("PUT", f"{PREFIX}/images", 405),
        ("OPTIONS", f"{PREFIX}/images", 204),
    ],
)
async def test_an_answer_that_is_true_for_a_moment(client: httpx2.AsyncClient, method: str, path: str, status: int) -> None:
    answer = await client.request(method, path)

    assert (answer.status_code, answer.headers.get_list("cache-control")) == (status, ["no-store"])


@pytest.mark.parametrize("path", ["/docs", "/openapi.json", "/docs/assets/docs.js"])
async def test_an_answer_with_its_own_cache_control_keeps_it(client: httpx2.AsyncClient, path: str) -> None:
    assert (await client.get(path)).headers.get_list("cache-control") == ["no-cache"]


def test_the_answer_to_input_that_is_no_http_is_not_cached() -> None:
    with serving(APP) as served, served.connected() as connection:
        connection.sendall(b"\x16\x03\x01 this is no HTTP\r\n\r\n")
        assert b"\r\ncache-control: no-store\r\n" in read_to_end(connection)
