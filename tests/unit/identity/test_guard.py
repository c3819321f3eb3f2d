"""The guard: every route of the API has one, and what it refuses is told after RFC 6750."""

import re
import time
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode

import pytest
from litestar import Litestar, Router, get
from litestar.openapi.spec import Tag
from litestar.params import FromQuery
from litestar.testing import TestClient

from internal.api.app import ROUTES
from internal.api.openapi.describe import OPTION, describe
from internal.api.requests.identity import OpenTo, owner_of, reader_of
from internal.api.requests.queries import refuse_unknown
from internal.domain.errors import Unauthenticated
from internal.domain.identity import LINK_BEARER, NOBODY, Credential, Principal, Reader, Scope
from internal.domain.rates import Rate
from internal.http.asgi import ApiRequest
from internal.http.problems import HANDLERS
from internal.identity.authenticator import Authenticator
from internal.identity.links import LinkGrant, LinkSigner
from internal.identity.settings import LinkKey
from internal.limits.request_rates import RequestRates

REFUSED = 'Bearer error="invalid_token", error_description="This key is not known."'


class OneKey:
    """Takes one key, of an owner who may read."""

    refusal = "This key is not known."

    async def verify(self, credential: str) -> Principal:
        if credential != "imgp_reader":
            raise Unauthenticated(self.refusal, rejected=True)
        return Principal("reader", frozenset({Scope.READ}), Credential.KEY)


@get("/read", **describe(Tag("Test"), "Read", scope=Scope.READ))
async def read(request: ApiRequest) -> str:
    return owner_of(request)


@get("/write", **describe(Tag("Test"), "Write", scope=Scope.WRITE))
async def write(request: ApiRequest) -> str:
    return owner_of(request)


@get("/admin", **describe(Tag("Test"), "Admin", scope=Scope.ADMIN))
async def admin(request: ApiRequest) -> str:
    return owner_of(request)


@get("/picture", **describe(Tag("Test"), "Picture", scope=Scope.READ, open_to=OpenTo.LINKS | OpenTo.ANYBODY))
async def picture(request: ApiRequest, rendition: FromQuery[str | None] = None, disposition: FromQuery[str | None] = None) -> str:
    return NAMES.get(reader_of(request)) or str(reader_of(request).owner)


@get("/original", **describe(Tag("Test"), "Original", scope=Scope.READ, open_to=OpenTo.LINKS))
async def original(request: ApiRequest, disposition: FromQuery[str | None] = None) -> str:
    return NAMES.get(reader_of(request)) or str(reader_of(request).owner)


NAMES = {NOBODY: "nobody", LINK_BEARER: "the bearer of a link"}
LINKS = LinkSigner((LinkKey("a", bytes(32)), LinkKey("b", bytes(range(32)))))
WRONG_KEY, KEY = {"x-api-key": "imgp_other"}, {"x-api-key": "imgp_reader"}


def link(path: str = "/picture", *, seconds: int = 60, kid: str = "a", **more: str) -> str:
    """A link, signed."""
    grant = LinkGrant(path, more.get("rendition"), more.get("disposition"), str(int(time.time()) + seconds), kid)
    return f"{path}?" + urlencode({**more, "expires": grant.expires, "kid": kid, "sig": LINKS.sign(grant)})


@pytest.fixture
def client() -> Any:
    routes = Router("/", route_handlers=[read, write, admin, picture, original], before_request=refuse_unknown)
    app = Litestar([routes], exception_handlers=HANDLERS, openapi_config=None, logging_config=None, debug=False)
    app.state.services = SimpleNamespace(
        authenticator=Authenticator({Credential.KEY: OneKey()}), links=LINKS, request_rates=RequestRates(None)
    )
    return TestClient(app)


@pytest.mark.parametrize(
    ("path", "headers", "status", "code", "challenge"),
    [
        ("/read", {}, 401, "unauthenticated", "Bearer"),
        ("/read", {"x-api-key": "imgp_other"}, 401, "unauthenticated", REFUSED),
        ("/write", {"x-api-key": "imgp_reader"}, 403, "forbidden", 'Bearer error="insufficient_scope", scope="images:write"'),
    ],
)
def test_a_refusal_says_what_is_missing(
    client: TestClient[Litestar], path: str, headers: dict[str, str], status: int, code: str, challenge: str
) -> None:
    answer = client.get(path, headers=headers)

    assert (answer.status_code, answer.json()["code"], answer.headers["www-authenticate"]) == (status, code, challenge)


def test_an_open_service_says_that_it_has_no_admin(client: TestClient[Litestar]) -> None:
    client.app.state.services.authenticator = Authenticator()

    assert client.get("/write").status_code == 200
    answer = client.get("/admin")
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert answer.json()["detail"].startswith("With AUTH_MODE=none nobody has the scope images:admin.")


@pytest.mark.parametrize(
    ("detail", "described"),
    [
        ('He said "no" \\ no', "He said ?no? ? no"),
        ("a\r\nSet-Cookie: b", "a??Set-Cookie: b"),
        ("ключ", "????"),
        ("x" * 300, "x" * 200),
    ],
)
def test_a_description_has_the_characters_of_rfc_6750(client: TestClient[Litestar], detail: str, described: str) -> None:
    reader = client.app.state.services.authenticator.verifiers[Credential.KEY]
    reader.refusal = detail

    answer = client.get("/read", headers={"x-api-key": "imgp_other"})

    assert answer.headers["www-authenticate"] == f'Bearer error="invalid_token", error_description="{described}"'
    assert answer.json()["detail"] == detail


