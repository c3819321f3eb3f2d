"""The headers of every answer: not to be cached, and to be taken for nothing but what it is."""

import json
from collections.abc import AsyncIterator

import httpx2
import pytest

from internal.api.app import create_app
from internal.api.schemas import PREFIX
from internal.http.asgi import Receive, Scope, Send
from internal.http.server.side_server import side_app
from internal.settings.loader import load_settings
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


SECURITY = {
    "x-content-type-options": ["nosniff"],
    "content-security-policy": ["default-src 'none'; frame-ancestors 'none'"],
    "cross-origin-resource-policy": ["same-origin"],
    "referrer-policy": ["no-referrer"],
    "x-frame-options": ["DENY"],
}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", f"{PREFIX}/operations", 500),
        ("GET", "/nothing", 404),
        ("PUT", "/docs", 405),
        ("GET", "/", 307),
        ("OPTIONS", "/docs", 204),
        ("HEAD", "/openapi.json", 200),
        ("GET", "/docs/assets/docs.js", 200),
    ],
)
async def test_every_answer_has_them(client: httpx2.AsyncClient, method: str, path: str, status: int) -> None:
    answer = await client.request(method, path)

    assert answer.status_code == status
    assert {name: answer.headers.get_list(name) for name in SECURITY} == SECURITY


async def test_a_page_has_a_policy_of_its_own(client: httpx2.AsyncClient) -> None:
    headers = (await client.get("/docs")).headers

    (policy,) = headers.get_list("content-security-policy")
    assert "script-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["x-frame-options"] == "DENY"


@pytest.mark.parametrize(
    "start", [b"\x16\x03\x01 this is no HTTP", b"GET / HTTP/1.1\r\nx: " + b"a" * 70_000, b"GET /crash HTTP/1.1"]
)
def test_an_answer_of_the_server_itself_has_them(start: bytes) -> None:
    """uvicorn 0.54.0 answers a crash of the application with a bare text."""

    async def crash(_: Scope, __: Receive, ___: Send) -> None:
        raise RuntimeError

    with serving(crash) as served, served.connected() as connection:
        connection.sendall(start + b"\r\n\r\n")
        head, _, body = read_to_end(connection).decode().partition("\r\n\r\n")
    status, *lines = head.lower().split("\r\n")
    assert status.startswith(("http/1.1 400 ", "http/1.1 431 ", "http/1.1 500 "))
    assert {line for line in lines if line.startswith((*SECURITY, "cache-control"))} == {
        "cache-control: no-store",
        *(f"{name}: {value}".lower() for name, (value,) in SECURITY.items()),
    }
    assert json.loads(body)["status"] == int(status.split()[1])


def test_the_servers_of_worker_and_metrics_have_them_too() -> None:
    with serving(side_app([])) as served, served.connected() as connection:
        connection.sendall(b"GET /nothing HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        answer = read_to_end(connection).decode().lower()
    assert all(f"\r\n{name}: {value}\r\n".lower() in answer for name, (value,) in SECURITY.items())
