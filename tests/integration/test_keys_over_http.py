"""Keys over HTTP, on the API as it is wired for AUTH_MODE=key: what admins do with them, and what a request costs."""

import time
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import msgspec
import pytest

from internal.api.schemas import PREFIX
from internal.domain.api_key import is_well_formed, key_of
from internal.identity.keys import create_key
from internal.settings.sections import Settings
from internal.wiring.operator import open_repository
from tests import pictures
from tests.integration.statements import sent_statements
from tests.integration.test_isolation import served, settings  # noqa: F401 - a fixture
from tests.services.waiting import eventually

KEYS, IMAGES = f"{PREFIX}/keys", f"{PREFIX}/images"

EVERY_SCOPE = ["images:read", "images:write", "images:admin"]


def _headers(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


@pytest.fixture(scope="module")
async def admin(settings: Settings) -> dict[str, str]:  # noqa: F811
    """Headers with a key that has every scope, made as `imagectl keys create` makes it."""
    async with open_repository(settings) as repository:
        _, secret = await create_key(repository, "imagectl:me", owner="ops", scopes=EVERY_SCOPE)
    return _headers(secret)


@pytest.fixture(scope="module")
async def http(settings: Settings) -> AsyncIterator[httpx2.AsyncClient]:  # noqa: F811
    with_keys = msgspec.structs.replace(settings, auth=msgspec.structs.replace(settings.auth, mode="key"))
    async with served(with_keys, authenticator=None) as client:
        yield client


async def test_a_key_is_created_used_listed_and_revoked(http: httpx2.AsyncClient, admin: dict[str, str]) -> None:
    created = await http.post(
        KEYS, json={"owner": "web", "scopes": ["images:read"], "name": "shop", "expires_in": 3600}, headers=admin
    )
    assert (created.status_code, created.headers["cache-control"]) == (201, "no-store"), created.text
    shown = created.json()
    key = shown.pop("key")
    assert is_well_formed(key)
    assert list(shown) == [*("id", "name", "owner", "scopes", "prefix", "created_at", "expires_at", "last_used_at", "revoked_at")]
    assert (shown["name"], shown["owner"], shown["scopes"], shown["prefix"]) == ("shop", "web", ["images:read"], key[:13])

    assert (await http.get(IMAGES, headers=_headers(key))).json() == {"items": [], "next_cursor": None}
    assert (await http.get(IMAGES, headers={"authorization": f"bearer {key}"})).status_code == 200
    refused = await http.post(IMAGES, files={"image": ("a.jpg", pictures.jpeg())}, headers=_headers(key))
    assert (refused.status_code, "images:write" in refused.json()["detail"]) == (403, True)
    assert (await http.get(KEYS, headers=_headers(key))).status_code == 403

    [listed] = (await http.get(KEYS, params={"owner": "web"}, headers=admin)).json()["items"]
    assert {**listed, "last_used_at": None} == shown
    revoked = await http.delete(f"{KEYS}/{shown['id']}", headers=admin)
    assert (revoked.status_code, revoked.json()["revoked_at"] is not None) == (200, True)
    assert (await http.delete(f"{KEYS}/{shown['id']}", headers=admin)).json()["revoked_at"] == revoked.json()["revoked_at"]

    async def refused_by_now() -> bool:
        return (await http.get(IMAGES, headers=_headers(key))).status_code == 401

    await eventually(refused_by_now, within=10)
    answer = await http.get(IMAGES, headers=_headers(key))
    assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token", error_description="This API key was revoked."'
    assert "revoked" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"scopes": []}, "at least one scope"),
        ({"scopes": ["images:all"]}, "no scope 'images:all'. There are: images:read"),
        ({"owner": ""}, "The owner of a key has 1 to 200 printable characters"),
        ({"owner": "a\u0000"}, "The owner of a key has 1 to 200 printable characters"),
        ({"name": "a\n"}, "The name of a key"),
        ({"expires_in": 0}, "A key expires after 1 second to 100 years"),
        ({"expires_in": 10**30}, "A key expires after 1 second to 100 years"),
        ({"expires_in": 1.5}, "expires_in"),
        ({"scope": "images:read"}, "unknown field `scope`"),
    ],
)
async def test_what_makes_no_sense_is_refused(
    http: httpx2.AsyncClient, admin: dict[str, str], body: dict[str, Any], told: str
) -> None:
    answer = await http.post(KEYS, json={"owner": "web", "scopes": ["images:read"], **body}, headers=admin)

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request"), answer.text
    assert told in answer.json()["detail"]


