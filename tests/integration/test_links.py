"""Signed links over HTTP, with identities: what they open, what they never open, and when they end."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from msgspec.structs import replace

from internal.api.schemas import PREFIX
from internal.identity.links import LinkSigner
from internal.identity.settings import LinkKey
from internal.postgres.listener import Listener
from tests import pictures
from tests.integration.api import (
    AUTHENTICATOR,
    LINKS,
    MAX_LINK_SECONDS,
    OWNER,
    PRIVATE_CACHE,
    READER,
    STRANGER,
    api_over,
    settings,
)
from tests.integration.service import Service
from tests.integration.statements import sent_statements
from tests.integration.test_intake import completed, prepared, received

IMAGES = f"{PREFIX}/images"
DATA = pictures.exif_jpeg()


@pytest.fixture
async def http(service: Service, listener: Listener) -> AsyncIterator[httpx2.AsyncClient]:
    async with api_over(service, listener, authenticator=AUTHENTICATOR, links=LINKS) as client:
        yield client


async def link_to(http: httpx2.AsyncClient, image_id: object, **asked: Any) -> str:
    """A link for an hour, if nothing else is asked."""
    answer = await http.post(f"{IMAGES}/{image_id}/links", json={"expires_in": 3600, **asked}, headers=READER)
    assert answer.status_code == 201, answer.text
    url: str = answer.json()["url"]
    return url


async def processed(service: Service, **renditions: str) -> str:
    image_id = await service.upload(DATA, renditions=renditions or None)
    await service.process(image_id)
    return str(image_id)


def code_of(answer: httpx2.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def test_a_link_opens_one_rendition_without_a_credential(http: httpx2.AsyncClient, service: Service) -> None:
    image_id = await processed(service, tiny="resize:8x8")
    asked = {"rendition": "tiny", "expires_in": 60}

    made = await http.post(f"{IMAGES}/{image_id}/links", json=asked, headers=READER)

    url, expires_at = made.json()["url"], datetime.fromisoformat(made.json()["expires_at"])
    assert (made.status_code, made.headers["cache-control"]) == (201, "no-store")
    assert re.fullmatch(rf"{IMAGES}/{image_id}\?rendition=tiny&expires=\d+&kid=new&sig=[\w-]{{43}}", url)
    assert f"expires={int(expires_at.timestamp())}&" in url
    assert 55 < (expires_at - datetime.now(UTC)).total_seconds() <= 60
    own = await http.get(f"{IMAGES}/{image_id}?rendition=tiny", headers=OWNER)
    shown = await http.get(url)
    assert (shown.status_code, shown.content) == (200, own.content)
    same = ("etag", "last-modified", "content-type", "content-disposition", "content-security-policy")
    assert {name: shown.headers[name] for name in same} == {name: own.headers[name] for name in same}
    assert shown.headers["cache-control"] == PRIVATE_CACHE
    assert [answer.headers["cross-origin-resource-policy"] for answer in (shown, own)] == ["cross-origin", "same-origin"]


async def test_head_ranges_and_conditions_work_through_a_link(http: httpx2.AsyncClient, service: Service) -> None:
    url = await link_to(http, await processed(service), rendition="original")

    whole, head = await http.get(url), await http.head(url)
    part = await http.get(url, headers={"range": "bytes=2-5"})
    known = await http.get(url, headers={"if-none-match": whole.headers["etag"]})
    other = await http.get(url, headers={"if-match": '"other"'})
    outside = await http.get(url, headers={"range": f"bytes={len(DATA)}-"})

    assert (whole.status_code, whole.content) == (200, DATA)
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(len(DATA)))
    assert (part.status_code, part.content) == (206, DATA[2:6])
    assert (known.status_code, known.content) == (304, b"")
    assert [code_of(answer) for answer in (other, outside)] == [(412, "precondition_failed"), (416, "range_not_satisfiable")]


@pytest.mark.parametrize("rendition", ["default", "original"])
async def test_a_link_says_whether_the_picture_is_saved(http: httpx2.AsyncClient, service: Service, rendition: str) -> None:
    image_id = await processed(service)

    for disposition in ("inline", "attachment"):
        answer = await http.get(await link_to(http, image_id, rendition=rendition, disposition=disposition))
        assert answer.headers["content-disposition"].startswith(f'{disposition}; filename="picture')
        path = f"{IMAGES}/{image_id}{'/original' if rendition == 'original' else ''}"
        own = await http.get(f"{path}?disposition={disposition}", headers=OWNER)
        assert own.headers["content-disposition"] == answer.headers["content-disposition"]
    for bad in ("form-data", "", "null", "Inline", "attachment%0d%0aset-cookie:%20a=b"):
        refused = await http.get(f"{path}?disposition={bad}", headers=OWNER)
        assert code_of(refused) == (400, "invalid_request"), bad


async def test_a_link_to_one_picture_opens_no_other(http: httpx2.AsyncClient, service: Service) -> None:
    image_id, other = await processed(service, tiny="resize:8x8", big="resize:16x16"), await processed(service)
    url = await link_to(http, image_id, rendition="tiny")
    query = url.partition("?")[2]

    for target in (
        url.replace("tiny", "big"),
        url.replace("rendition=tiny&", ""),
        url.replace(image_id, other),
        url.replace(image_id, str(uuid4())),
        f"{IMAGES}/{image_id}/original?{query}",
        f"{IMAGES}/{image_id}/original?{query.replace('rendition=tiny&', '')}",
        url.replace(image_id, image_id.upper()),
    ):
        assert code_of(await http.get(target)) == (403, "link_invalid"), target
        assert (await http.head(target)).status_code == 403
    for method, path in (
        ("GET", "/status"),
        ("DELETE", ""),
        ("PATCH", ""),
        ("POST", "/links"),
        ("POST", "/retry"),
    ):
        answer = await http.request(method, f"{IMAGES}/{image_id}{path}?{query}")
        assert answer.status_code == 401, (method, path)
    assert (await http.get(f"{IMAGES}?{query}")).status_code == 401


async def test_a_link_keeps_to_the_rendition_that_it_was_made_for(http: httpx2.AsyncClient, service: Service) -> None:
    """The only one is what a link without a name means; it does not become the link to a later `default`."""
    image_id = await service.upload(DATA, processing=None, renditions={"tiny": "resize:8x8"})
    await service.process(image_id)
    url = await link_to(http, image_id)
    before = (await http.get(url)).content
    async with service.repository.transaction() as work:
        await service.ask(work, image_id, "default", "resize:16x16")
    await service.process(image_id)

    assert "rendition=tiny&" in url
    assert (await http.get(url)).content == before
    assert "rendition=default&" in await link_to(http, image_id)


async def test_a_link_tells_nothing_about_an_image(
    http: httpx2.AsyncClient, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Forged, of a removed key: the same bytes for any image, and nothing is looked up."""
    image_id = await processed(service)
    url = await link_to(http, image_id, rendition="original")
    forged = [url[:-4] + "AAAA", url.replace("kid=new", "kid=gone"), url.replace("expires=1", "expires=2")]
    asked = sent_statements(monkeypatch)
    told = set()
    for target in forged:
        for instead in (image_id, str(uuid4())):
            answer = await http.get(target.replace(image_id, instead), headers={"x-request-id": "same"})
            told.add((answer.status_code, answer.content, str(sorted(answer.headers.items()))))

    assert [status for status, *_ in told] == [403]
    assert asked == []
    assert (await http.get(url)).status_code == 200
    assert len(asked) == 1, "one statement, as with a credential"


