"""Usage and quotas over HTTP: an owner sees their own, admins see and set everybody's."""

from collections.abc import AsyncIterator

import httpx2
import pytest
from msgspec.structs import replace

from internal.api.schemas import PREFIX
from internal.domain.message import NO_REQUEST
from internal.domain.owner import Quotas
from internal.intake.options import UploadOptions
from internal.postgres.listener import Listener
from internal.settings.loader import load_settings
from tests.identities import BY_SCOPES
from tests.integration.api import api_over
from tests.integration.service import FormAtHand, Service
from tests.integration.usage import fold_all
from tests.pictures import jpeg

OWNERS = f"{PREFIX}/admin/owners"
NO_RATES = {"requests": None, "uploads": None, "upload_bytes": None}


@pytest.fixture
async def http(service: Service, listener: Listener) -> AsyncIterator[httpx2.AsyncClient]:
    policy = replace(service.policy, quotas=Quotas(images=7))
    async with api_over(service, listener, authenticator=BY_SCOPES, policy=policy, settings=load_settings({})) as client:
        client.headers["x-api-key"] = "admin"
        yield client


async def test_an_owner_sees_what_is_used_of_what_is_allowed(http: httpx2.AsyncClient, service: Service) -> None:
    await service.door.accept("ops", FormAtHand(jpeg(), UploadOptions(processing="resize:8x8")), NO_REQUEST, None)
    await service.upload(jpeg())  # somebody else's

    assert (await http.get(f"{PREFIX}/usage", headers={"x-api-key": "read"})).json() == {
        "owner": "ops",
        "images": 1,
        "bytes": len(jpeg()),
        "queued": 1,
        "limits": {"images": 7, "bytes": None, "queued": None, "rates": NO_RATES},
    }


async def test_an_admin_sets_quotas_and_weight_and_the_audit_says_so(http: httpx2.AsyncClient, service: Service) -> None:
    changes = {"weight": 2.5, "quotas": {"images": "none", "bytes": 1000}}

    answer = await http.patch(f"{OWNERS}/some%20shop", json=changes)

    assert answer.status_code == 200
    body = answer.json()
    assert (body["owner"], body["weight"]) == ("some shop", 2.5)
    assert body["quotas"] == {"images": "none", "bytes": 1000, "queued": None}
    assert body["limits"] == {"images": None, "bytes": 1000, "queued": None}
    [entry] = await service.repository.audit.page(limit=9, target="some shop")
    assert entry.action == "owner.changed"
    assert entry.details == {
        "before": {"weight": 1.0, "quota_images": None, "quota_bytes": None},
        "after": {"weight": 2.5, "quota_images": 2**63 - 1, "quota_bytes": 1000},
    }


async def test_what_is_left_out_stays_and_null_is_the_configured_quota(http: httpx2.AsyncClient, service: Service) -> None:
    await http.patch(f"{OWNERS}/shop", json={"weight": 3, "quotas": {"images": 1, "queued": 5}})

    body = (await http.patch(f"{OWNERS}/shop", json={"quotas": {"images": None}})).json()

    assert (body["weight"], body["limits"]["images"], body["limits"]["queued"]) == (3, 7, 5)
    await http.patch(f"{OWNERS}/shop", json={"weight": 3})  # changes nothing
    assert len(await service.repository.audit.page(limit=9, target="shop")) == 2


@pytest.mark.parametrize(
    ("owner", "changes"),
    [
        ("shop", {"weight": 0}),
        ("shop", {"weight": 1001}),
        ("shop", {"quotas": {"images": -1}}),
        ("shop", {"quotas": {"images": "all"}}),
        ("shop", {"quotas": {"images": 2**63 - 1}}),
        ("shop", {"quotas": {"pictures": 1}}),
        ("x" * 201, {"weight": 1}),
        ("a%0Ab", {"weight": 1}),
    ],
)
async def test_other_values_are_refused(http: httpx2.AsyncClient, service: Service, owner: str, changes: object) -> None:
    answer = await http.patch(f"{OWNERS}/{owner}", json=changes)

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    assert await service.count("owners") == 0


async def test_owners_are_paged_by_name(http: httpx2.AsyncClient, service: Service) -> None:
    await service.upload(jpeg())
    await fold_all(service)
    for name in ("c", "b", "d"):
        await http.patch(f"{OWNERS}/{name}", json={"weight": 2})
    seen: list[tuple[str, int]] = []
    cursor: str | None = ""
    while cursor is not None:
        body = (await http.get(f"{OWNERS}?limit=3{cursor and f'&cursor={cursor}'}")).json()
        seen += [(item["owner"], item["images"]) for item in body["items"]]
        cursor = body["next_cursor"]

    assert seen == [("anonymous", 1), ("b", 0), ("c", 0), ("d", 0)]
    assert (await http.get(f"{OWNERS}?cursor=x")).status_code == 400


async def test_a_refusal_names_the_quota(http: httpx2.AsyncClient, service: Service) -> None:
    form = FormAtHand(jpeg(), UploadOptions(processing="resize:8x8"))
    image = await service.door.accept("ops", form, NO_REQUEST, None)
    await http.patch(f"{OWNERS}/ops", json={"quotas": {"queued": 1}})
    renditions = f"{PREFIX}/images/{image.id}/renditions"

    answer = await http.post(renditions, json={"name": "more", "processing": "grayscale"}, headers={"x-api-key": "write"})

    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (403, "quota_exceeded")
    assert (problem["quota"], problem["used"], problem["allowed"]) == ("queued", 1, 1)
