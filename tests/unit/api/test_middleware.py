"""The middleware as the application is served with it, by its settings."""

import brotli  # type: ignore[import-untyped]
import httpx2
import pytest
import structlog

from internal.api.app import create_app
from internal.settings.loader import load_settings

APP = "https://app.example"
EVERYTHING = {
    "APP_MIDDLEWARE_CORS": "true",
    "CORS_ORIGINS": APP,
    "APP_MIDDLEWARE_GZIP": "true",
    "APP_MIDDLEWARE_TRUSTEDHOST": "true",
    "TRUSTED_HOSTS": "images.example",
    "APP_MIDDLEWARE_HTTPSREDIRECT": "true",
    "TRUSTED_PROXIES": "10.0.0.0/8",
}
BY_PROXY = {"host": "images.example", "x-forwarded-for": "203.0.113.9", "x-forwarded-proto": "https", "origin": APP}


async def _ask(path: str, headers: dict[str, str], method: str = "GET", **settings: str) -> httpx2.Response:
    """The answer of the whole application to a client of 10.0.0.1. Paths that need its dependencies are not there."""
    transport = httpx2.ASGITransport(app=create_app(load_settings(settings)), client=("10.0.0.1", 1))
    async with httpx2.AsyncClient(transport=transport, base_url="http://inside") as http:
        return await http.request(method, path, headers=headers)


@pytest.mark.parametrize(
    ("proxies", "client"), [("", "10.0.0.1"), ("10.0.0.0/8", "203.0.113.9"), ("192.0.2.0/24, 2001:db8::/32", "10.0.0.1")]
)
async def test_a_request_is_logged_with_its_client(proxies: str, client: str) -> None:
    with structlog.testing.capture_logs() as logged:
        await _ask("/nothing", {"x-forwarded-for": "198.51.100.66, 203.0.113.9"}, TRUSTED_PROXIES=proxies)

    assert [line["client"] for line in logged if line["event"] == "request"] == [client]


async def test_nothing_is_on_by_itself() -> None:
    answer = await _ask("/openapi.json", {"host": "any.example", "origin": APP, "accept-encoding": "br"}, AUTH_MODE="key")

    assert answer.status_code == 200
    assert not [name for name in answer.headers if name.startswith(("access-control-", "vary", "strict-", "content-encoding"))]


@pytest.mark.parametrize(
    ("settings", "status"),
    [
        ({}, 400),
        ({"PUBLIC_URL": "https://Pictures.example:443/images"}, 200),
        ({"AUTH_ALLOW_ANONYMOUS": "true"}, 200),
        ({"APP_MIDDLEWARE_TRUSTEDHOST": "true", "TRUSTED_HOSTS": "pictures.example"}, 200),
        ({"AUTH_MODE": "key"}, 200),
    ],
)
async def test_an_api_that_asks_nobody_is_not_for_foreign_pages(settings: dict[str, str], status: int) -> None:
    """The page of pictures.example, whose name points to this machine by now."""
    answer = await _ask("/openapi.json", {"host": "pictures.example", "origin": "https://pictures.example"}, **settings)

    assert answer.status_code == status


async def test_a_page_reads_a_compressed_answer_over_https() -> None:
    plain = await _ask("/openapi.json", {"accept-encoding": "identity"})
    got = await _ask("/openapi.json", {**BY_PROXY, "accept-encoding": "br"}, **EVERYTHING)
    head = await _ask("/openapi.json", {**BY_PROXY, "accept-encoding": "br"}, "HEAD", **EVERYTHING)

    assert (got.status_code, got.json()) == (200, plain.json())
    assert got.headers["content-encoding"] == "br"
    assert got.headers["content-length"] == str(len(brotli.compress(plain.content, mode=brotli.MODE_TEXT, quality=5)))
    assert got.headers["etag"] == plain.headers["etag"][:-1] + '-br"'
    assert got.headers["vary"] == "accept-encoding, origin"
    assert got.headers["access-control-allow-origin"] == APP
    assert got.headers["strict-transport-security"] == "max-age=31536000"
    changing = {"x-request-id"}
    assert {**head.headers, **dict.fromkeys(changing)} == {**got.headers, **dict.fromkeys(changing)}

    again = await _ask("/openapi.json", {**BY_PROXY, "accept-encoding": "br", "if-none-match": got.headers["etag"]}, **EVERYTHING)
    assert (again.status_code, again.headers["etag"]) == (304, got.headers["etag"])
    assert again.headers["vary"] == "accept-encoding, origin"


@pytest.mark.parametrize(
    ("changed", "path", "method", "status"),
    [
        ({"host": "evil.example"}, "/docs", "GET", 400),
        ({"x-forwarded-proto": "http"}, "/docs", "GET", 308),
        ({}, "/nothing", "GET", 404),
        ({}, "/docs", "DELETE", 405),
        ({}, "/api/v1/operations", "GET", 500),
        ({"access-control-request-method": "POST"}, "/nothing", "OPTIONS", 204),
    ],
)
async def test_every_refusal_can_be_read_by_a_page(changed: dict[str, str], path: str, method: str, status: int) -> None:
    with structlog.testing.capture_logs() as logged:
        answer = await _ask(path, {**BY_PROXY, **changed}, method, **EVERYTHING)

    assert answer.status_code == status
    assert answer.headers["access-control-allow-origin"] == APP
    assert answer.headers["vary"].split(", ")[-1] == "origin"
    assert answer.headers["cache-control"] == "no-store"
    assert [line["status"] for line in logged if line["event"] == "request"] == [status]
    if status >= 400:
        assert answer.json()["request_id"] == answer.headers["x-request-id"]
