"""The middleware as the application is served with it, by its settings."""

import httpx2
import pytest
import structlog

from internal.api.app import create_app
from internal.settings.loader import load_settings


async def _ask(path: str, headers: dict[str, str], **settings: str) -> httpx2.Response:
    """The answer of the whole application to a client of 10.0.0.1. Paths that need its dependencies are not there."""
    transport = httpx2.ASGITransport(app=create_app(load_settings(settings)), client=("10.0.0.1", 1))
    async with httpx2.AsyncClient(transport=transport, base_url="http://inside") as http:
        return await http.get(path, headers=headers)


@pytest.mark.parametrize(
    ("proxies", "client"), [("", "10.0.0.1"), ("10.0.0.0/8", "203.0.113.9"), ("192.0.2.0/24, 2001:db8::/32", "10.0.0.1")]
)
async def test_a_request_is_logged_with_its_client(proxies: str, client: str) -> None:
    with structlog.testing.capture_logs() as logged:
        await _ask("/nothing", {"x-forwarded-for": "198.51.100.66, 203.0.113.9"}, TRUSTED_PROXIES=proxies)

    assert [line["client"] for line in logged if line["event"] == "request"] == [client]
