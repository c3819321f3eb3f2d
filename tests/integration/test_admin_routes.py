"""The admin's routes over the real tables."""

from collections.abc import AsyncIterator

import httpx2
import pytest

from internal.api.schemas import PREFIX
from internal.domain.dead_letter import DeadLetter
from internal.domain.message import Channel
from internal.observability.health import Dependency
from internal.postgres.listener import Listener
from tests import pictures
from tests.identities import BY_SCOPES
from tests.integration.api import api_over
from tests.integration.service import Service
from tests.integration.test_dead_letters import ODD, fail

LETTERS = f"{PREFIX}/admin/dead-letters"


@pytest.fixture
async def http(service: Service, listener: Listener) -> AsyncIterator[httpx2.AsyncClient]:
    dependencies = {"database": Dependency(service.repository.check, 30)}
    async with api_over(service, listener, authenticator=BY_SCOPES, dependencies=dependencies) as client:
        client.headers["x-api-key"] = "admin"
        yield client


async def letters(service: Service, count: int) -> list[int]:
    """Dead letters of odd messages; their numbers, newest first."""
    for number in range(count):
        letter = DeadLetter.of_message(ODD, Channel.FAST, code="unknown_type", detail="odd", source=f"queue/{number}")
        await service.repository.dead_letters.add(letter)
    return [entry.id for entry in await service.repository.dead_letters.page(before=None, code=None, limit=count)]


@pytest.mark.parametrize("scope", ["read", "write"])
@pytest.mark.parametrize(("method", "path"), [("GET", "overview"), ("GET", "dead-letters"), ("POST", "dead-letters/replay")])
async def test_they_are_for_admins_only(http: httpx2.AsyncClient, scope: str, method: str, path: str) -> None:
    answer = await http.request(method, f"{PREFIX}/admin/{path}", headers={"x-api-key": scope})

    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert "images:admin" in answer.json()["detail"]


async def test_the_overview_counts_what_waits(http: httpx2.AsyncClient, service: Service) -> None:
    await service.upload(pictures.jpeg())

    body = (await http.get(f"{PREFIX}/admin/overview")).json()

    assert (body["status"], body["dependencies"]) == ("ok", {"database": "ok"})
    assert (body["backlog"]["renditions_waiting"], body["backlog"]["dead_letters"]) == (1, 0)


async def test_dead_letters_are_paged(http: httpx2.AsyncClient, service: Service) -> None:
    ids = await letters(service, 5)
    seen: list[int] = []
    cursor: str | None = ""
    while cursor is not None:
        body = (await http.get(f"{LETTERS}?limit=2{cursor and f'&cursor={cursor}'}")).json()
        seen += [item["id"] for item in body["items"]]
        cursor = body["next_cursor"]

    assert seen == ids
    assert (await http.get(f"{LETTERS}?code=other")).json() == {"items": [], "next_cursor": None}
    assert (await http.get(f"{LETTERS}?cursor=x")).status_code == 400


async def test_a_replay_queues_and_is_in_the_audit(http: httpx2.AsyncClient, service: Service) -> None:
    image_id = await service.upload(pictures.jpeg())
    await fail(service, image_id)
    [item] = (await http.get(LETTERS)).json()["items"]
    assert (item["image_id"], item["rendition_status"]) == (str(image_id), "failed")

    answer = await http.post(f"{LETTERS}/replay", json={"ids": [item["id"], 10**9, item["id"]]})

    assert answer.json()["items"] == [{"id": item["id"], "outcome": "queued"}, {"id": 10**9, "outcome": "no_letter"}]
    [entry] = await service.repository.audit.page(limit=9)
    assert (entry.actor, entry.action, entry.target) == ("key:0192", "dead_letter.replayed", str(item["id"]))


async def test_a_replay_by_code_goes_on_behind_its_cursor(
    http: httpx2.AsyncClient, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("internal.api.routes.admin.MAX_LIMIT", 2)
    ids = await letters(service, 3)

    first = (await http.post(f"{LETTERS}/replay", json={"code": "unknown_type"})).json()
    second = (await http.post(f"{LETTERS}/replay", json={"code": "unknown_type", "cursor": first["next_cursor"]})).json()

    assert [item["id"] for item in [*first["items"], *second["items"]]] == ids
    assert second["next_cursor"] is None


@pytest.mark.parametrize(
    "body", [{}, {"ids": [1], "code": "a"}, {"ids": [1], "cursor": "1"}, {"ids": []}, {"code": ""}, {"id": 1}]
)
async def test_a_replay_says_what_it_needs(http: httpx2.AsyncClient, body: dict[str, object]) -> None:
    answer = await http.post(f"{LETTERS}/replay", json=body)

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
