"""What a page of somebody else's can make a browser do to an API that asks for no credential."""

from typing import Any

import httpx2
import pytest

from internal.http.middleware.foreign_pages import ForeignPages

OWN = "http://127.0.0.1:8080"


async def asked(method: str, headers: dict[str, str], path: str = "/api/v1/images", **options: Any) -> tuple[int, bool]:
    """The status, and whether the application was reached."""
    reached = False

    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal reached
        reached = True
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    transport = httpx2.ASGITransport(app=ForeignPages(app, **options))
    async with httpx2.AsyncClient(transport=transport, base_url=OWN) as http:
        answer = await http.request(method, path, headers=headers)
    assert (answer.status_code == 200) == reached
    return answer.status_code, reached


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST", "DELETE", "PATCH"])
@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8080", "EVIL.example.", "127.0.0.1.evil.example", "localhost.evil.example", "1.2.3.4.5x"],
)
async def test_a_page_under_a_name_of_its_own_gets_nothing(method: str, host: str) -> None:
    """DNS rebinding: to the browser the page and the API are one origin."""
    assert await asked(method, {"host": host, "origin": f"http://{host}"}) == (400, False)


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "null", "http://127.0.0.1:3000", "http://127.0.0.1", "http://127.0.0.1:8080.evil.example", ""],
)
async def test_a_page_of_another_origin_changes_nothing(method: str, origin: str) -> None:
    assert await asked(method, {"origin": origin}) == (403, False)


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "[::1]:8080", "localhost:8080", "app.localhost", "api", "192.168.1.7"])
async def test_this_machine_may_do_everything(host: str) -> None:
    for method in ("GET", "POST", "DELETE"):
        assert await asked(method, {"host": host}) == (200, True)
        assert await asked(method, {"host": host, "origin": f"http://{host}"}) == (200, True)


async def test_another_origin_may_read_what_its_browser_lets_it() -> None:
    assert await asked("GET", {"origin": "https://evil.example"}) == (200, True)


async def test_what_is_configured_is_not_foreign() -> None:
    page = {"origin": "https://app.example"}
    assert await asked("POST", page, allowed=["https://app.example"]) == (200, True)
    assert await asked("POST", page, allowed=["*"]) == (200, True)
    assert await asked("POST", page, allowed=["https://another.example"]) == (403, False)

    public = {"host": "images.example", "origin": "https://images.example"}
    assert await asked("POST", public, public_origin="https://images.example") == (200, True)
    assert await asked("POST", {"origin": "https://images.example"}, public_origin="https://images.example") == (200, True)
    assert await asked("GET", {"host": "images.example"}, any_host=True) == (200, True)
    assert await asked("POST", {"host": "images.example", "origin": "https://evil.example"}, any_host=True) == (403, False)


async def test_health_is_answered_under_any_name() -> None:
    assert await asked("GET", {"host": "pod.example"}, "/health/ready") == (200, True)
