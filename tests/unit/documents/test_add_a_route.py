"""The route in CONTRIBUTING.md: the file as it is printed there answers, and is in the OpenAPI document."""

import importlib
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest
from litestar import Litestar, Router
from litestar.handlers import HTTPRouteHandler
from litestar.testing import TestClient

from internal.api.app import ROUTES
from internal.api.openapi.document import openapi_document
from internal.api.schemas import PREFIX
from internal.identity.authenticator import Authenticator
from internal.limits.request_rates import RequestRates
from internal.runtime.project import PROJECT
from tests.unit.documents.markdown import blocks


@pytest.fixture
def printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> HTTPRouteHandler:
    """The handler of the example."""
    [text] = [text for kind, text in blocks(PROJECT / "CONTRIBUTING.md") if kind == "python" and "internal/api/routes" in text]
    (tmp_path / "printed_totals.py").write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "printed_totals", raising=False)
    return cast("HTTPRouteHandler", importlib.import_module("printed_totals").show_totals)


def test_it_answers(printed: HTTPRouteHandler) -> None:
    app = Litestar([Router(PREFIX, route_handlers=[printed])], openapi_config=None)
    app.state.services = SimpleNamespace(authenticator=Authenticator(), request_rates=RequestRates(None))
    with TestClient(app) as client:
        assert client.get(f"{PREFIX}/totals").json() == {"owner": "anonymous", "images": 0}


def test_it_is_in_the_document_beside_the_others(printed: HTTPRouteHandler) -> None:
    document = openapi_document([Router(PREFIX, route_handlers=[*ROUTES, printed])])
    operation = document["paths"][f"{PREFIX}/totals"]["get"]
    schema = msgspec.json.decode(msgspec.json.encode(document["components"]["schemas"]["TotalsBody"]))

    assert operation["operationId"] == "show_totals"
    assert operation["summary"] == "Show totals"
    assert operation["description"] == "How many images the owner has."
    assert operation["tags"] == ["Totals"]
    assert operation["responses"]["200"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/TotalsBody"}
    assert operation["responses"]["200"]["content"]["application/json"]["examples"] == {
        "totals": {"value": {"owner": "anonymous", "images": 12}}
    }
    assert _codes(operation) == {
        "invalid_request", "unauthenticated", "forbidden", "rate_limited", "unavailable", "internal_error",
    }  # fmt: skip
    assert operation["security"] == [{"bearer": ["images:read"]}, {"api_key": ["images:read"]}]
    assert document["paths"][f"{PREFIX}/totals"]["head"]["operationId"] == "show_totals_headers"
    assert {"name": "Totals", "description": "What an owner has stored."} in document["tags"]
    assert schema["required"] == ["owner", "images"]
    assert schema["description"] == "What an owner has stored."


def _codes(operation: dict[str, Any]) -> set[str]:
    problems = [
        answer["content"]["application/problem+json"]["schema"]
        for answer in operation["responses"].values()
        if "application/problem+json" in answer.get("content", {})
    ]
    return {
        code
        for problem in problems
        for part in problem["allOf"]
        for code in part.get("properties", {}).get("code", {}).get("enum", [])
    }
