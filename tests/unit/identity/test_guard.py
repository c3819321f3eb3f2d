"""The guard: every route of the API has one, and what it refuses is told after RFC 6750."""

from types import SimpleNamespace
from typing import Any

import pytest
from litestar import Litestar, get
from litestar.openapi.spec import Tag
from litestar.testing import TestClient

from internal.api.app import ROUTES
from internal.api.openapi.describe import OPTION, describe
from internal.api.requests.identity import owner_of
from internal.domain.errors import Unauthenticated
from internal.domain.identity import Credential, Principal, Scope
from internal.http.asgi import ApiRequest
from internal.http.problems import HANDLERS
from internal.identity.authenticator import Authenticator


class Reader:
    """Takes one key, of an owner who may read."""

    async def verify(self, credential: str) -> Principal:
        if credential != "imgp_reader":
            raise Unauthenticated("This key is not known.", rejected=True)
        return Principal("reader", frozenset({Scope.READ}), Credential.KEY)


@get("/read", **describe(Tag("Test"), "Read", scope=Scope.READ))
async def read(request: ApiRequest) -> str:
    return owner_of(request)


@get("/write", **describe(Tag("Test"), "Write", scope=Scope.WRITE))
async def write(request: ApiRequest) -> str:
    return owner_of(request)


@pytest.fixture
def client() -> Any:
    app = Litestar([read, write], exception_handlers=HANDLERS, openapi_config=None, logging_config=None, debug=False)
    app.state.services = SimpleNamespace(authenticator=Authenticator({Credential.KEY: Reader()}))
    return TestClient(app)


@pytest.mark.parametrize(
    ("path", "headers", "status", "code", "challenge"),
    [
        ("/read", {}, 401, "unauthenticated", "Bearer"),
        ("/read", {"x-api-key": "imgp_other"}, 401, "unauthenticated", 'Bearer error="invalid_token"'),
        ("/write", {"x-api-key": "imgp_reader"}, 403, "forbidden", 'Bearer error="insufficient_scope", scope="images:write"'),
    ],
)
def test_a_refusal_says_what_is_missing(
    client: TestClient[Litestar], path: str, headers: dict[str, str], status: int, code: str, challenge: str
) -> None:
    answer = client.get(path, headers=headers)

    assert (answer.status_code, answer.json()["code"], answer.headers["www-authenticate"]) == (status, code, challenge)


def test_the_owner_is_that_of_the_credential(client: TestClient[Litestar]) -> None:
    assert client.get("/read", headers={"authorization": "Bearer imgp_reader"}).text == "reader"


def test_every_route_has_a_scope_and_its_guard() -> None:
    for handler in ROUTES:
        assert handler.opt[OPTION].scope in Scope
        assert handler.guards, f"{handler.handler_name} has no guard"
