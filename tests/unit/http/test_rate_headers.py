"""RateLimit-Policy and RateLimit, read as a client reads structured fields."""

from typing import Any

import http_sf
import pytest

from internal.domain.rates import Limit, Rate, RateState
from internal.http.middleware.rate_headers import RateHeaders, headers_of
from internal.limits.report import RateReport

REQUESTS = RateState(Limit.REQUESTS, Rate(100, 60), 1.0)
BYTES = RateState(Limit.UPLOAD_BYTES, Rate(999_999_999_999_999, 31_622_400), 999_999_999_999_999.0)


def _read(report: RateReport) -> dict[str, Any]:
    """Each field's members: a name, which is a String and no Token, and its parameters."""
    fields: dict[str, Any] = {name.decode(): http_sf.parse(value, tltype="list") for name, value in headers_of(report)}
    assert {type(name) for members in fields.values() for name, _ in members} == {str}
    return fields


def test_both_fields_are_lists_of_strings_with_integers() -> None:
    report = RateReport()
    report.note(REQUESTS)
    report.note(RateState(Limit.UPLOADS, Rate(5, 600), 4.0))
    report.note(BYTES)

    assert _read(report) == {
        "ratelimit-policy": [
            ("requests", {"q": 100, "w": 60}),
            ("uploads", {"q": 5, "w": 600}),
            ("upload_bytes", {"q": 999_999_999_999_999, "w": 31_622_400, "qu": "content-bytes"}),
        ],
        "ratelimit": [
            ("requests", {"r": 99, "t": 1}),
            ("uploads", {"r": 1, "t": 120}),
            ("upload_bytes", {"r": 0, "t": 1}),
        ],
    }


def test_a_refusal_tells_all_policies_and_the_limit_that_refused() -> None:
    """The draft's section 6: Retry-After is not before the end of a window that the answer tells."""
    report = RateReport()
    report.note(REQUESTS)

    refusal = report.refuse(RateState(Limit.UPLOADS, Rate(5, 600), 5.0), 1, "owner:a")

    told = _read(report)
    assert [name for name, _ in told["ratelimit-policy"]] == ["requests", "uploads"]
    assert told["ratelimit"] == [("uploads", {"r": 0, "t": 120})]
    assert refusal.retry_seconds == 120


@pytest.mark.parametrize("report", [None, RateReport()])
async def test_an_answer_that_was_not_counted_has_none(report: RateReport | None) -> None:
    sent: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"etag", b'"1"')]})

    async def send(message: Any) -> None:
        sent.append(message)

    await RateHeaders(app)({"type": "http", "state": {"rates": report} if report else {}}, None, send)  # type: ignore[arg-type]

    assert sent == [{"type": "http.response.start", "status": 200, "headers": [(b"etag", b'"1"')]}]
