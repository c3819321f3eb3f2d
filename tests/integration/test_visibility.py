"""Visibility and metadata over HTTP, with identities: who sees what, and what a change writes."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest

from internal.api.schemas import PREFIX
from internal.domain.identity import ANONYMOUS
from internal.domain.visibility import Visibility
from internal.library.delete import delete_image
from internal.postgres.listener import Listener
from tests import pictures
from tests.integration.api import AUTHENTICATOR, LINKS, OWNER, PRIVATE_CACHE, PUBLIC_CACHE, READER, STRANGER, api_over
from tests.integration.service import Service
from tests.integration.statements import sent_statements
from tests.integration.test_intake import completed, prepared, received

IMAGES = f"{PREFIX}/images"
NOBODY: dict[str, str] = {}
DATA = pictures.exif_jpeg()
SAME = {"x-request-id": "same"}


@pytest.fixture
async def http(service: Service, listener: Listener) -> AsyncIterator[httpx2.AsyncClient]:
    async with api_over(service, listener, authenticator=AUTHENTICATOR, links=LINKS) as client:
        yield client


async def processed(service: Service, **options: Any) -> UUID:
    image_id = await service.upload(DATA, **options)
    await service.process(image_id)
    return image_id


async def patch(http: httpx2.AsyncClient, image_id: object, body: Any, **headers: str) -> httpx2.Response:
    return await http.patch(f"{IMAGES}/{image_id}", json=body, headers={**OWNER, **headers})


async def publish(http: httpx2.AsyncClient, image_id: object) -> None:
    assert (await patch(http, image_id, {"visibility": "public"})).json()["visibility"] == "public"


def code_of(answer: httpx2.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def test_an_image_is_private_until_it_is_made_public(http: httpx2.AsyncClient, service: Service) -> None:
    image_id = await processed(service, renditions={"tiny": "resize:8x8"})
    path = f"{IMAGES}/{image_id}"
    assert (await http.get(f"{path}/status", headers=READER)).json()["visibility"] == "private"
    assert code_of(await http.get(path)) == (401, "unauthenticated")
    assert code_of(await http.get(path, headers=STRANGER)) == (404, "not_found")

    await publish(http, image_id)

    for query in ("", "?rendition=tiny", "?rendition=default&disposition=attachment"):
        own = await http.get(path + query, headers=OWNER)
        for headers in (NOBODY, STRANGER, READER):
            answer = await http.get(path + query, headers=headers)
            assert (answer.status_code, answer.content) == (200, own.content)
            assert answer.headers["cache-control"] == PUBLIC_CACHE
            assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
        assert own.headers["cache-control"] == PUBLIC_CACHE
    assert code_of(await http.get(f"{path}?rendition=none")) == (404, "not_found")

    await patch(http, image_id, {"visibility": "private"})

    assert code_of(await http.get(path)) == (401, "unauthenticated")
    again = await http.get(path, headers=OWNER)
    assert again.headers["cache-control"] == PRIVATE_CACHE
    assert again.headers["cross-origin-resource-policy"] == "same-origin"


async def test_head_ranges_and_conditions_work_for_anybody(http: httpx2.AsyncClient, service: Service) -> None:
    image_id = await processed(service)
    await publish(http, image_id)
    path = f"{IMAGES}/{image_id}"

    whole, head = await http.get(path), await http.head(path)
    part = await http.get(path, headers={"range": "bytes=0-9"})
    known = await http.get(path, headers={"if-none-match": whole.headers["etag"]})

    assert (head.status_code, head.headers["content-length"]) == (200, str(len(whole.content)))
    assert (part.status_code, part.content) == (206, whole.content[:10])
    assert (known.status_code, known.headers["cache-control"]) == (304, PUBLIC_CACHE)
    assert known.headers["cross-origin-resource-policy"] == "cross-origin"


async def test_public_opens_the_results_and_nothing_else(http: httpx2.AsyncClient, service: Service) -> None:
    """The original holds what the camera wrote, the place too; status and list tell names, metadata and chains."""
    image_id = await processed(service)
    await publish(http, image_id)
    path = f"{IMAGES}/{image_id}"
    body = {"name": "more", "processing": "resize:9x9"}

    for method, target, json in (
        ("GET", f"{path}/original", None),
        ("HEAD", f"{path}/original", None),
        ("GET", f"{path}/status", None),
        ("GET", IMAGES, None),
        ("DELETE", path, None),
        ("PATCH", path, {"visibility": "private"}),
        ("POST", f"{path}/links", {"expires_in": 60}),
        ("POST", f"{path}/renditions", body),
        ("POST", f"{path}/retry", None),
    ):
        assert (await http.request(method, target, json=json)).status_code == 401, (method, target)
        answer = await http.request(method, target, json=json, headers=STRANGER)
        assert answer.status_code == (200 if target == IMAGES else 404), (method, target)
    assert (await http.get(IMAGES, headers=STRANGER)).json()["items"] == []
    assert (await http.get(f"{path}/original", headers=READER)).content == DATA


async def test_a_wrong_credential_is_not_ignored_for_a_public_image(http: httpx2.AsyncClient, service: Service) -> None:
    image_id = await processed(service)
    await publish(http, image_id)

    answer = await http.get(f"{IMAGES}/{image_id}", headers={"x-api-key": "imgp_revoked"})

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith('Bearer error="invalid_token"')


async def test_to_nobody_a_private_image_is_as_none(
    http: httpx2.AsyncClient, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same bytes and headers, by the same statements; the original is refused without any."""
    others, pending, deleted = await processed(service), await prepared(service), await processed(service)
    await delete_image(service.repository, ANONYMOUS, deleted)
    asked = sent_statements(monkeypatch)
    told = []
    for image_id in (others, pending.id, deleted, uuid4(), "no-id"):
        for query in ("", "?rendition=default", "?rendition=none"):
            for headers in ({}, {"prefer": "wait=1"}):
                asked.clear()
                answer = await http.get(f"{IMAGES}/{image_id}{query}", headers={**SAME, **headers})
                told.append((image_id, answer.status_code, answer.content, sorted(answer.headers.items()), tuple(asked)))

    answers = [(status, content, headers) for _, status, content, headers, _ in told]
    assert answers[0][0] == 401
    assert all(answer == answers[0] for answer in answers)
    assert len({statements for image_id, *_, statements in told if image_id != "no-id"}) == 1
    asked.clear()
    assert (await http.get(f"{IMAGES}/{others}/original")).status_code == 401
    assert asked == []


