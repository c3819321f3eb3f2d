"""Every route as somebody else: read off the OpenAPI document, so that a new route is tried without being named here (G8)."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import httpx2
import msgspec
import pytest
from litestar import Litestar, Router

from internal.api.app import ROUTES, api_document
from internal.api.forms.upload_slots import UploadSlots
from internal.api.requests.queries import refuse_unknown
from internal.api.schemas import PREFIX
from internal.domain.errors import Unauthenticated
from internal.domain.identity import Credential, Principal, Scope
from internal.http.middleware.access_log import AccessLog
from internal.http.middleware.default_headers import DefaultHeaders
from internal.http.middleware.methods import Methods
from internal.http.problems import HANDLERS
from internal.identity.authenticator import Authenticator
from internal.settings.loader import load_settings
from internal.settings.sections import Settings
from internal.wiring.api import open_api
from internal.wiring.bootstrap import bootstrap
from tests import pictures
from tests.integration.statements import sent_statements
from tests.services.databases import own_database
from tests.services.kinds import PostgresService

Operation = tuple[str, str, dict[str, Any]]
"""Method, path and description."""

OPERATIONS: list[Operation] = [
    (method.upper(), path, operation)
    for path, operations in api_document()["paths"].items()
    if path.startswith(PREFIX)
    for method, operation in operations.items()
]
OF_AN_IMAGE = [operation for operation in OPERATIONS if "{image_id}" in operation[1]]

CHANGES_EACH_TIME = {"date", "x-request-id", "content-length"}


def named(operation: object) -> str:
    return f"{operation[0]} {operation[1]}" if isinstance(operation, tuple) else str(operation)


class OwnersAndScopes:
    """Takes `OWNER:SCOPE,SCOPE` as a key."""

    async def verify(self, credential: str) -> Principal:
        owner, _, scopes = credential.partition(":")
        if not scopes:
            raise Unauthenticated(rejected=True)
        return Principal(owner, frozenset(Scope(f"images:{word}") for word in scopes.split(",")), Credential.KEY, owner)


NAMED = Authenticator({Credential.KEY: OwnersAndScopes()})

MINE, STRANGER = {"x-api-key": "mine:read,write,admin"}, {"x-api-key": "stranger:read,write,admin"}


@pytest.fixture(scope="module")
def settings(postgres: PostgresService, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Of a service with a database and a folder of its own."""
    with own_database(postgres) as own:
        values = {"APP_PROFILE": "standalone", "STORAGE_PATH": str(tmp_path_factory.mktemp("objects"))}
        settings = load_settings({**values, **{name: str(value) for name, value in own.variables.items()}})
        bootstrap(settings)
        yield settings


@asynccontextmanager
async def served(settings: Settings, authenticator: Authenticator | None = NAMED) -> AsyncIterator[httpx2.AsyncClient]:
    """The API as it is wired, but for its credentials. `authenticator`: None for that of the settings."""
    async with open_api(settings) as state:
        routes = [Router(PREFIX, route_handlers=ROUTES, before_request=refuse_unknown)]
        app = Litestar(routes, exception_handlers=HANDLERS, openapi_config=None, logging_config=None, request_max_body_size=None)
        app.state.services = msgspec.structs.replace(state, authenticator=authenticator or state.authenticator)
        app.state.upload_slots = UploadSlots(8, 8, 8)
        transport = httpx2.ASGITransport(AccessLog(DefaultHeaders(Methods(app))))
        async with httpx2.AsyncClient(transport=transport, base_url="http://service") as client:
            yield client


@pytest.fixture
async def http(settings: Settings) -> AsyncIterator[httpx2.AsyncClient]:
    async with served(settings) as client:
        yield client


@pytest.fixture
async def mine(http: httpx2.AsyncClient) -> str:
    """The id of an image that is not the stranger's."""
    answer = await http.post(f"{PREFIX}/images", files={"image": ("mine.jpg", pictures.jpeg())}, headers=MINE)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def path_of(template: str, **values: str) -> str:
    """The path with these values; whatever else it has gets an id that is nobody's."""
    for name in [part.strip("{}") for part in template.split("/") if part.startswith("{")]:
        template = template.replace("{" + name + "}", values.get(name, str(uuid4())))
    return template


