"""Trusted hosts: a request under another name is refused, as when somebody else's name points to this address.

Litestar 2.25.0 has a middleware for this. It compares the field with its port and its case (`images.example:8443`,
`Images.example`), and its refusal is no problem document.
"""

import re
from collections.abc import Collection

from internal.http.asgi import App, Header, Receive, Scope, Send
from internal.http.middleware.access_log import QUIET
from internal.http.problems import problem_response

_REFUSAL = "The service does not answer under this host: its TRUSTED_HOSTS do not name it."

_HOST = re.compile(r"([a-z0-9_.-]{1,253}|\[[0-9a-f:.]{2,45}\])(?::[0-9]{1,5})?")


def host_of(headers: list[Header]) -> str | None:
    """The name in the header Host, in lower case, without its port and a last dot. None if it is not there once, or no name."""
    given = [value for name, value in headers if name == b"host"]
    parts = _HOST.fullmatch(given[0].decode("latin-1").lower()) if len(given) == 1 else None
    return parts[1].removesuffix(".") if parts else None


class TrustedHosts:
    """ASGI middleware: a 400 unless the host is one of `names`, or below one that is written `*.name`.

    Health checks and scrapes come to an address, and are answered under any name.
    """

    def __init__(self, app: App, names: Collection[str]) -> None:
        self._app = app
        self._names = frozenset(names)
        self._parents = tuple(name[1:] for name in names if name.startswith("*."))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in QUIET or self._is_trusted(host_of(scope["headers"])):
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        state["problem"] = "invalid_request"
        response = problem_response(400, "invalid_request", _REFUSAL, request_id=state.get("request_id"))
        await response(scope, receive, send)  # type: ignore[arg-type]  # Litestar's types are narrower than ASGI's

    def _is_trusted(self, host: str | None) -> bool:
        return host is not None and (host in self._names or host.endswith(self._parents))
