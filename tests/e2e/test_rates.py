"""Rate limits in real processes: exact over four APIs, told to every client at any size, blind to what a client says it is."""

import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPResponse
from pathlib import Path
from typing import Any

import http_sf
import httpx2
import psycopg
import pytest

from tests import pictures
from tests.e2e.deployment import IMAGES, Deployment, client
from tests.e2e.deployments import standalone, temporary_folder, until_ready
from tests.e2e.processes import environment, running
from tests.e2e.upload_clients import CLIENTS, Post
from tests.e2e.wire import FORM, Wire, closing, opening
from tests.services.databases import own_database
from tests.services.kinds import PostgresService
from tests.services.reachable import free_port

YEAR = 31_536_000
"""A window in which nothing comes back while a test runs."""

LIMIT, AT_ONCE, PROCESSES = 37, 500, 4
MANY_PLACES = {"SERVER_MAX_UPLOADS": AT_ONCE, "SERVER_ADDRESS_SHARE": 1, "DB_TIMEOUT_SECONDS": 60}
"""So that nothing else than the limit refuses an upload."""

WHOLE_FORM = opening() + pictures.jpeg() + closing()
HEAD = "\r\n".join(
    [f"POST {IMAGES} HTTP/1.1", "host: x", f"content-type: {FORM}", f"content-length: {len(WHOLE_FORM)}", "\r\n"]
).encode()


@pytest.fixture(scope="module")
def used_up() -> Iterator[Deployment]:
    """A service whose only client has used up its uploads."""
    limits = {"RATE_LIMIT_REQUESTS": f"{10**6}/60", "RATE_LIMIT_UPLOADS": f"2/{YEAR}", "RATE_LIMIT_UPLOAD_BYTES": f"{10**9}/60"}
    with temporary_folder() as folder, standalone(folder, **limits) as (service, _):
        service.upload(pictures.jpeg())
        service.upload(pictures.jpeg())
        yield service


def test_of_uploads_that_come_at_once_to_four_processes_exactly_the_limit_passes(postgres: PostgresService) -> None:
    """Each connection has sent all but the last byte before any sends that."""
    limit = {"RATE_LIMIT_UPLOADS": f"{LIMIT}/{YEAR}", **MANY_PLACES}
    with temporary_folder() as folder, own_database(postgres) as database, ExitStack() as stack:
        settings = {"APP_PROFILE": "standalone", "STORAGE_PATH": folder / "objects", **database.variables, **limit}
        places = [stack.enter_context(_api(folder, settings)) for _ in range(PROCESSES)]
        connections = [stack.enter_context(socket.create_connection(places[n % PROCESSES], timeout=120)) for n in range(AT_ONCE)]
        for connection in connections:
            connection.sendall(HEAD + WHOLE_FORM[:-1])
        for connection in connections:
            connection.sendall(WHOLE_FORM[-1:])
        answers = [_answer(connection) for connection in connections]

        assert Counter(status for status, _ in answers) == {201: LIMIT, 429: AT_ONCE - LIMIT}
        left = sorted(_left(headers["ratelimit"]) for status, headers in answers if status == 201)
        assert left == list(range(LIMIT)), "each that passed was told another number"
        assert {_left(headers["ratelimit"]) for status, headers in answers if status == 429} == {0}
        with psycopg.connect(database.conninfo) as table:
            assert table.execute("SELECT count(*) FROM images").fetchone() == (LIMIT,)
            assert table.execute("SELECT count(*) FROM unreferenced_objects").fetchone() == (0,)


@contextmanager
def _api(folder: Path, settings: dict[str, Any]) -> Iterator[tuple[str, int]]:
    """One API process over a database and a folder that others have too; where it listens."""
    port = free_port()
    with running("migrate", folder / "log", environment(**settings)) as migrate:
        assert migrate.wait() == 0, migrate.said()
    with running("api", folder / "log", environment(**settings, SERVER_PORT=port)) as api, client(port) as http:
        until_ready(http, api)
        yield "127.0.0.1", port


