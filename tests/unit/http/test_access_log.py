"""The access log: the request's id, taken or made, and one line per request."""

from typing import Any

import pytest
import structlog

from internal.http.asgi import Message, Receive, Scope, Send
from internal.http.middleware.access_log import AccessLog


async def _answer(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b"hello"})


async def _crash(_: Scope, __: Receive, ___: Send) -> None:
    raise RuntimeError


async def _call(app: AccessLog, headers: dict[str, str] | None = None, path: str = "/x") -> dict[str, str]:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"four", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    raw = [(name.encode(), value.encode("latin-1")) for name, value in (headers or {}).items()]
    await app({"type": "http", "method": "GET", "path": path, "headers": raw}, receive, send)
    return {name.decode(): value.decode() for name, value in sent[0]["headers"]}


def _lines(logged: list[Any]) -> list[dict[str, Any]]:
    return [dict(line) for line in logged]


async def test_a_request_is_one_line_with_its_sizes() -> None:
    with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as logged:
        answered = await _call(AccessLog(_answer), {"x-request-id": "abc-1"})

    assert answered["x-request-id"] == "abc-1"
    (line,) = _lines(logged)
    assert (line["event"], line["status"], line["bytes_in"], line["bytes_out"]) == ("request", 200, 4, 5)
    assert line["request_id"] == "abc-1"


@pytest.mark.parametrize("given", ["", "with space", "x" * 129, "tab\there", "ümlaut"])
async def test_an_id_that_is_not_short_and_printable_is_replaced(given: str) -> None:
    answered = await _call(AccessLog(_answer), {"x-request-id": given})

    assert answered["x-request-id"] != given
    assert len(answered["x-request-id"]) == 36


async def test_a_crash_is_a_line_too() -> None:
    with structlog.testing.capture_logs() as logged, pytest.raises(RuntimeError):
        await _call(AccessLog(_crash))

    assert [line["status"] for line in _lines(logged)] == [500]


async def test_health_checks_that_go_well_are_quiet() -> None:
    with structlog.testing.capture_logs() as logged:
        await _call(AccessLog(_answer), path="/health/live")

    assert logged == []
