"""The application as it is served, without its dependencies: handlers find what its lifespan provides."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, cast

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from internal.api import app
from internal.api.schemas import PREFIX
from internal.identity.authenticator import Authenticator
from internal.limits.request_rates import RequestRates
from internal.limits.upload_rates import UploadRates
from internal.settings.loader import load_settings
from internal.settings.sections import Settings
from internal.wiring.api import upload_policy


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Any:
    @asynccontextmanager
    async def opened(settings: Settings) -> AsyncIterator[SimpleNamespace]:
        yield SimpleNamespace(
            settings=settings,
            authenticator=Authenticator(),
            request_rates=RequestRates(None),
            upload_rates=UploadRates(None, None),
            policy=upload_policy(settings),
            dependencies={},
            gauges=[],
        )

    monkeypatch.setattr(app, "open_api", opened)
    return TestClient(cast("Litestar", app.create_app(load_settings({}))), base_url="http://127.0.0.1")


def test_an_upload_gets_as_far_as_its_form(client: TestClient[Litestar]) -> None:
    with client:
        answer = client.post(f"{PREFIX}/images", content=b"x", headers={"content-type": "text/plain"})

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    assert "multipart/form-data" in answer.json()["detail"]
    assert answer.headers.get_list("cache-control") == ["no-store"]


def test_limits_and_health_are_served(client: TestClient[Litestar]) -> None:
    with client:
        assert client.get(f"{PREFIX}/limits").json()["limits"]["max_upload_bytes"] > 0
        assert client.get(f"{PREFIX}/limits").json()["rates"] == {"requests": None, "uploads": None, "upload_bytes": None}
        assert client.get("/health/live").json() == {"status": "ok"}
        assert client.get("/openapi.json").json() == app.api_document()
