"""Steps of somebody who sends what can't be taken: each gets its own answer, and leaves nothing."""

import json
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import httpx2
from msgspec import Struct

from tests import pictures
from tests.e2e.deployment import IMAGES, Deployment
from tests.e2e.wire import BOUNDARY, FORM, Wire, closing, opening

Step = Callable[[Deployment], None]


class Refusal(Struct, frozen=True):
    """An upload's parts, and the status and code that it must get."""

    name: str
    parts: list[tuple[str, Any]]
    status: int
    code: str


def _picture(**fields: str) -> list[tuple[str, Any]]:
    """A good picture with these other parts."""
    return [("image", ("a.jpg", pictures.jpeg())), *[(name, (None, text)) for name, text in fields.items()]]


REFUSALS = [
    Refusal("an empty file", [("image", ("a.jpg", b""))], 422, "invalid_image"),
    Refusal("a file input without a file", [("image", (None, b""))], 400, "invalid_request"),
    Refusal("a text named jpg", [("image", ("a.jpg", b"This is no picture.\n" * 50))], 415, "unsupported_media_type"),
    Refusal("no image", [("processing", (None, "resize:10x10"))], 400, "invalid_request"),
    Refusal("two images", [*_picture(), *_picture()], 400, "invalid_request"),
    Refusal("an unknown part", _picture(colour="blue"), 400, "invalid_request"),
    Refusal("metadata twice", [*_picture(metadata="{}"), ("metadata", (None, "{}"))], 400, "invalid_request"),
    Refusal("an unknown operation", _picture(processing="resize:10x10|explode"), 422, "invalid_processing"),
    Refusal("a size of nothing", _picture(processing="resize:0x0"), 422, "invalid_processing"),
    Refusal("a size beyond reason", _picture(processing="resize:99999999x1"), 422, "invalid_processing"),
    Refusal("an empty chain", _picture(processing="[]"), 422, "invalid_processing"),
    Refusal("a bad chain by name", _picture(renditions='{"a": "blur:nothing"}'), 422, "invalid_processing"),
    Refusal("renditions of broken JSON", _picture(renditions='{"a": '), 400, "invalid_request"),
    Refusal("renditions that are a list", _picture(renditions='["resize:10x10"]'), 400, "invalid_request"),
    Refusal("a bad name", _picture(renditions='{"../a": "resize:10x10"}'), 400, "invalid_request"),
    Refusal("metadata of broken JSON", _picture(metadata="{"), 400, "invalid_request"),
    Refusal("metadata that is a list", _picture(metadata="[]"), 400, "invalid_request"),
    Refusal("too much metadata", _picture(metadata=json.dumps({"a": "b" * 9000})), 413, "payload_too_large"),
    Refusal("too many pixels", [("image", ("a.png", pictures.huge_header_png(60_000, 60_000)))], 422, "image_too_large"),
]

BROKEN = {
    "jpeg": lambda: pictures.cut(pictures.photo_jpeg(400, 300)),
    "png": lambda: pictures.cut(bytes(pictures.photo(400, 300).pngsave_buffer())),
    "webp": lambda: pictures.cut(bytes(pictures.photo(400, 300).webpsave_buffer())),
    "gif": lambda: pictures.cut(bytes(pictures.photo(400, 300).gifsave_buffer())),
    "tiff": lambda: pictures.cut(pictures.header_first_tiff(400, 300)),
}


def check_problem(response: httpx2.Response, status: int, code: str) -> dict[str, Any]:
    assert (response.status_code, response.headers["content-type"]) == (status, "application/problem+json"), response.text
    problem: dict[str, Any] = response.json()
    assert (problem["code"], problem["status"]) == (code, status)
    assert problem["detail"]
    assert problem["request_id"] == response.headers["x-request-id"]
    return problem


def _refused(refusal: Refusal) -> Step:
    def step(service: Deployment) -> None:
        with service.leaves_nothing():
            check_problem(service.http.post(IMAGES, files=refusal.parts), refusal.status, refusal.code)

    step.__name__ = f"{refusal.name.replace(' ', '_')}_is_refused"
    return step


def _truncated(kind: str, picture: Callable[[], bytes]) -> Step:
    def step(service: Deployment) -> None:
        path = service.upload(picture(), name=f"cut.{kind}", processing="resize:50x50")
        image = service.settled(path)
        assert (image["status"], image["error"]["code"]) == ("failed", "invalid_image")
        check_problem(service.http.get(path), 409, "processing_failed")
        assert service.http.get(f"{path}/original").status_code == 200
        assert not [key for key in service.objects() if key.startswith("renditions/") and path.rpartition("/")[2] in key]
        assert service.http.post(f"{path}/retry").status_code == 202
        assert service.settled(path)["status"] == "failed"

    step.__name__ = f"a_truncated_{kind}_ends_failed"
    return step


def bad_requests_get_problems(service: Deployment) -> None:
    nobody = f"{IMAGES}/{uuid4()}"
    malformed = service.http.get(f"{IMAGES}/not-an-id/status")
    unknown = service.http.get(f"{nobody}/status")
    told = [check_problem(response, 404, "not_found") | {"request_id": ""} for response in (malformed, unknown)]
    assert told[0] == told[1]
    for query in ({"cursor": "nonsense"}, {"limit": "0"}, {"limit": "201"}, {"limit": "many"}, {"status": "lost"}):
        check_problem(service.http.get(IMAGES, params=query), 400, "invalid_request")
    check_problem(service.http.get("/api/v1/nothing"), 404, "not_found")
    check_problem(service.http.put(IMAGES), 405, "method_not_allowed")
    check_problem(service.http.post(f"{nobody}/retry"), 404, "not_found")
    check_problem(service.http.post(f"{nobody}/renditions", content=b"{"), 400, "invalid_request")


