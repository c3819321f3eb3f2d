"""The worker's own HTTP."""

from types import SimpleNamespace
from typing import Any, cast

import httpx2
import pytest

from internal.runtime.secret import Secret
from internal.worker.health import health_app


@pytest.mark.parametrize("path", ["/health", "/health/live", "/metrics"])
async def test_head_is_answered_where_get_is(path: str) -> None:
    app = health_app(cast("Any", SimpleNamespace(dependencies={}, gauges=[])))
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=cast("Any", app)), base_url="http://worker") as http:
        head = await http.head(path)
        assert (head.status_code, head.content) == (200, b"")
        assert int(head.headers["content-length"]) > 0
        assert (await http.put(path)).headers["allow"] == "GET, HEAD, OPTIONS"


async def test_metrics_are_for_the_bearer_of_the_token() -> None:
    app = health_app(cast("Any", SimpleNamespace(dependencies={}, gauges=[])), Secret("sesame"))
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=cast("Any", app)), base_url="http://worker") as http:
        assert (await http.get("/metrics")).status_code == 401
        assert (await http.get("/metrics", headers={"authorization": "Bearer sesame"})).status_code == 200
        assert (await http.get("/health")).status_code == 200


@pytest.mark.parametrize("path", ["/health", "/health/live", "/nothing"])
async def test_answers_are_kept_by_no_cache(path: str) -> None:
    app = health_app(cast("Any", SimpleNamespace(dependencies={}, gauges=[])))
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=cast("Any", app)), base_url="http://worker") as http:
        assert (await http.get(path)).headers["cache-control"] == "no-store"
