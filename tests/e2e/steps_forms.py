"""Steps of somebody who looks closely at what comes back of a form: names, metadata, and chains in each notation."""

import json
from collections.abc import Callable
from urllib.parse import quote

from tests import pictures
from tests.e2e.deployment import IMAGES, Deployment


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
        assert headers["content-disposition"] == f"inline; filename*=UTF-8''{quote(sent['original']['filename'], safe='')}"
        assert "x-evil" not in headers
        service.settled(sent["original"]["url"].removesuffix("/original"))


STEPS: list[Callable[[Deployment], None]] = [
    metadata_come_back_text_for_text,
    a_file_name_comes_back_as_it_was_sent_and_in_no_header_as_it_is,
]
