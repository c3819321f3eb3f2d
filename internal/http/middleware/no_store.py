"""Adds `Cache-Control: no-store` (RFC 9111, 5.2.2.5) to answers that have no Cache-Control.

Statuses, lists and problems are true for a moment, and for one client. Without the header a cache may keep a 200 or a 404 for as
long as it likes. Binaries and the documentation pages set their own.
"""

from internal.http.asgi import App, Message, Receive, Scope, Send

NO_STORE = (b"cache-control", b"no-store")


class NoStore:
    """ASGI middleware."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_uncached(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", ()))
                if all(name.lower() != NO_STORE[0] for name, _ in headers):
                    message["headers"] = [*headers, NO_STORE]
            await send(message)

        await self._app(scope, receive, send_uncached)
