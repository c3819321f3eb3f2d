"""Downloads: conditions and ranges, and objects that were deleted or lost."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import pytest
from litestar import HttpMethod, Litestar, get, route
from litestar.response.base import ASGIResponse
from litestar.testing import TestClient
from structlog.testing import capture_logs

from internal.api.responses.download import ONE_PIECE_BYTES, Download, content_disposition, send
from internal.domain.errors import ObjectNotFound
from internal.http.asgi import ApiRequest
from internal.http.monitoring.metrics import metrics_handler
from internal.http.problems import HANDLERS
from internal.ports.object_store import ByteRange, ObjectStore, ObjectStream
from internal.ports.repository.repository import Repository
from tests.unit.http.test_metrics import samples

IMAGE_ID = UUID("0192f0c1-7c1e-7b7e-9d57-0e1f4a3c2b1a")
KEY = f"originals/b1a/{IMAGE_ID}"


class EmptyStore:
    def get(self, key: str, span: ByteRange | None = None) -> AbstractAsyncContextManager[ObjectStream]:
        raise ObjectNotFound


class References:
    def __init__(self, *keys: str) -> None:
        self._keys = frozenset(keys)

    async def referred(self, keys: Sequence[str]) -> frozenset[str]:
        return self._keys & set(keys)


def client(references: References, size: int) -> TestClient[Litestar]:
    """Of a service that has lost the object of its only picture."""
    store, repository = cast("ObjectStore", EmptyStore()), cast("Repository", SimpleNamespace(references=references))
    download = Download(IMAGE_ID, KEY, "0" * 64, size, "image/png", datetime.now(UTC), "picture")

    @get("/picture")
    async def picture(request: ApiRequest) -> ASGIResponse:
        return await send(request, download, store, repository, "no-cache")

    return TestClient(Litestar([picture, metrics_handler([])], exception_handlers=HANDLERS, openapi_config=None))


def told(answer: Any) -> tuple[int, str]:
    assert KEY not in answer.text
    return answer.status_code, answer.json()["code"]


@pytest.mark.parametrize("size", [10, ONE_PIECE_BYTES + 1])
def test_a_lost_object_is_an_error_of_ours_and_seen(size: int) -> None:
    missing = ("image_processor_missing_objects_total",)
    with client(References(KEY), size) as http, capture_logs() as lines:
        before = samples(http)[missing]
        assert told(http.get("/picture")) == (500, "object_lost")
        assert samples(http)[missing] == before + 1

    [line] = [line for line in lines if line["event"] == "object.missing"]
    assert line == {"event": "object.missing", "log_level": "error", "image_id": str(IMAGE_ID), "key": KEY}


@pytest.mark.parametrize("size", [10, ONE_PIECE_BYTES + 1])
def test_an_image_deleted_meanwhile_is_not_found(size: int) -> None:
    with client(References(), size) as http, capture_logs() as lines:
        before = samples(http)
        assert told(http.get("/picture")) == (404, "not_found")
        assert samples(http) == before

    assert lines == []


CONTENT = bytes(range(100))
MADE = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
TAG, DATE, BEFORE = '"' + "0" * 32 + '"', "Wed, 04 Mar 2026 05:06:07 GMT", "Wed, 04 Mar 2026 05:06:06 GMT"
OF_A_BINARY = {
    "etag": TAG,
    "last-modified": DATE,
    "cache-control": "private, no-cache",
    "accept-ranges": "bytes",
    "vary": "accept",
}


class FullStore:
    @asynccontextmanager
    async def get(self, key: str, span: ByteRange | None = None) -> AsyncIterator[ObjectStream]:
        part = CONTENT[span.start : span.stop] if span else CONTENT

        async def chunks() -> AsyncIterator[bytes]:
            yield part

        yield ObjectStream(len(CONTENT), chunks())


@pytest.fixture(scope="module")
def picture() -> Iterator[TestClient[Litestar]]:
    """A rendition of `format:auto`, in one of its two files."""
    store, repository = cast("ObjectStore", FullStore()), cast("Repository", SimpleNamespace())
    download = Download(IMAGE_ID, KEY, "0" * 64, len(CONTENT), "image/png", MADE, "picture", varies=True)

    @route("/picture", http_method=[HttpMethod.GET, HttpMethod.HEAD])
    async def handler(request: ApiRequest) -> ASGIResponse:
        return await send(request, download, store, repository, "private, no-cache")

    with TestClient(Litestar([handler], exception_handlers=HANDLERS, openapi_config=None)) as client:
        yield client


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("GET", {}, 200),
        ("HEAD", {}, 200),
        ("GET", {"range": "bytes=10-19"}, 206),
        ("HEAD", {"range": "bytes=10-19"}, 200),
        ("GET", {"range": "bytes=100-"}, 416),
        ("HEAD", {"range": "bytes=100-"}, 200),
        ("GET", {"range": "bytes=0-1,5-6"}, 200),
        ("GET", {"range": "lines=1-2"}, 200),
        ("GET", {"range": "bytes=10-19", "if-range": TAG}, 206),
        ("GET", {"range": "bytes=10-19", "if-range": DATE}, 200),
        ("GET", {"range": "bytes=100-", "if-range": '"x"'}, 200),
        ("GET", {"if-none-match": TAG}, 304),
        ("GET", {"if-none-match": f"W/{TAG}"}, 304),
        ("HEAD", {"if-none-match": "*"}, 304),
        ("GET", {"if-modified-since": DATE}, 304),
        ("GET", {"if-match": '"x"'}, 412),
        ("HEAD", {"if-match": '"x"'}, 412),
        ("GET", {"if-match": f"W/{TAG}"}, 412),
        ("GET", {"if-match": "*", "range": "bytes=10-19"}, 206),
        ("GET", {"if-unmodified-since": BEFORE}, 412),
        ("GET", {"if-unmodified-since": DATE}, 200),
    ],
)
def test_a_request_gets_what_its_headers_ask_for(
    picture: TestClient[Litestar], method: str, headers: dict[str, str], status: int
) -> None:
    answer = picture.request(method, "/picture", headers=headers)

    assert answer.status_code == status
    told = {name: answer.headers.get(name) for name in OF_A_BINARY}
    if status in (412, 416):
        assert answer.headers["content-type"] == "application/problem+json"
        assert method == "HEAD" or answer.json()["code"] == {412: "precondition_failed", 416: "range_not_satisfiable"}[status]
    else:
        assert told == OF_A_BINARY
    assert answer.headers.get("content-range") == {206: "bytes 10-19/100", 416: "bytes */100"}.get(status)
    if status in (200, 206) and method == "GET":
        assert answer.content == (CONTENT if status == 200 else CONTENT[10:20])
    if status == 200:
        assert answer.headers["content-length"] == "100"
    assert method == "GET" or answer.content == b"" or status == 412  # whose body the server leaves out


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("photo 1.jpg", "filename=\"photo 1.jpg\"; filename*=UTF-8''photo%201.jpg"),
        ("na\u00efve.jpg", "filename=\"na_ve.jpg\"; filename*=UTF-8''na%C3%AFve.jpg"),
        ('a"b\\c%41/d\r\n.jpg', "filename=\"a_b_c_41_d__.jpg\"; filename*=UTF-8''a%22b%5Cc%2541%2Fd%0D%0A.jpg"),
    ],
)
def test_a_file_name_is_offered_in_ascii_and_in_full(name: str, sent: str) -> None:
    """curl 7.88 -OJ reads `filename` alone: with `filename*` only it saved the picture as `original`."""
    assert content_disposition("attachment", name) == f"attachment; {sent}"
