"""The paths, each in one spelling, and their methods, read off the routes: HEAD wherever GET is, and a complete `Allow`.

RFC 9110, 9.3.2, 9.3.7, 15.5.6. A path is what the framework's routes have, letter for letter. Litestar 2.25.0 also takes doubled
slashes and a last one, and uvicorn decodes what is percent-encoded; a rule of a proxy for `/metrics` would miss `//metrics`.

Litestar answers HEAD only where a handler names it. Here HEAD is GET without its body: it has every header of GET, because GET is
carried out. A handler that names HEAD itself, since its body costs more than its headers, gets it as it is.
"""

from litestar import Litestar
from litestar.response.base import ASGIResponse
from litestar.routes import HTTPRoute
from msgspec import Struct

from internal.http.asgi import App, Message, Receive, Scope, Send
from internal.http.problems import method_not_allowed, path_not_found

NAMES = {"owner"}
"""Parameters that are not ids of ours: `auth0|5f7c` is sent as `auth0%7C5f7c`. A slash in one is not found."""


class Path(Struct, frozen=True):
    """A path: its parts (None for a parameter), its template, and the methods that handlers declare for it.

    `names`: places of the parameters that are names of people's own, which may be percent-encoded.
    """

    parts: tuple[str | None, ...]
    template: str
    handled: frozenset[str]
    names: frozenset[int] = frozenset()

    def matches(self, parts: list[str], spelt: list[str]) -> bool:
        """`parts` are decoded, `spelt` as they were sent."""
        return (
            len(self.parts) == len(parts) == len(spelt)
            and all(map(_matches, self.parts, parts))
            and all(part == sent or place in self.names for place, (part, sent) in enumerate(zip(parts, spelt, strict=True)))
        )

    @property
    def allowed(self) -> str:
        """For the header `Allow`."""
        return ", ".join(sorted({*self.handled, "OPTIONS", *(("HEAD",) if "GET" in self.handled else ())}))


class Methods:
    """ASGI middleware around Litestar: answers OPTIONS, 404 and 405, and runs HEAD as GET without the body.

    INVARIANT: each path has one spelling, so that what a proxy allows or refuses is what is served
    (tests/unit/api/test_paths.py::test_any_other_spelling_is_not_found).
    """

    def __init__(self, litestar: Litestar, app: App | None = None) -> None:
        """`app`: `litestar` within further middleware, which sees HEAD as GET."""
        self._litestar = litestar
        self._app: App = app or litestar  # type: ignore[assignment]  # its types are narrower than ASGI's
        self._paths: list[Path] = []
        self._routes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":  # the lifespan
            await self._app(scope, receive, send)
            return
        path = self._path(scope)
        if path is None:
            state = scope.setdefault("state", {})
            state["problem"] = "not_found"
            await _send(path_not_found(state.get("request_id")), send)
            return
        scope["path_template"] = path.template
        method = scope["method"]
        if method == "OPTIONS":
            await _send(ASGIResponse(status_code=204, headers={"allow": path.allowed}), send)
        elif method == "HEAD" and "HEAD" not in path.handled and "GET" in path.handled:
            await self._app({**scope, "method": "GET"}, receive, _without_body(send))
        elif method not in path.handled:
            state = scope.setdefault("state", {})
            state["problem"] = "method_not_allowed"
            await _send(method_not_allowed(path.allowed, state.get("request_id")), send)
        else:
            await self._app(scope, receive, send)

    def _path(self, scope: Scope) -> Path | None:
        """The path of the request, if it is spelt exactly; literal parts match before parameters."""
        text: str = scope["path"]
        sent: str = scope.get("raw_path", text.encode()).decode("utf-8", "surrogateescape")
        if len(self._litestar.routes) != self._routes:  # some are added when the application starts
            self._paths, self._routes = paths_of(self._litestar), len(self._litestar.routes)
        parts, spelt = (path.split("/")[1:] if path != "/" else [] for path in (text, sent))
        return next((path for path in self._paths if path.matches(parts, spelt)), None)


def _matches(own: str | None, part: str) -> bool:
    return part == own if own is not None else part != ""


def paths_of(app: Litestar) -> list[Path]:
    """Every path of `app`, in the order in which they are tried."""
    paths = [
        Path(
            parts=tuple(part if isinstance(part, str) else None for part in route.path_components),
            template=route.path_format,
            handled=frozenset(map(str, route.methods)) - {"OPTIONS"},
            names=frozenset(
                place for place, part in enumerate(route.path_components) if not isinstance(part, str) and part.name in NAMES
            ),
        )
        for route in app.routes
        if isinstance(route, HTTPRoute)
    ]
    return sorted(paths, key=lambda path: [part is None for part in path.parts])


async def _send(response: ASGIResponse, send: Send) -> None:
    await send({"type": "http.response.start", "status": response.status_code, "headers": response.encode_headers()})
    await send({"type": "http.response.body", "body": response.body})


def _without_body(send: Send) -> Send:
    """`send` that drops the body of GET's answer, for HEAD."""

    async def send_head(message: Message) -> None:
        if message["type"] == "http.response.start":
            await send(message)
        elif not message.get("more_body"):
            await send({"type": "http.response.body", "body": b""})

    return send_head