async def test_a_link_dies_with_its_key(http: httpx2.AsyncClient, service: Service, listener: Listener) -> None:
    image_id = await processed(service)
    rotated = replace(LINKS, keys=(LinkKey("newest", bytes(range(1, 33))), LINKS.keys[0]))
    url = await link_to(http, image_id)

    for links, status in ((rotated, 200), (replace(rotated, keys=rotated.keys[:1]), 403), (LinkSigner(), 403)):
        async with api_over(service, listener, authenticator=AUTHENTICATOR, links=links) as later:
            assert (await later.get(url)).status_code == status
            if links.keys:
                assert "kid=newest&" in await link_to(later, image_id)


async def test_a_link_dies_with_its_image(http: httpx2.AsyncClient, service: Service) -> None:
    """The signature is right, so that it tells its bearer nothing new: 404, as of any deleted image."""
    image_id = await service.upload(DATA)
    await service.process(image_id)
    urls = [await link_to(http, image_id, rendition=name) for name in ("default", "original")]
    await service.delete(image_id)

    assert [code_of(await http.get(url)) for url in urls] == [(404, "not_found")] * 2


async def test_a_link_to_a_rendition_that_is_gone_is_not_found(http: httpx2.AsyncClient, service: Service) -> None:
    image_id = await processed(service, tiny="resize:8x8")
    url = await link_to(http, image_id, rendition="tiny")
    await service.session.run("DELETE FROM renditions WHERE name = 'tiny'")

    assert code_of(await http.get(url)) == (404, "not_found")


async def test_a_link_waits_for_a_picture_that_is_pending(http: httpx2.AsyncClient, service: Service) -> None:
    upload = await prepared(service)
    url, original = await link_to(http, upload.id), await link_to(http, upload.id, rendition="original")
    for target in (url, original):
        assert code_of(await http.get(target)) == (409, "not_ready")
    assert code_of(await http.get(url, headers={"prefer": "wait=1"})) == (409, "not_ready")

    await completed(service, upload, await received(service, upload))
    await service.process(upload.id)

    assert (await http.get(url, headers={"prefer": "wait=10"})).status_code == 200
    assert (await http.get(original)).status_code == 200


