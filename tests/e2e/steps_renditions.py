"""Steps of somebody who asks for more than one file of a picture: by Accept, with a watermark, anew when a preset has changed."""

from collections.abc import Callable

from tests import pictures
from tests.e2e.deployment import Deployment
from tests.e2e.steps_refusals import check_problem
from tests.e2e.steps_use import shape


def the_first_decode_tells_of_the_original(service: Deployment) -> None:
    original = service.status(service.processed(pictures.alpha_png(60, 40)))["original"]
    assert (original["width"], original["height"], original["frames"], original["has_alpha"]) == (60, 40, 1, True)
    assert len(original["dominant_colour"]) == len("#rrggbb")
    assert original["thumbhash"]


def accept_chooses_between_two_files(service: Deployment) -> None:
    path = service.processed(pictures.photo_jpeg(600, 400), processing="resize:300x300|format:auto")
    (rendition,) = service.status(path)["renditions"]
    (other,) = rendition["alternatives"]
    assert (rendition["content_type"], other["content_type"]) == ("image/jpeg", "image/webp")
    assert (other["width"], other["height"]) == (300, 200)
    plain, modern = (service.http.get(path, headers={"accept": accept}) for accept in ("*/*", "image/webp,*/*;q=0.8"))
    for answer, told in ((plain, rendition), (modern, other)):
        assert (answer.headers["content-type"], len(answer.content)) == (told["content_type"], told["size"])
        assert answer.headers["vary"] == "accept"
        assert shape(answer.content) == (300, 200)
    assert plain.headers["etag"] != modern.headers["etag"]
    known = {"accept": "image/webp", "if-none-match": modern.headers["etag"]}
    again = service.http.get(path, headers=known)
    assert (again.status_code, again.headers["vary"]) == (304, "accept")
    assert service.http.get(path, headers={**known, "accept": "image/*"}).status_code == 200  # it is the other file's tag
    head = service.http.head(path, headers={"accept": "image/webp"})
    assert (head.headers["etag"], head.headers["vary"]) == (modern.headers["etag"], "accept")
    assert "vary" not in service.http.get(f"{path}/original").headers


def a_watermark_is_an_image_of_ones_own(service: Deployment) -> None:
    mark = service.processed(pictures.alpha_png(20, 10)).rpartition("/")[2]
    path = service.processed(
        pictures.jpeg(), processing=f"watermark:{mark},gravity=northeast", renditions='{"plain": "resize:64x48"}'
    )
    marked, plain = (service.http.get(path, params={"rendition": name}).content for name in ("default", "plain"))
    assert shape(marked) == shape(plain)
    assert marked != plain
    nobody = {"name": "more", "processing": f"watermark:{path.rpartition('/')[2][:-4]}0000"}
    problem = check_problem(service.http.post(f"{path}/renditions", json=nobody), 422, "invalid_processing")
    assert nobody["processing"].removeprefix("watermark:") in problem["detail"]


def a_stale_rendition_is_made_anew(service: Deployment) -> None:
    path = service.processed(pictures.jpeg(), renditions='{"thumb": "preset:thumb"}')
    changed = "UPDATE renditions SET pipeline = 'resize:9x9' WHERE image_id = %s RETURNING 1"
    assert service.rows(changed, path.rpartition("/")[2])  # as if the preset had been that when it was made
    (stale,) = service.status(path)["renditions"]
    assert (stale["stale"], stale["requested"], stale["processing"]) == (True, "preset:thumb", "resize:9x9")
    before = service.http.get(path)
    again = service.http.post(f"{path}/renditions", json={"name": "thumb", "processing": "preset:thumb"})
    assert again.status_code == 202
    (waiting,) = again.json()["renditions"]
    assert (waiting["stale"], waiting["size"]) == (False, len(before.content))
    assert service.http.get(path).status_code == 200  # the old bytes, or the new ones already
    assert service.settled(path)["status"] == "processed"
    assert service.http.get(path).headers["etag"] == before.headers["etag"]  # the same bytes again, out of another object
    assert service.http.post(f"{path}/renditions", json={"name": "thumb", "processing": "preset:thumb"}).status_code == 200


STEPS: list[Callable[[Deployment], None]] = [
    the_first_decode_tells_of_the_original,
    accept_chooses_between_two_files,
    a_watermark_is_an_image_of_ones_own,
    a_stale_rendition_is_made_anew,
]