def test_the_owner_is_that_of_the_credential(client: TestClient[Litestar]) -> None:
    assert client.get("/read", headers={"authorization": "Bearer imgp_reader"}).text == "reader"


@pytest.mark.parametrize(
    ("path", "more"),
    [
        ("/picture", {}),
        ("/picture", {"rendition": "thumb"}),
        ("/picture", {"rendition": "thumb", "disposition": "attachment"}),
        ("/original", {"disposition": "inline"}),
        ("/original", {"kid": "b"}),
    ],
)
def test_a_link_needs_no_credential(client: TestClient[Litestar], path: str, more: dict[str, Any]) -> None:
    assert client.get(link(path, **more)).text == "the bearer of a link"


def told(client: TestClient[Litestar], target: str, **headers: str) -> tuple[int, str]:
    answer = client.get(target, headers=headers)
    return answer.status_code, answer.json()["code"]


@pytest.mark.parametrize(
    ("part", "instead"),
    [
        ("/picture", "/original"),
        ("thumb", "default"),
        ("rendition=thumb&", ""),
        ("?", "?rendition=default&"),
        ("?", "?utm_source=letter&"),
        ("?", "?width=100&"),
        ("$", "&rendition=default"),
        ("$", "&disposition=attachment"),
        ("$", "&kid=b"),
        ("$", "&sig=" + "A" * 43),
        ("$", "&expires=9796000000"),
        ("kid=a", "kid=b"),
        ("kid=a", "kid="),
        ("kid=a&", ""),
        ("expires=1", "expires=9"),
        ("expires=", "expires=%2B"),
        ("expires=", "expires=%D9%A1"),
        ("&sig=.*", ""),
        ("kid=a&sig=.*", ""),
        (".$", ""),
        ("$", "%00"),
        ("$", "%ff"),
        ("$", "%3D"),
        ("thumb", "%ed%a0%80"),
        ("thumb", "%ff%fe"),
    ],
)
@pytest.mark.parametrize("headers", [{}, KEY], ids=["nobody", "an owner"])
def test_a_link_can_not_be_extended(client: TestClient[Litestar], part: str, instead: str, headers: dict[str, str]) -> None:
    url = link(rendition="thumb")
    assert client.get(url, headers=headers).status_code == 200
    other = re.sub(re.escape(part) if part == "?" else part, instead, url, count=1)
    assert other != url

    assert told(client, other, **headers) == (403, "link_invalid")


def test_an_expired_link_is_the_same_403_as_a_forged_one(client: TestClient[Litestar]) -> None:
    answers = [client.get(target) for target in (link(seconds=-1), link()[:-3] + "AAA")]

    assert answers[0].content == answers[1].content
    assert answers[0].status_code == 403


def test_a_link_opens_no_other_route(client: TestClient[Litestar]) -> None:
    for path in ("/read", "/write"):
        assert told(client, link(path)) == (401, "unauthenticated")
        assert told(client, link("/picture").replace("/picture", path)) == (401, "unauthenticated")
    assert told(client, link("/read"), **KEY) == (400, "invalid_request")


def test_a_wrong_credential_is_never_ignored(client: TestClient[Litestar]) -> None:
    for target in ("/picture", link("/picture"), "/original", link("/original")):
        assert told(client, target, **WRONG_KEY) == (401, "unauthenticated")
        assert told(client, target, authorization="Basic dTpw") == (401, "unauthenticated")


def test_without_a_credential_what_is_public_is_open_and_the_original_is_not(client: TestClient[Litestar]) -> None:
    assert client.get("/picture").text == "nobody"
    assert told(client, "/original") == (401, "unauthenticated")


def test_a_credential_beside_a_link_does_not_widen_it(client: TestClient[Litestar]) -> None:
    assert client.get(link(), headers=KEY).text == "the bearer of a link"
    assert client.get("/picture", headers=KEY).text == Reader("reader").owner
    assert told(client, link(seconds=-1), **KEY) == (403, "link_invalid")


def test_only_the_two_downloads_are_open_to_others_and_the_original_to_links_alone() -> None:
    opened = {handler.handler_name: handler.opt[OPTION].open_to for handler in ROUTES if handler.opt[OPTION].open_to}

    assert opened == {"rendition_bytes": OpenTo.LINKS | OpenTo.ANYBODY, "original_bytes": OpenTo.LINKS}


def test_every_route_has_a_scope_and_its_guard() -> None:
    for handler in ROUTES:
        assert handler.opt[OPTION].scope in Scope
        assert handler.guards, f"{handler.handler_name} has no guard"


def test_every_call_is_counted_for_its_owner_and_guesses_for_their_address(client: TestClient[Litestar]) -> None:
    client.app.state.services.request_rates = RequestRates(Rate(3, 3600))
    owner, guess = {"x-api-key": "imgp_reader"}, {"x-api-key": "imgp_guessed"}

    assert [client.get("/read", headers=guess).status_code for _ in range(5)] == [401, 401, 401, 429, 429]
    assert [client.get("/read", headers=owner).status_code for _ in range(5)] == [200, 200, 200, 429, 429]
    refused = client.get("/write", headers=owner)
    assert refused.status_code == 429, "a call that lacks the scope is counted for the address"
    assert refused.json()["limit"] == "requests"
    assert (refused.json()["used"], refused.json()["allowed"]) == (3, 3)
    assert 1190 <= int(refused.headers["retry-after"]) <= 1200
