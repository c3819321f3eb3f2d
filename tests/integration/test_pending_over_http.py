"""A pending image as clients see it: status, list, binaries, further renditions, retry, deletion."""

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from internal.api.schemas import PREFIX
from internal.postgres.listener import Listener
from tests import pictures
from tests.integration.api import api_over
from tests.integration.service import Service
from tests.integration.test_intake import OTHER, completed, prepared, received

IMAGES = f"{PREFIX}/images"


@pytest.fixture
async def http(service: Service, listener: Listener) -> AsyncIterator[httpx2.AsyncClient]:
    async with api_over(service, listener) as client:
        yield client


async def test_a_form_is_answered_with_the_image(http: httpx2.AsyncClient, service: Service) -> None:
    for key in ({}, {"idempotency-key": "k"}, {"idempotency-key": "k"}):
        answer = await http.post(IMAGES, files={"image": ("a.jpg", pictures.jpeg())}, headers=key)

        assert answer.status_code == 201, answer.text
        assert answer.headers["location"] == f"{IMAGES}/{answer.json()['id']}"
        assert answer.json() == (await http.get(answer.headers["location"] + "/status")).json()
    assert await service.count("images") == 2


async def test_a_pending_image_is_shown_and_its_binaries_are_not_ready(http: httpx2.AsyncClient, service: Service) -> None:
    upload = await prepared(service, filename="picture.jpg", renditions={"tiny": "preset:small"})
    path = f"{IMAGES}/{upload.id}"

    body: dict[str, Any] = (await http.get(f"{path}/status")).json()

    assert (body["id"], body["status"], body["error"], body["original"]) == (str(upload.id), "pending", None, None)
    assert [(r["name"], r["status"], r["processing"], r["attempts"], r["stale"]) for r in body["renditions"]] == [
        ("default", "uploaded", "resize:20x20", 0, False),
        ("tiny", "uploaded", "resize:16x16", 0, False),
    ]
    assert (await http.get(f"{IMAGES}?status=pending")).json() == {"items": [body], "next_cursor": None}
    assert (await http.get(f"{IMAGES}?status=uploaded")).json()["items"] == []
    for binary in (path, f"{path}?rendition=tiny", f"{path}/original"):
        answer = await http.get(binary)
        assert (answer.status_code, answer.json()["code"]) == (409, "not_ready"), binary
        assert "retry-after" in answer.headers
        assert (await http.head(binary)).status_code == 409
    assert (await http.get(f"{path}?rendition=other")).status_code == 404

    await completed(service, upload, await received(service, upload))
    after = (await http.get(f"{path}/status")).json()
    assert (after["status"], after["created_at"], after["original"]["filename"]) == (
        "uploaded",
        body["created_at"],
        "picture.jpg",
    )


async def test_a_pending_image_is_asked_for_more_and_has_nothing_to_retry(http: httpx2.AsyncClient, service: Service) -> None:
    path = f"{IMAGES}/{(await prepared(service)).id}"
    more = {"name": "tiny", "processing": "resize:9x9"}

    answers = [await http.post(f"{path}/renditions", json=more) for _ in range(2)]
    other = await http.post(f"{path}/renditions", json={**more, "processing": "blur:2"})
    retry = await http.post(f"{path}/retry")

    assert [(answer.status_code, answer.json()["status"]) for answer in answers] == [(202, "pending"), (200, "pending")]
    assert [rendition["name"] for rendition in answers[0].json()["renditions"]] == ["default", "tiny"]
    assert (other.status_code, other.json()["code"]) == (409, "rendition_exists")
    assert (retry.status_code, retry.json()["code"]) == (409, "nothing_to_retry")


async def test_a_pending_image_is_deleted_as_any_other(http: httpx2.AsyncClient, service: Service) -> None:
    path = f"{IMAGES}/{(await prepared(service)).id}"

    assert (await http.delete(path, headers={"if-match": '"a tag"'})).status_code == 412
    assert (await http.delete(path, headers={"if-match": "*"})).status_code == 200
    assert [(await http.delete(path)).status_code, (await http.get(f"{path}/status")).status_code] == [404, 404]
    assert await service.count("uploads") == 0


async def test_another_owners_is_the_same_404_as_none(http: httpx2.AsyncClient, service: Service) -> None:
    others = await prepared(service, owner=OTHER)
    nobodys = await prepared(service)
    await service.delete(nobodys.id)

    for method, rest in (("GET", ""), ("GET", "/original"), ("GET", "/status"), ("DELETE", ""), ("POST", "/retry")):
        told = []
        for upload in (others, nobodys):
            answer = await http.request(method, f"{IMAGES}/{upload.id}{rest}", headers={"x-request-id": "same"})
            told.append((answer.status_code, answer.content))
        assert told[0] == told[1]
        assert told[0][0] == 404
    assert (await http.get(IMAGES)).json()["items"] == []
