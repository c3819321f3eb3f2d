"""The API's description and the pages that show it: Swagger UI and Redoc.

Everything is served from here: our own files out of internal/web, those of Swagger UI and Redoc out of internal/web/vendor.
The pages' Content-Security-Policy allows nothing from elsewhere and no inline script.
"""

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from litestar import get
from litestar.exceptions import NotFoundException
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from litestar.response import Redirect
from litestar.response.base import ASGIResponse
from msgspec import Struct

from internal import web
from internal.api.openapi.components import Json
from internal.api.requests.conditional import Representation, decide
from internal.http.asgi import ApiRequest

JAVASCRIPT, CSS, SVG, HTML = (
    "text/javascript; charset=utf-8",
    "text/css; charset=utf-8",
    "image/svg+xml",
    "text/html; charset=utf-8",
)

OWN_ASSETS = {"docs.js": JAVASCRIPT, "redoc.js": JAVASCRIPT, "pages.css": CSS, "favicon.svg": SVG}
"""Our own assets by name, in internal/web."""

VENDORED = {
    "swagger-ui-dist/swagger-ui-bundle.js": JAVASCRIPT,
    "swagger-ui-dist/swagger-ui.css": CSS,
    "redoc/redoc.standalone.js": JAVASCRIPT,
}
"""The only files in internal/web/vendor that are served, each under its last name."""

REDOC_LOGO = b"https://cdn.redoc.ly/redoc/logo-mini.svg"
"""Redoc has no option to hide its logo; if the logo fails to load, none is shown. Redoc's file is unchanged."""

POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self' 'unsafe-inline'",  # both pages make their styles while they run
        "img-src 'self' data: blob:",  # icons in the style sheets; pictures that were tried out
        "font-src 'self'",
        "connect-src 'self'",
        "worker-src blob:",  # Redoc's search
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
)

_STARTED = datetime.now(UTC)


class Page(Struct, frozen=True):
    """A static response: the same for every client until the next release."""

    body: bytes
    media_type: str
    etag: str
    policy: str | None = None


def docs_handlers(document: Json) -> list[HTTPRouteHandler]:
    """Everything is read here, once. Raises FileNotFoundError when a file is missing: better at the start than later."""
    description = _page(msgspec.json.encode(document), "application/json")
    swagger = _page(_web_file("docs.html"), HTML, POLICY)
    redoc = _page(_web_file("redoc.html"), HTML, POLICY)
    assets = _assets()

    @get("/", status_code=307)
    async def front() -> Redirect:
        return Redirect("/docs", status_code=307)

    @get("/openapi.json")
    async def openapi_json(request: ApiRequest) -> ASGIResponse:
        return _answer(request, description)

    @get("/docs")
    async def swagger_page(request: ApiRequest) -> ASGIResponse:
        return _answer(request, swagger)

    @get("/redoc")
    async def redoc_page(request: ApiRequest) -> ASGIResponse:
        return _answer(request, redoc)

    @get("/docs/assets/{name:str}")
    async def asset(request: ApiRequest, name: FromPath[str]) -> ASGIResponse:
        if name not in assets:
            raise NotFoundException
        return _answer(request, assets[name])

    @get("/favicon.ico")
    async def favicon(request: ApiRequest) -> ASGIResponse:
        return _answer(request, assets["favicon.svg"])

    return [front, openapi_json, swagger_page, redoc_page, asset, favicon]


def _assets() -> dict[str, Page]:
    own = {name: _page(_web_file(name), media_type) for name, media_type in OWN_ASSETS.items()}
    vendored = {
        Path(name).name: _page(_web_file(f"vendor/{name}").replace(REDOC_LOGO, b"data:,"), media_type)
        for name, media_type in VENDORED.items()
    }
    return {**own, **vendored}


def _web_file(name: str) -> bytes:
    return (Path(web.__path__[0]) / name).read_bytes()


def _page(body: bytes, media_type: str, policy: str | None = None) -> Page:
    return Page(body, media_type, f'"{hashlib.sha256(body).hexdigest()[:32]}"', policy)


def _answer(request: ApiRequest, page: Page) -> ASGIResponse:
    """The page, or a 304 for a browser that has it."""
    headers = {"etag": page.etag, "cache-control": "no-cache", "content-type": page.media_type}
    if page.policy:
        headers["content-security-policy"] = page.policy
    known = {name: value for name, value in request.headers.items() if name == "if-none-match"}
    if decide(Representation(page.etag, _STARTED, len(page.body)), known).status == 304:
        return ASGIResponse(status_code=304, headers=headers)
    return ASGIResponse(body=page.body, headers=headers)
