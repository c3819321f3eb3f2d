"""The headers of every answer that does not set them itself.

`Cache-Control: no-store` (RFC 9111, 5.2.2.5): statuses, lists and problems are true for a moment, and for one client. Without it
a cache may keep a 200 or a 404 for as long as it likes. Binaries and the documentation pages set their own.

The others tell browsers to take an answer for nothing but what it says it is: no guessed type, no frame, no script, no use by
pages of other origins, and no address of ours in a Referer, because a link's signature is in its address.
"""

from collections.abc import Iterable

from internal.http.asgi import App, Header, Message, Receive, Scope, Send

NO_STORE = (b"cache-control", b"no-store")

SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
)

DEFAULTS = (NO_STORE, *SECURITY_HEADERS)


def with_defaults(headers: Iterable[Header]) -> list[Header]:
    """`headers`, and each default whose name is not among them."""
    own = list(headers)
    names = {name.lower() for name, _ in own}
    own += [default for default in DEFAULTS if default[0] not in names]
    return own


class DefaultHeaders:
    """ASGI middleware.

    INVARIANT: every answer has these headers, also one that no route gave
    (tests/unit/api/test_default_headers.py::test_every_answer_has_them).
    """

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_defaults(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = with_defaults(message.get("headers", ()))
            await send(message)

        await self._app(scope, receive, send_with_defaults)