def an_unknown_operation_is_pointed_at(service: Deployment) -> None:
    response = service.http.post(IMAGES, files=_picture(processing="resize:10x10|explode:3"))
    assert check_problem(response, 422, "invalid_processing")["position"] == 13


def a_body_announced_too_large_is_refused_at_once(service: Deployment) -> None:
    limit = service.http.get("/api/v1/limits").json()["limits"]["max_upload_bytes"]
    with service.leaves_nothing(), Wire(service.place, service.authorization) as wire:
        wire.post(IMAGES, {"content-type": FORM, "content-length": str(limit + 2**20)}, opening())
        answer = wire.answer()
    assert (answer.status, answer.json()["code"]) == (413, "payload_too_large")


def what_the_headers_tell_is_answered_before_a_100(service: Deployment) -> None:
    """A client that asks with `Expect: 100-continue` sends no byte of a body that will be refused."""
    good, json_body = {"content-type": FORM, "content-length": "1000"}, {"content-type": "application/json"}
    cases = [
        (IMAGES, good, 100),
        (IMAGES, good | {"content-length": str(2**30)}, 413),
        (IMAGES, good | {"content-type": "text/plain"}, 400),
        (IMAGES, good | {"idempotency-key": "x" * 256}, 400),
        (f"{IMAGES}?unknown=1", good, 400),
        (f"{IMAGES}/{uuid4()}/renditions", json_body | {"content-length": str(2**20)}, 413),
        ("/api/v1/nothing", good, 404),
        ("/api/v1/limits", good, 405),
    ]
    for path, headers, status in cases:
        with Wire(service.place, service.authorization) as wire:
            wire.post(path, headers | {"expect": "100-continue"}, b"")
            assert wire.first_status() == status, (path, headers)


def a_body_that_grows_too_large_is_refused(service: Deployment) -> None:
    limit = service.http.get("/api/v1/limits").json()["limits"]["max_upload_bytes"]
    start = pictures.jpeg()

    def body() -> Iterator[bytes]:  # without a length it is sent in chunks
        yield opening() + start
        for _ in range(limit // 2**16 + 1):
            yield bytes(2**16)
        yield closing()

    with service.leaves_nothing():
        response = service.http.post(IMAGES, content=body(), headers={"content-type": FORM})
        check_problem(response, 413, "payload_too_large")


def a_form_with_too_much_around_its_parts_is_refused(service: Deployment) -> None:
    """What stands before the first boundary and behind the last one is no part, but it is bytes all the same."""
    limit = service.http.get("/api/v1/limits").json()["limits"]["max_upload_bytes"]
    whole = opening() + pictures.jpeg() + closing()

    def flood() -> Iterator[bytes]:
        for _ in range(limit // 2**16 + 8):
            yield bytes(2**16)

    def before() -> Iterator[bytes]:
        yield from flood()
        yield whole

    def behind() -> Iterator[bytes]:
        yield whole
        yield from flood()

    for body in (before, behind):
        with service.leaves_nothing():
            response = service.http.post(IMAGES, content=body(), headers={"content-type": FORM})
            check_problem(response, 413, "payload_too_large")


def a_form_that_is_cut_is_refused(service: Deployment) -> None:
    with service.leaves_nothing():
        cut = opening() + pictures.jpeg()
        check_problem(service.http.post(IMAGES, content=cut, headers={"content-type": FORM}), 400, "invalid_request")
        unnamed = service.http.post(IMAGES, content=b"x", headers={"content-type": f"text/plain; boundary={BOUNDARY}"})
        check_problem(unnamed, 400, "invalid_request")


def a_client_that_hangs_up_leaves_nothing(service: Deployment) -> None:
    """Once while all is in memory, and once when parts of it are in the store already."""
    for sent in (2**20, 10 * 2**20):
        request_id = f"hang-up-{uuid4()}"
        headers = {"content-type": FORM, "content-length": str(11 * 2**20), "x-request-id": request_id}
        with service.leaves_nothing():
            with Wire(service.place, service.authorization) as wire:
                wire.post(IMAGES, headers, opening() + pictures.jpeg() + bytes(sent))
            service.until_logged(request_id=request_id, status=499)
    it_still_works(service)


def it_still_works(service: Deployment) -> None:
    service.processed(pictures.jpeg())


STEPS: list[Step] = [
    *map(_refused, REFUSALS),
    an_unknown_operation_is_pointed_at,
    bad_requests_get_problems,
    a_body_announced_too_large_is_refused_at_once,
    what_the_headers_tell_is_answered_before_a_100,
    a_body_that_grows_too_large_is_refused,
    a_form_with_too_much_around_its_parts_is_refused,
    a_form_that_is_cut_is_refused,
    a_client_that_hangs_up_leaves_nothing,
    *[_truncated(kind, picture) for kind, picture in BROKEN.items()],
]
