"""The documentation pages: everything is served from here, and nothing is loaded from elsewhere."""

import re
from collections.abc import Iterator

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from internal.api.app import api_document
from internal.api.docs import OWN_ASSETS, VENDORED, docs_handlers
from internal.http.problems import HANDLERS

PAGES = ["/docs", "/redoc"]
ASSETS = [*OWN_ASSETS, *(name.rpartition("/")[2] for name in VENDORED)]

Client = TestClient[Litestar]


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    app = Litestar(docs_handlers(api_document()), openapi_config=None, exception_handlers=HANDLERS, logging_config=None)
    with TestClient(app) as client:
        yield client


def test_the_document_is_served(client: Client) -> None:
    answer = client.get("/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == api_document()


@pytest.mark.parametrize("page", PAGES)
def test_a_page_loads_only_what_is_served_here(client: Client, page: str) -> None:
    answer = client.get(page)
    assert answer.headers["content-type"].startswith("text/html")
    loaded = re.findall(r'(?:src|href)="([^"]+)"', answer.text)
    assert len(loaded) > 3
    for address in loaded:
        assert address.startswith("/")
        assert not address.startswith("//")
        assert client.get(address).status_code == 200, address


@pytest.mark.parametrize("page", PAGES)
def test_a_page_has_no_script_of_its_own_and_may_not_have_one(client: Client, page: str) -> None:
    answer = client.get(page)
    assert re.findall(r"<script(?![^>]*\bsrc=)", answer.text) == []
    assert re.findall(r"\son\w+=", answer.text) == []
    policy = dict(rule.split(" ", 1) for rule in answer.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self'"
    assert not any("http" in sources or "*" in sources or "unsafe-eval" in sources for sources in policy.values())


@pytest.mark.parametrize("name", ["docs.js", "redoc.js", "pages.css"])
def test_our_scripts_and_styles_name_no_other_host(client: Client, name: str) -> None:
    assert "//" not in re.sub(r"^// .*$", "", client.get(f"/docs/assets/{name}").text, flags=re.MULTILINE)


def test_vendored_styles_load_nothing_from_elsewhere(client: Client) -> None:
    style = client.get("/docs/assets/swagger-ui.css").text
    assert not re.findall(r"(?:url\(\s*[\"']?|@import\s+[\"']?)(?:https?:)?//", style)


def test_redoc_fetches_no_logo(client: Client) -> None:
    assert "cdn.redoc" not in client.get("/docs/assets/redoc.standalone.js").text


@pytest.mark.parametrize("name", ASSETS)
def test_an_asset_is_sent_once(client: Client, name: str) -> None:
    first = client.get(f"/docs/assets/{name}")
    assert first.status_code == 200
    assert first.content
    again = client.get(f"/docs/assets/{name}", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    "name",
    [
        "LICENSE",
        "packages.toml",
        "vendor%2Fredoc%2FLICENSE",
        "__init__.py",
        "..%2Fdocs.py",
        "%2e%2e%2f%2e%2e%2fpyproject.toml",
        "",
    ],
)
def test_no_other_file_is_served(client: Client, name: str) -> None:
    answer = client.get(f"/docs/assets/{name}")
    assert answer.status_code == 404
    assert answer.json()["code"] == "not_found"


def test_the_front_page_leads_to_the_docs(client: Client) -> None:
    answer = client.get("/", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (307, "/docs")


def test_the_icon_is_ours(client: Client) -> None:
    answer = client.get("/favicon.ico")
    assert answer.headers["content-type"] == "image/svg+xml"
    assert answer.content == client.get("/docs/assets/favicon.svg").content