async def test_a_rendition_called_original_is_not_mistaken_for_the_upload(http: httpx2.AsyncClient, service: Service) -> None:
    """The upload says where it was taken, and the rendition does not: a link to the wrong one of them can't be taken back."""
    image_id = await processed(service, original="resize:8x8")
    path = f"{IMAGES}/{image_id}/links"

    refused = await http.post(path, json={"expires_in": 60, "rendition": "original"}, headers=READER)

    assert code_of(refused) == (400, "invalid_request")
    assert (await http.get(await link_to(http, image_id))).content != DATA, "without a name it is the only rendition"


async def test_who_may_make_links(http: httpx2.AsyncClient, service: Service) -> None:
    image_id, body = await processed(service), {"expires_in": 60}
    for headers, status in ((READER, 201), (OWNER, 201), ({}, 401), ({"x-api-key": "imgp_other"}, 401)):
        assert (await http.post(f"{IMAGES}/{image_id}/links", json=body, headers=headers)).status_code == status
    same = {**STRANGER, "x-request-id": "same"}
    of_another, of_none = [await http.post(f"{IMAGES}/{i}/links", json=body, headers=same) for i in (image_id, uuid4())]

    assert (of_another.status_code, of_another.content) == (404, of_none.content)


@pytest.mark.parametrize(
    ("body", "status", "word"),
    [
        ({}, 400, "expires_in"),
        ({"expires_in": 0}, 400, "expires_in"),
        ({"expires_in": -1}, 400, "expires_in"),
        ({"expires_in": 1.5}, 400, "expires_in"),
        ({"expires_in": "60"}, 400, "expires_in"),
        ({"expires_in": None}, 400, "expires_in"),
        ({"expires_in": MAX_LINK_SECONDS + 1}, 400, "at most 604800 seconds"),
        ({"expires_in": 10**30}, 400, "expires_in"),
        ({"expires_in": 60, "disposition": "form-data"}, 400, "disposition"),
        ({"expires_in": 60, "rendition": 1}, 400, "rendition"),
        ({"expires_in": 60, "owner": "me"}, 400, "owner"),
        ({"expires_in": 60, "rendition": "other"}, 404, "no rendition of this name"),
        ({"expires_in": 60, "rendition": ""}, 404, "no rendition of this name"),
        ([], 400, "object"),
    ],
)
async def test_a_bad_request_for_a_link(http: httpx2.AsyncClient, service: Service, body: Any, status: int, word: str) -> None:
    answer = await http.post(f"{IMAGES}/{await processed(service)}/links", json=body, headers=READER)

    assert answer.status_code == status
    assert word in answer.json()["detail"]


async def test_the_longest_link_is_made(http: httpx2.AsyncClient, service: Service) -> None:
    assert (await http.get(await link_to(http, await processed(service), expires_in=MAX_LINK_SECONDS))).status_code == 200


async def test_several_renditions_and_no_default_want_a_name(http: httpx2.AsyncClient, service: Service) -> None:
    image_id = await service.upload(DATA, processing=None, renditions={"a": "resize:8x8", "b": "resize:9x9"})

    answer = await http.post(f"{IMAGES}/{image_id}/links", json={"expires_in": 60}, headers=READER)

    assert code_of(answer) == (400, "invalid_request")
    assert "a, b" in answer.json()["detail"]


async def test_without_a_key_links_are_refused(service: Service, listener: Listener) -> None:
    async with api_over(service, listener, authenticator=AUTHENTICATOR) as http:
        answer = await http.post(f"{IMAGES}/{await processed(service)}/links", json={"expires_in": 60}, headers=READER)

    assert code_of(answer) == (403, "links_disabled")
    assert "LINK_KEYS" in answer.json()["detail"]


@pytest.mark.parametrize("public_url", ["https://images.example.com", "https://example.com:8443/pictures/"])
async def test_a_link_is_absolute_where_clients_reach_the_api(service: Service, listener: Listener, public_url: str) -> None:
    image_id = await processed(service)
    state = {"authenticator": AUTHENTICATOR, "links": LINKS, "settings": settings(public_url)}
    async with api_over(service, listener, **state) as http:
        url = await link_to(http, image_id)

        base = public_url.rstrip("/")
        assert url.startswith(f"{base}{IMAGES}/{image_id}?rendition=default&expires=")
        assert (await http.get(url.removeprefix(base))).status_code == 200


async def test_links_work_where_nobody_needs_a_credential(service: Service, listener: Listener) -> None:
    """AUTH_MODE=none: a link is still judged as a link."""
    async with api_over(service, listener, links=LINKS) as http:
        url = await link_to(http, await processed(service))

        assert (await http.get(url)).status_code == 200
        assert code_of(await http.get(url[:-4] + "AAAA")) == (403, "link_invalid")
