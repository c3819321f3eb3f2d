"""Steps of somebody who looks closely at what comes back of a form: names, metadata, and chains in each notation."""

import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from tests import pictures
from tests.e2e.deployment import IMAGES, Deployment
from tests.e2e.steps_refusals import check_problem


def metadata_come_back_text_for_text(service: Deployment) -> None:
    """In the upload's answer, the status and the list: no number changes its form, and 7.7 KB do not become 333."""
    many = json.dumps({"many": ["1e300"] * 1100}).replace('"1e300"', "1e300")
    for text in ('{ "a" : [1e300,1.0, -0,\r\n1.10], "a":"\\u00e9\u00e9"}', many):
        sent = service.http.post(IMAGES, files={"image": ("a.jpg", pictures.jpeg())}, data={"metadata": text})
        path, kept = sent.headers["location"], f'"metadata":{text},'.encode()
        answers = [sent, service.http.get(f"{path}/status"), service.http.get(IMAGES, params={"limit": "1"})]
        assert [answer.content.count(kept) for answer in answers] == [1, 1, 1]
        service.settled(path)


def a_file_name_comes_back_as_it_was_sent_and_in_no_header_as_it_is(service: Deployment) -> None:
    for name in ('caf\u00e9 "1"; \u202fAM\u200f\r\nX-Evil: yes.jpg', "\u00e9" * 251 + ".jpg"):
        sent = service.http.post(IMAGES, files={"image": (name, pictures.jpeg())}).json()
        assert sent["original"]["filename"] == name.replace("\r\n", "")
        headers = service.http.get(sent["original"]["url"]).headers
        plain, exact = headers["content-disposition"].removeprefix("inline; filename=").split("; filename*=UTF-8''")
        assert exact == quote(sent["original"]["filename"], safe="")
        assert re.fullmatch(r'"[ !#$&-.0-\[\]-~]*"', plain), plain
        assert "x-evil" not in headers
        service.settled(sent["original"]["url"].removesuffix("/original"))


def a_chain_is_a_text_or_a_list_in_forms_and_in_json(service: Deployment) -> None:
    objects = [{"op": "resize", "size": "20x20"}, {"op": "grayscale"}]
    notations: list[Any] = ["resize:20x20|grayscale", ["resize:20x20", "grayscale"], ["resize:20x20|grayscale"], objects]
    for chain in notations:
        text = chain if isinstance(chain, str) else json.dumps(chain)
        data = {"processing": text, "renditions": json.dumps({"named": chain})}
        path = service.http.post(IMAGES, files={"image": ("a.jpg", pictures.jpeg())}, data=data).headers["location"]
        asked = service.http.post(f"{path}/renditions", json={"name": "more", "processing": chain})
        assert asked.status_code == 202, asked.text
        made = service.settled(path)["renditions"]
        assert {rendition["processing"] for rendition in made} == {"resize:20x20|grayscale"}
        assert [(rendition["name"], rendition["status"]) for rendition in made] == [
            (name, "processed") for name in ("default", "named", "more")
        ]
        assert made[0]["requested"] == text
        assert [rendition["stale"] for rendition in made] == [False] * 3
        again = service.http.post(f"{path}/renditions", json={"name": "more", "processing": "resize:20x20|grayscale"})
        assert again.status_code == 200


def a_fault_in_a_list_is_pointed_at(service: Deployment) -> None:
    wrong = '["flip" , "resize:20x20|graiscale"]'
    image = {"image": ("a.jpg", pictures.jpeg())}
    path = service.processed(pictures.jpeg())
    answers = [
        service.http.post(IMAGES, files=image, data={"processing": wrong}),
        service.http.post(IMAGES, files=image, data={"renditions": f'{{"small":{wrong}}}'}),
        service.http.post(f"{path}/renditions", content=f'{{"name": "small", "processing": {wrong}}}'),
    ]
    for answer in answers:
        problem = check_problem(answer, 422, "invalid_processing")
        assert problem["position"] == wrong.index("graiscale")
        assert "Item 2: There is no operation `graiscale`. Did you mean `grayscale`?" in problem["detail"]
    assert answers[1].json()["detail"].startswith("Rendition 'small': ")
    for body in (
        '{"name": "small"}',
        '{"name": "small", "processing": 1}',
        '{"name": "small", "processing": "flip", "more": 1}',
        "",
    ):
        check_problem(service.http.post(f"{path}/renditions", content=body), 400, "invalid_request")
    check_problem(service.http.post(f"{path}/renditions", content=" " * 70_000), 413, "payload_too_large")


def the_same_request_in_another_dress_is_the_same_request(service: Deployment) -> None:
    """For an Idempotency-Key: blank parts, a chain's notation, and the white space and order of metadata make no difference."""
    image, key = ("a.jpg", pictures.jpeg()), {"idempotency-key": str(uuid4())}
    plain = {"processing": "flip|flop", "metadata": '{"a": 1, "b": 2.50}'}
    dressed = {
        "processing": '["flip", "flop"]',
        "metadata": '{"b":25e-1, "a":1}',
        "renditions": " ",
        "_charset_": "UTF-8",
        "name": "a",
    }
    first, again, other = (
        service.http.post(IMAGES, files={"image": image}, data=data, headers=key)
        for data in (plain, dressed, {**plain, "metadata": '{"a": 1, "b": 2.51}'})
    )
    assert (first.status_code, again.status_code, again.content) == (201, 201, first.content)
    check_problem(other, 422, "idempotency_conflict")
    service.settled(first.headers["location"])


STEPS: list[Callable[[Deployment], None]] = [
    metadata_come_back_text_for_text,
    a_file_name_comes_back_as_it_was_sent_and_in_no_header_as_it_is,
    a_chain_is_a_text_or_a_list_in_forms_and_in_json,
    a_fault_in_a_list_is_pointed_at,
    the_same_request_in_another_dress_is_the_same_request,
]
