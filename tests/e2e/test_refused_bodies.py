"""A body that is refused while it is still on its way: every client reads why, however large it is and however it is sent.

Seen before, when the connection was closed after a further megabyte: from 2 MB on Node's fetch (20.20.2), aiohttp (3.14.5) and
http.client (Python 3.11) raised a reset or a broken pipe. FAULTS=long tries each 20 times.
"""

import os
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import pytest
from litestar import Litestar, post
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler

from internal.api.app import with_middleware
from internal.domain.errors import Forbidden, RateLimited, Unauthenticated
from internal.http.asgi import ApiRequest
from internal.http.problems import HANDLERS
from internal.http.server.lingering import linger_bytes
from internal.http.server.protocol import WatchedProtocol
from internal.settings.loader import load_settings
from tests import pictures
from tests.e2e.deployment import IMAGES, Deployment
from tests.e2e.deployments import standalone, temporary_folder
from tests.e2e.processes import Running
from tests.e2e.upload_clients import CLIENTS, Client, Post
from tests.e2e.wire import FORM, closing, opening
from tests.unit.http.serving import serving

TIMES = 20 if os.environ.get("FAULTS") == "long" else 3
HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"
MB = 2**20
MEMORY_BYTES = 48 * MB
"""How much larger the API may get while eight bodies of 60 MB are dropped at once."""


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[Deployment, Running]]:
    with temporary_folder() as folder, standalone(folder) as started:
        yield started


@pytest.fixture(scope="module")
def service(running: tuple[Deployment, Running]) -> Deployment:
    return running[0]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bodies")


@pytest.fixture(params=CLIENTS)
def client(request: pytest.FixtureRequest) -> Client:
    return CLIENTS[request.param]


@pytest.fixture(params=[False, True], ids=["length", "chunked"])
def chunked(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def _form(folder: Path, start: bytes, megabytes: int) -> Path:
    """A file with an upload's body, whose picture begins with `start`."""
    file = folder / "form"
    file.write_bytes(opening() + start + bytes(megabytes * MB - len(start) - len(opening()) - len(closing())) + closing())
    return file


def _post(service: Deployment, path: str, file: Path, chunked: bool, content_type: str = FORM) -> Post:
    return Post(str(service.http.base_url.join(path)), content_type, file, chunked)


@pytest.mark.parametrize("megabytes", [1, 12, 60])
def test_a_kind_that_is_not_taken(service: Deployment, folder: Path, client: Client, chunked: bool, megabytes: int) -> None:
    post = _post(service, IMAGES, _form(folder, HEIC, megabytes), chunked)
    announced_too_large = megabytes == 60 and not chunked
    assert client(post, TIMES) == [413 if announced_too_large else 415] * TIMES


def test_too_many_bytes(service: Deployment, folder: Path, client: Client, chunked: bool) -> None:
    post = _post(service, IMAGES, _form(folder, pictures.jpeg(), 60), chunked)
    assert client(post, TIMES) == [413] * TIMES


def test_too_many_pixels(service: Deployment, folder: Path, client: Client, chunked: bool) -> None:
    post = _post(service, IMAGES, _form(folder, pictures.huge_header_png(60_000, 60_000), 9), chunked)
    assert client(post, TIMES) == [422] * TIMES


@pytest.mark.parametrize(
    ("path", "status"),
    [("/api/v1/nothing", 404), ("/api/v1/limits", 405), (f"{IMAGES}/0192f0c1-7c1e-7b7e-9d57-0e1f4a3c2b1a/renditions", 413)],
)
def test_other_calls(service: Deployment, folder: Path, client: Client, path: str, status: int) -> None:
    post = _post(service, path, _form(folder, b"{", 12), chunked=False, content_type="application/json")
    assert client(post, TIMES) == [status] * TIMES


REFUSALS = {401: Unauthenticated(), 403: Forbidden("Not you."), 429: RateLimited(retry_seconds=7)}
"""For who sends a body, and how often: known from its head."""


@pytest.fixture(scope="module")
def refusing() -> Iterator[str]:
    """The address of an application whose guards refuse everything, each path with one status, behind all that the API has."""

    def refusal(status: int) -> HTTPRouteHandler:
        def refuse(_: ASGIConnection[Any, Any, Any, Any], __: BaseRouteHandler) -> None:
            raise REFUSALS[status]

        @post(f"/{status}", guards=[refuse])
        async def take(request: ApiRequest) -> None:
            raise AssertionError(await request.body())

        return take

    app = Litestar(list(map(refusal, REFUSALS)), exception_handlers=HANDLERS, openapi_config=None, logging_config=None)
    served_app = with_middleware(app, load_settings({}).middleware)
    with serving(served_app, partial(WatchedProtocol, max_bytes=linger_bytes(50 * MB))) as served:
        yield f"http://127.0.0.1:{served.port}"


@pytest.mark.parametrize("status", REFUSALS)
def test_who_sends_it_and_how_often(refusing: str, folder: Path, client: Client, chunked: bool, status: int) -> None:
    """None of it is read: the guard refuses before the handler begins."""
    megabytes = {401: 60, 403: 1, 429: 12}[status]
    post = Post(f"{refusing}/{status}", FORM, _form(folder, pictures.jpeg(), megabytes), chunked)
    assert client(post, 1) == [status]


@pytest.fixture(scope="module")
def guarded() -> Iterator[Deployment]:
    with temporary_folder() as folder, standalone(folder, AUTH_MODE="key") as (deployment, _):
        yield deployment


def test_a_body_without_a_key(guarded: Deployment, folder: Path, client: Client, chunked: bool) -> None:
    post = _post(guarded, IMAGES, _form(folder, pictures.jpeg(), 49), chunked)
    assert client(post, 1) == [401]


@pytest.fixture(scope="module")
def limited() -> Iterator[Deployment]:
    """It has answered as many requests as it does in a day."""
    with temporary_folder() as folder, standalone(folder, RATE_LIMIT_REQUESTS="1/86400") as (deployment, _):
        assert deployment.http.get("/api/v1/limits").status_code == 200
        yield deployment


def test_a_body_too_many(limited: Deployment, folder: Path, client: Client, chunked: bool) -> None:
    post = _post(limited, IMAGES, _form(folder, pictures.jpeg(), 12), chunked)
    assert client(post, 1) == [429]


def test_what_is_taken(service: Deployment, folder: Path, client: Client, chunked: bool) -> None:
    """None of these clients is refused for how it sends. uvicorn 0.54.0 loses the body of one that offers HTTP/2."""
    file = folder / "form"
    file.write_bytes(opening() + pictures.jpeg() + closing())
    assert client(_post(service, IMAGES, file, chunked), 1) == [201]


def test_what_is_dropped_is_not_kept(running: tuple[Deployment, Running], folder: Path) -> None:
    service, process = running
    (api,) = process.of_program("api")
    post = _post(service, IMAGES, _form(folder, HEIC, 60), chunked=False)
    before = api.memory_info().rss
    peak, seen = before, list[int]()
    threads = [threading.Thread(target=lambda: seen.extend(CLIENTS["http.client"](post, 1))) for _ in range(8)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        peak = max(peak, _memory(api))
        threads[-1].join(0.01)
    assert seen == [413] * 8
    assert peak - before < MEMORY_BYTES


def _memory(process: psutil.Process) -> int:
    return int(process.memory_info().rss)
