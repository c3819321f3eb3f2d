"""The one table: every error has a status, a stable code and a sentence; advice stands beside the status."""

import inspect
import re

import pytest
from litestar import Litestar, get
from litestar.testing import TestClient

from internal.domain import errors
from internal.domain.errors import ServiceError
from internal.http.problems import HANDLERS, PROBLEMS, detail_of, status_of, with_advice

ALL = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, ServiceError)]
ONLY_INSIDE = {
    ServiceError, errors.ObjectNotFound, errors.DecoderFailed, errors.DecoderOutOfMemory, errors.DecoderTimeout,
    errors.OriginalDamaged, errors.WorkerLost, errors.OutputTooLarge, errors.StoreRefused,
}  # fmt: skip
"""These end in a rendition's status, at an operator's terminal, or as a plain 500; no request is answered with their code."""


@pytest.mark.parametrize("kind", ALL)
def test_every_error_says_something_to_people(kind: type[ServiceError]) -> None:
    detail = kind().detail

    assert detail.endswith(".")
    assert "\n" not in detail
    assert kind.code == kind.code.lower().replace(" ", "_")


@pytest.mark.parametrize("kind", [kind for kind in ALL if kind not in ONLY_INSIDE])
def test_every_error_that_leaves_the_api_has_a_row(kind: type[ServiceError]) -> None:
    assert any(ancestor in PROBLEMS for ancestor in kind.__mro__ if ancestor is not ServiceError)


def test_an_error_takes_its_nearest_ancestors_row() -> None:
    assert status_of(errors.StoreUnavailable) == 503
    assert status_of(errors.ObjectNotFound) == 500


def test_codes_are_unique_but_for_families() -> None:
    by_code: dict[str, list[type[ServiceError]]] = {}
    for kind in ALL:
        by_code.setdefault(kind.code, []).append(kind)

    for family in by_code.values():
        assert any(all(issubclass(kind, root) for kind in family) for root in family)


@pytest.mark.parametrize("kind", ALL)
def test_an_error_knows_nothing_of_http(kind: type[ServiceError]) -> None:
    assert not re.search(r"GET|/api|Retry-After|Prefer|Content-Range|again|Send", kind().detail)


@pytest.mark.parametrize(
    ("error", "detail"),
    [
        (
            errors.NotReady(),
            "The picture is still being processed. Ask again after the time in Retry-After, or send `Prefer: wait=30`.",
        ),
        (errors.StoreUnavailable(), "The object store does not answer. Try again after the time in Retry-After."),
        (errors.DeadlinePassed(), "The upload took so long that its place was given up. Send it again."),
        (errors.ImageTooLarge("The picture is wide."), "The picture is wide. See GET /api/v1/limits."),
        (errors.UnsupportedMediaType("This is a PDF. Send a JPEG."), "This is a PDF. Send a JPEG."),
        (
            errors.UnsupportedMediaType(),
            "This is not a picture of a kind that we take. Send a JPEG, PNG, WebP, GIF or TIFF.",
        ),
        (errors.InvalidProcessing("There is no `blurr`.", 3), "There is no `blurr`."),
        (errors.RateLimited(), "This is more than a rate limit allows for now. Ask again after the time in Retry-After."),
        (errors.NothingToRetry(), "None of the image's renditions has failed."),
    ],
)
def test_a_client_reads_what_is_wrong_and_what_to_do(error: ServiceError, detail: str) -> None:
    assert detail_of(error) == detail


def test_the_detail_of_a_failed_rendition_has_the_advice_once() -> None:
    """Rows of earlier versions have it already."""
    advised = "Something went wrong on our side. Try again, and report the request id if it goes on."

    assert with_advice(ServiceError().detail) == advised
    assert with_advice(advised) == advised
    assert with_advice("The result has 9 bytes; at most 8 are made.") == "The result has 9 bytes; at most 8 are made."


@pytest.mark.parametrize(
    ("error", "status", "retry_after", "members"),
    [
        (
            errors.RateLimited(limit="uploads", used=20, allowed=20, retry_seconds=17),
            429, "17", {"code": "rate_limited", "limit": "uploads", "used": 20, "allowed": 20},
        ),
        (
            errors.QuotaExceeded(quota="bytes", used=0, allowed=1000),
            403, None, {"code": "quota_exceeded", "quota": "bytes", "used": 0, "allowed": 1000},
        ),
        (errors.InvalidProcessing("No.", 3), 422, None, {"code": "invalid_processing", "position": 3}),
        (errors.NotReady(), 409, "1", {"code": "not_ready"}),
    ],
)  # fmt: skip
def test_a_problem_has_the_members_of_its_error_and_no_others(
    error: ServiceError, status: int, retry_after: str | None, members: dict[str, object]
) -> None:
    @get("/")
    async def fails() -> None:
        raise error

    with TestClient(Litestar([fails], exception_handlers=HANDLERS, openapi_config=None, logging_config=None)) as client:
        answer = client.get("/")

    assert (answer.status_code, answer.headers.get("retry-after")) == (status, retry_after)
    every = {"title", "status", "type", "detail"}
    assert {name: value for name, value in answer.json().items() if name not in every} == members
    assert "www-authenticate" not in answer.headers