async def test_a_download_is_one_statement(http: httpx2.AsyncClient, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    image_id = await processed(service)
    await publish(http, image_id)
    asked = sent_statements(monkeypatch)
    path = f"{IMAGES}/{image_id}"
    for target, headers in ((path, OWNER), (path, NOBODY), (f"{path}/original", OWNER)):
        asked.clear()
        assert (await http.get(target, headers=headers)).status_code == 200
        assert len(asked) == 1


async def test_a_change_is_written_once_with_its_event(http: httpx2.AsyncClient, service: Service) -> None:
    image_id = await processed(service)
    before = (await http.get(f"{IMAGES}/{image_id}/status", headers=OWNER)).json()
    body = {"visibility": "public", "metadata": {"album": "winter", "n": 1e300}}

    changed = await patch(http, image_id, body)
    again = await patch(http, image_id, body)

    assert (changed.status_code, again.status_code, again.content) == (200, 200, changed.content)
    assert changed.json() == {
        **before,
        **body,
        "updated_at": changed.json()["updated_at"],
    }
    assert changed.json()["updated_at"] > before["updated_at"]
    events = [event for event in await service.repository.events.of(image_id) if event.type == "image.updated"]
    assert [event.data for event in events] == [{"changed": ["visibility", "metadata"], "visibility": "public"}]
    [row] = await service.session.rows("SELECT metadata ->> 'album' AS album FROM images")
    assert row["album"] == "winter", "old code reads the jsonb"


async def test_one_of_the_two_leaves_the_other(http: httpx2.AsyncClient, service: Service) -> None:
    image_id = await processed(service)
    await patch(http, image_id, {"metadata": {"a": 1}})
    await publish(http, image_id)

    body = (await patch(http, image_id, {"metadata": {"b": [2.50, None]}})).json()

    assert (body["visibility"], body["metadata"]) == ("public", {"b": [2.5, None]})
    assert (await patch(http, image_id, {"metadata": None})).json()["metadata"] == {}
    assert [event.data["changed"] for event in await service.repository.events.of(image_id) if event.type == "image.updated"] == [
        ["metadata"],
        ["visibility"],
        ["metadata"],
        ["metadata"],
    ]


async def test_metadata_are_kept_as_they_are_sent(http: httpx2.AsyncClient, service: Service) -> None:
    image_id, text = await processed(service), '{"price": 1.50,  "name": "\\u00e9", "name": "é"}'

    answer = await http.patch(f"{IMAGES}/{image_id}", content=f'{{"metadata":{text}}}'.encode(), headers=OWNER)

    assert f'"metadata":{text},'.encode() in answer.content


@pytest.mark.parametrize(
    ("body", "status", "word"),
    [
        (b"{}", 400, "changes nothing"),
        (b"", 400, "can't be used"),
        (b"[]", 400, "can't be used"),
        (b'{"visibility": "open"}', 400, "visibility"),
        (b'{"visibility": null}', 400, "visibility"),
        (b'{"visibility": "Public"}', 400, "visibility"),
        (b'{"owner": "me"}', 400, "owner"),
        (b'{"metadata": []}', 400, "not a JSON object"),
        (b'{"metadata": "text"}', 400, "not a JSON object"),
        (b'{"metadata": {"a": "\\u0000"}}', 400, "U+0000"),
        (b'{"metadata": {"a": "\\ud800"}}', 400, ""),
        (b'{"metadata": {"a": 1e999}}', 400, "beyond"),
        (b'{"metadata": {"a": "\xff"}}', 400, ""),
        (b'{"metadata": {"a": "' + b"x" * 8192 + b'"}}', 413, "more than 8192 bytes"),
        (b'{"metadata": ' + b"[" * 10_000, 400, ""),
        (b'{"metadata": {"a": ' + b"[" * 1000 + b"]" * 1000 + b"}}", 400, ""),
        (b" " * (2**20 + 1), 413, ""),
    ],
)
async def test_a_bad_change_changes_nothing(
    http: httpx2.AsyncClient, service: Service, body: bytes, status: int, word: str
) -> None:
    image_id = await processed(service)

    answer = await http.patch(f"{IMAGES}/{image_id}", content=body, headers=OWNER)

    assert answer.status_code == status
    assert word in answer.json()["detail"]
    found = await service.image(image_id)
    assert (found.visibility, found.metadata) == (Visibility.PRIVATE, "{}")
    assert "image.updated" not in await service.event_types(image_id)


async def test_who_may_change_an_image(http: httpx2.AsyncClient, service: Service) -> None:
    image_id, body = await processed(service), {"visibility": "public"}

    for headers, status in ((NOBODY, 401), (READER, 403)):
        assert (await http.patch(f"{IMAGES}/{image_id}", json=body, headers=headers)).status_code == status
    of_another, of_none = [
        await http.patch(f"{IMAGES}/{i}", json=body, headers={**STRANGER, **SAME}) for i in (image_id, uuid4())
    ]
    assert (of_another.status_code, of_another.content) == (404, of_none.content)
    assert (await service.image(image_id)).visibility is Visibility.PRIVATE


async def test_a_change_obeys_preconditions(http: httpx2.AsyncClient, service: Service) -> None:
    image_id, body = await processed(service), {"visibility": "public"}
    etag = (await http.get(f"{IMAGES}/{image_id}", headers=OWNER)).headers["etag"]

    refused = await patch(http, image_id, body, **{"if-match": '"other"'})

    assert code_of(refused) == (412, "precondition_failed")
    assert (await service.image(image_id)).visibility is Visibility.PRIVATE
    assert (await patch(http, image_id, body, **{"if-match": etag})).status_code == 200


async def test_a_pending_image_is_changed_and_becomes_what_it_was_changed_to(http: httpx2.AsyncClient, service: Service) -> None:
    upload = await prepared(service)
    path = f"{IMAGES}/{upload.id}"
    assert code_of(await http.get(path)) == (401, "unauthenticated")

    changed = await patch(http, upload.id, {"visibility": "public", "metadata": {"a": 1}})

    body = changed.json()
    assert (body["status"], body["visibility"], body["metadata"]) == ("pending", "public", {"a": 1})
    assert (await http.get(f"{IMAGES}?status=pending", headers=OWNER)).json()["items"] == [body]
    assert code_of(await http.get(path)) == (409, "not_ready")
    assert code_of(await http.get(path, headers=STRANGER)) == (409, "not_ready")
    await completed(service, upload, await received(service, upload))
    await service.process(upload.id)
    assert (await http.get(path, headers={"prefer": "wait=10"})).status_code == 200
    done = (await http.get(f"{path}/status", headers=OWNER)).json()
    assert (done["status"], done["visibility"], done["metadata"]) == ("processed", "public", {"a": 1})


async def test_who_waits_for_a_picture_sees_it_only_while_it_is_public(http: httpx2.AsyncClient, service: Service) -> None:
    image_id = await service.upload(DATA)
    await publish(http, image_id)
    assert code_of(await http.get(f"{IMAGES}/{image_id}")) == (409, "not_ready")
    await patch(http, image_id, {"visibility": "private"})
    await service.process(image_id)

    assert code_of(await http.get(f"{IMAGES}/{image_id}", headers={"prefer": "wait=5"})) == (401, "unauthenticated")


async def test_a_retry_and_a_new_rendition_leave_the_visibility(http: httpx2.AsyncClient, service: Service) -> None:
    image_id = await processed(service)
    await publish(http, image_id)

    more = await http.post(f"{IMAGES}/{image_id}/renditions", json={"name": "m", "processing": "resize:9x9"}, headers=OWNER)
    await service.process(image_id)

    assert more.json()["visibility"] == "public"
    assert (await http.get(f"{IMAGES}/{image_id}?rendition=m")).status_code == 200


async def test_where_nobody_needs_a_credential_everything_is_the_anonymous_owners(service: Service, listener: Listener) -> None:
    image_id = await processed(service)
    async with api_over(service, listener) as http:
        assert (await http.get(f"{IMAGES}/{image_id}")).headers["cache-control"] == PRIVATE_CACHE
        await publish(http, image_id)
        assert (await http.get(f"{IMAGES}/{image_id}")).headers["cache-control"] == PUBLIC_CACHE
        assert (await http.get(f"{IMAGES}/{image_id}/original")).status_code == 200