def body_of(operation: dict[str, Any]) -> dict[str, Any]:
    """The first example of the operation's body, as arguments of a request."""
    content = operation.get("requestBody", {}).get("content", {})
    if "application/json" in content:
        return {"json": next(iter(content["application/json"]["examples"].values()))["value"]}
    return {"files": {"image": ("a.jpg", pictures.jpeg())}} if content else {}


async def ask(http: httpx2.AsyncClient, operation: Operation, headers: dict[str, str], **values: str) -> httpx2.Response:
    method, path, described = operation
    return await http.request(method, path_of(path, **values), headers=headers, **body_of(described))


@pytest.mark.parametrize(
    "credential", [{}, {"x-api-key": "imgp_"}, {"authorization": "Basic bWluZTpyZWFk"}], ids=["none", "wrong", "Basic"]
)
@pytest.mark.parametrize("operation", OPERATIONS, ids=named)
async def test_nobody_gets_in(http: httpx2.AsyncClient, mine: str, operation: Operation, credential: dict[str, str]) -> None:
    answer = await ask(http, operation, credential, image_id=mine)

    assert answer.status_code == 401, answer.text
    assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("operation", OPERATIONS, ids=named)
async def test_each_route_wants_its_scope_and_no_other(http: httpx2.AsyncClient, mine: str, operation: Operation) -> None:
    [scope] = {scope for needed in operation[2]["security"] for scopes in needed.values() for scope in scopes}
    others = ",".join(sorted({"read", "write", "admin"} - {scope.removeprefix("images:")}))

    answer = await ask(http, operation, {"x-api-key": f"mine:{others}"}, image_id=mine)

    assert answer.status_code == 403, answer.text
    assert f'scope="{scope}"' in answer.headers["www-authenticate"]


def shown(answer: httpx2.Response, image_id: str) -> tuple[object, ...]:
    """All of an answer that may not tell one image from another."""
    headers = {name: value for name, value in answer.headers.items() if name not in CHANGES_EACH_TIME}
    body = answer.content.replace(image_id.encode(), b"ID").replace(answer.headers["x-request-id"].encode(), b"REQUEST")
    return answer.status_code, headers, body


@pytest.mark.parametrize("operation", OF_AN_IMAGE, ids=named)
async def test_anothers_image_is_as_one_that_does_not_exist(
    http: httpx2.AsyncClient, mine: str, operation: Operation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Byte for byte; and in time, as far as that is a matter of the statements that run."""
    sent = sent_statements(monkeypatch)

    async def asked(image_id: str) -> tuple[tuple[object, ...], list[str]]:
        sent.clear()
        answer = await ask(http, operation, STRANGER, image_id=image_id)
        return shown(answer, image_id), list(sent)

    nothing = str(uuid4())

    assert await asked(mine) == await asked(nothing)
    assert (await ask(http, operation, STRANGER, image_id=mine)).status_code == 404
    monkeypatch.undo()
    status = await http.get(f"{PREFIX}/images/{mine}/status", headers=MINE)
    assert status.json()["id"] == mine


async def test_a_strangers_lists_are_empty(http: httpx2.AsyncClient, mine: str) -> None:
    assert mine in (await http.get(f"{PREFIX}/images", headers=MINE)).text

    assert (await http.get(f"{PREFIX}/images", headers=STRANGER)).json() == {"items": [], "next_cursor": None}


async def test_an_idempotency_key_is_the_owners_own(http: httpx2.AsyncClient) -> None:
    """The same key and the same form of two owners are two images."""
    made = [
        (
            await http.post(
                f"{PREFIX}/images", files={"image": ("a.jpg", pictures.jpeg())}, headers={**who, "idempotency-key": "k"}
            )
        )
        for who in (MINE, STRANGER, MINE)
    ]

    ids = [answer.json()["id"] for answer in made]
    assert ids[0] == ids[2] != ids[1]


async def test_a_watermark_is_the_owners_own(http: httpx2.AsyncClient, mine: str) -> None:
    async def refused(reference: str) -> tuple[int, str]:
        form = {"image": ("a.jpg", pictures.jpeg())}
        data = {"processing": f"watermark:{reference}"}
        answer = await http.post(f"{PREFIX}/images", headers=STRANGER, files=form, data=data)
        return answer.status_code, answer.json()["detail"].replace(reference, "ID")

    anothers, nothing = await refused(mine), await refused(str(uuid4()))

    assert anothers == nothing
    assert anothers[0] == 422