def _answer(connection: socket.socket) -> tuple[int, Any]:
    with HTTPResponse(connection) as response:
        response.begin()
        response.read()
        return response.status, response.headers


def _members(header: str) -> Any:
    """Of a list in structured fields: each member's value and its parameters."""
    return http_sf.parse(header.encode(), tltype="list")


def _left(header: str) -> int:
    [(name, parameters)] = _members(header)
    assert name == "uploads"
    left: int = parameters["r"]
    return left


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("sender", CLIENTS)
def test_every_client_reads_that_it_is_limited(used_up: Deployment, tmp_path: Path, sender: str, chunked: bool) -> None:
    file = tmp_path / "form"
    file.write_bytes(opening() + pictures.jpeg() + bytes(4 * 2**20) + closing())
    post = Post(str(used_up.http.base_url.join(IMAGES)), FORM, file, chunked)

    assert CLIENTS[sender](post, 2) == [429, 429]


def test_a_refusal_that_is_known_comes_before_the_body(used_up: Deployment) -> None:
    """A client that asks with `Expect: 100-continue` never sends it. The service knows for two seconds: more than one try may be
    needed on a machine that is busy.
    """
    first = []
    for _ in range(5):
        problem = _post(used_up).json()
        assert (problem["code"], problem["limit"], problem["used"], problem["allowed"]) == ("rate_limited", "uploads", 2, 2)
        with Wire(used_up.place) as wire:
            wire.post(IMAGES, {"content-type": FORM, "content-length": "9000000", "expect": "100-continue"}, b"")
            first.append(wire.first_status())
    assert 429 in first


@pytest.mark.parametrize(
    "headers",
    [
        {"x-forwarded-for": "203.0.113.7"},
        {"x-forwarded-for": "203.0.113.8, 203.0.113.9"},
        {"forwarded": "for=203.0.113.10"},
        {"forwarded": 'for="[2001:db8::1]"', "x-forwarded-for": "203.0.113.11", "x-real-ip": "203.0.113.12"},
        {"true-client-ip": "203.0.113.13", "cf-connecting-ip": "203.0.113.14"},
    ],
)
def test_who_gives_another_address_is_the_same_client(used_up: Deployment, headers: dict[str, str]) -> None:
    assert _post(used_up, headers).status_code == 429


def test_a_limited_client_can_still_read_and_is_told_its_rates(used_up: Deployment) -> None:
    listing = used_up.http.get(IMAGES)

    told = _members(listing.headers["ratelimit"])
    assert (listing.status_code, told[0][0], told[0][1]["t"]) == (200, "requests", 1)
    assert told[0][1]["r"] >= 10**6 - 1000
    assert _members(listing.headers["ratelimit-policy"]) == [("requests", {"q": 10**6, "w": 60})]
    assert used_up.http.get("/api/v1/limits").json()["rates"] == {
        "requests": {"allowed": 10**6, "seconds": 60},
        "uploads": {"allowed": 2, "seconds": YEAR},
        "upload_bytes": {"allowed": 10**9, "seconds": 60},
    }
    refused = _post(used_up)
    assert _members(refused.headers["ratelimit"])[0][0] == "uploads"
    assert YEAR / 2 - 600 < int(refused.headers["retry-after"]) <= YEAR / 2
    counted = [used_up.http.get(f"{IMAGES}/0192f0c1-7c1e-7b7e-9d57-0e1f4a3c2b1a"), used_up.http.get(f"{IMAGES}?no=1")]
    assert [(answer.status_code, "ratelimit" in answer.headers) for answer in counted] == [(404, True), (400, True)]
    not_counted = [used_up.http.get("/health"), used_up.http.get("/api/v1/nothing"), used_up.http.options(IMAGES)]
    assert [(answer.status_code, "ratelimit" in answer.headers) for answer in not_counted] == [
        (200, False),
        (404, False),
        (204, False),
    ]


def _post(service: Deployment, headers: dict[str, str] | None = None) -> httpx2.Response:
    return service.http.post(IMAGES, files={"image": ("a.jpg", pictures.jpeg())}, headers=headers)
