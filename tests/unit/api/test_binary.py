"""Downloads whose object is not there: deleted meanwhile, or lost."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import pytest
from litestar import Litestar, get
from litestar.response.base import ASGIResponse
from litestar.testing import TestClient
from structlog.testing import capture_logs

from internal.api.binary import ONE_PIECE_BYTES, Download, send
from internal.api.metrics import metrics_handler
from internal.api.problems import HANDLERS
from internal.api.requests import ApiRequest
from internal.errors import NotStored
from internal.images.ports import Ports
from internal.objectstore.port import Opened, Span
from tests.unit.api.test_metrics import samples

IMAGE_ID = UUID("0192f0c1-7c1e-7b7e-9d57-0e1f4a3c2b1a")
KEY = f"originals/b1a/{IMAGE_ID}"


class EmptyStore:
    def get(self, key: str, span: Span | None = None) -> AbstractAsyncContextManager[Opened]:
        raise NotStored


class References:
    def __init__(self, *keys: str) -> None:
        self._keys = frozenset(keys)

    async def referred(self, keys: Sequence[str]) -> frozenset[str]:
        return self._keys & set(keys)


def client(references: References, size: int) -> TestClient[Litestar]:
    """Of a service that has lost the object of its only picture."""
    ports = cast("Ports", SimpleNamespace(store=EmptyStore(), repository=SimpleNamespace(references=references)))
    download = Download(IMAGE_ID, KEY, "0" * 64, size, "image/png", datetime.now(UTC), "picture")

    @get("/picture")
    async def picture(request: ApiRequest) -> ASGIResponse:
        return await send(request, ports, download, "no-cache")

    return TestClient(Litestar([picture, metrics_handler([])], exception_handlers=HANDLERS, openapi_config=None))


def told(answer: Any) -> tuple[int, str]:
    assert KEY not in answer.text
    return answer.status_code, answer.json()["code"]


@pytest.mark.parametrize("size", [10, ONE_PIECE_BYTES + 1])
def test_a_lost_object_is_an_error_of_ours_and_seen(size: int) -> None:
    missing = ("image_processor_missing_objects_total",)
    with client(References(KEY), size) as http, capture_logs() as lines:
        before = samples(http)[missing]
        assert told(http.get("/picture")) == (500, "object_lost")
        assert samples(http)[missing] == before + 1

    [line] = [line for line in lines if line["event"] == "object.missing"]
    assert line == {"event": "object.missing", "log_level": "error", "image_id": str(IMAGE_ID), "key": KEY}


@pytest.mark.parametrize("size", [10, ONE_PIECE_BYTES + 1])
def test_what_was_deleted_meanwhile_is_not_found(size: int) -> None:
    with client(References(), size) as http, capture_logs() as lines:
        before = samples(http)
        assert told(http.get("/picture")) == (404, "not_found")
        assert samples(http) == before

    assert lines == []