async def test_unknown_ids_cursors_and_owners(http: httpx2.AsyncClient, admin: dict[str, str]) -> None:
    for key_id in ("0192f0c1-7c1e-7b7e-9d57-0e1f4a3c2b1a", "none"):
        answer = await http.delete(f"{KEYS}/{key_id}", headers=admin)
        assert (answer.status_code, answer.json()["detail"]) == (404, "There is no such key.")
    for query in ("cursor=abc", "owner=%00", "owner="):
        assert (await http.get(f"{KEYS}?{query}", headers=admin)).status_code == 400, query


async def test_the_list_goes_on_at_its_cursor(http: httpx2.AsyncClient, admin: dict[str, str]) -> None:
    made = [
        (await http.post(KEYS, json={"owner": "many", "scopes": ["images:read"]}, headers=admin)).json()["id"] for _ in range(3)
    ]

    first = (await http.get(KEYS, params={"owner": "many", "limit": 2}, headers=admin)).json()
    second = (await http.get(KEYS, params={"owner": "many", "limit": 2, "cursor": first["next_cursor"]}, headers=admin)).json()

    assert [key["id"] for key in first["items"]] == [made[2], made[1]]
    assert ([key["id"] for key in second["items"]], second["next_cursor"]) == ([made[0]], None)
    everybodys = (await http.get(KEYS, headers=admin)).json()["items"]
    assert {"many", "ops"} <= {key["owner"] for key in everybodys}


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ({"x-api-key": key_of(0)}, "no such API key"),
        ({"x-api-key": key_of(0)[:-1]}, "checksum"),
        ({"x-api-key": "x"}, "checksum"),
        ({"authorization": f"Bearer {key_of(0)[:-1]}é".encode()}, "checksum"),
        ({"authorization": "Bearer eyJ.a.b"}, "takes no tokens"),
    ],
)
async def test_a_wrong_key_is_told_so(http: httpx2.AsyncClient, headers: dict[str, Any], told: str) -> None:
    answer = await http.get(IMAGES, headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
    assert answer.headers["www-authenticate"].startswith('Bearer error="invalid_token", error_description="')
    assert told in answer.json()["detail"]


async def test_a_status_request_with_a_key_is_one_statement_as_without(
    http: httpx2.AsyncClient, admin: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """But for the first in a second, which asks for the key, and the first in a minute, after which its use is recorded."""
    uploaded = await http.post(IMAGES, files={"image": ("a.jpg", pictures.jpeg())}, headers=admin)
    path = uploaded.headers["location"] + "/status"
    await http.get(path, headers=admin)
    sent = sent_statements(monkeypatch, beside=("LOOK_UP_API_KEYS", "RECORD_KEY_USE"))

    began = time.monotonic()
    for _ in range(50):
        assert (await http.get(path, headers=admin)).status_code == 200

    asked = [name for name in sent if name == "LOOK_UP_API_KEYS"]
    assert sorted(set(sent) - {"LOOK_UP_API_KEYS", "RECORD_KEY_USE"}) == ["FIND_IMAGE"]
    assert sent.count("FIND_IMAGE") == 50
    assert len(asked) <= 1 + (time.monotonic() - began)
    sent.clear()
    assert (await http.get(path, headers=_headers(key_of(1)[:-1] + "z"))).status_code == 401
    assert sent == []
