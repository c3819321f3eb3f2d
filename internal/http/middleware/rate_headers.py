"""RateLimit-Policy and RateLimit of counted answers: draft-ietf-httpapi-ratelimit-headers-11, in structured fields (RFC 9651)."""

from internal.domain.rates import Limit
from internal.http.asgi import App, Message, Receive, Scope, Send
from internal.limits.report import RateReport

CONTENT_BYTES = ';qu="content-bytes"'
"""The draft's quota unit for bytes (3.1.2). Without a unit, the quota is of requests."""


class RateHeaders:
    """ASGI middleware. The report of a counted request is in the state of its scope, as `rates`."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                report = scope["state"].get("rates")
                if report is not None and report.states:
                    message["headers"] = [*message.get("headers", ()), *headers_of(report)]
            await send(message)

        await self._app(scope, receive, send_counted)


def headers_of(report: RateReport) -> list[tuple[bytes, bytes]]:
    """The two header fields. `r` and `t`: what fits now, and the seconds until more does."""
    policies = ", ".join(
        f'"{limit}";q={rate.allowed};w={rate.seconds}{CONTENT_BYTES if limit is Limit.UPLOAD_BYTES else ""}'
        for limit, rate in report.rates.items()
    )
    limits = ", ".join(f'"{state.limit}";r={state.available};t={state.window}' for state in report.states.values())
    return [(b"ratelimit-policy", policies.encode()), (b"ratelimit", limits.encode())]
