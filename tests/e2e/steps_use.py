"""Steps of somebody who uses the service as it is meant: upload, wait, fetch, ask for more, delete."""

import json
from collections.abc import Callable
from uuid import uuid4

import httpx2
import pyvips

from tests import pictures
from tests.e2e.deployment import IMAGES, Deployment
from tests.services.waiting import wait_until


def shape(content: bytes) -> tuple[int, int]:
    """Width and height of a whole, readable picture."""
    picture = pyvips.Image.new_from_buffer(content, "", fail_on="warning")
    picture.avg()
    return picture.width, picture.height


def it_is_ready(service: Deployment) -> None:
    sound = {"status": "ok", "dependencies": {"database": "ok", "object_store": "ok", "queue": "ok"}}
    wait_until(lambda: service.http.get("/health").json() == sound, within=30)  # without its queue it is ready, but degraded
    assert service.http.get("/health/live").json() == {"status": "ok"}
    wait_until(lambda: service.worker_health() == 200, within=30)


def an_upload_is_processed(service: Deployment) -> None:
    response = service.http.post(
        IMAGES,
        files={"image": ("a photo.jpg", pictures.photo_jpeg(1200, 900))},
        data={"processing": "resize:300x300|grayscale", "metadata": json.dumps({"album": "e2e"})},
    )
    assert response.status_code == 201
    body = response.json()
    assert response.headers["location"] == f"{IMAGES}/{body['id']}"
    assert body["status"] == "uploaded"
    image = service.settled(response.headers["location"])
    assert (image["status"], image["error"], image["metadata"]) == ("processed", None, {"album": "e2e"})
    (rendition,) = image["renditions"]
    assert (rendition["name"], rendition["width"], rendition["height"]) == ("default", 300, 225)
    content = service.http.get(rendition["url"])
    assert len(content.content) == rendition["size"]
    assert content.headers["content-type"] == rendition["content_type"] == "image/jpeg"
    assert shape(content.content) == (300, 225)


def prefer_wait_answers_when_it_is_processed(service: Deployment) -> None:
    path = service.upload(pictures.photo_jpeg(2000, 1500), processing="resize:640x480")
    response = service.http.get(path, headers={"prefer": "wait=30"})
    assert (response.status_code, shape(response.content)) == (200, (640, 480))


def a_result_carries_no_exif_and_the_original_all_of_it(service: Deployment) -> None:
    original = pictures.exif_jpeg(orientation=6)
    path = service.processed(original, processing="resize:40x40")
    result = service.http.get(path).content
    assert pictures.GPS_MARK not in result
    assert b"Exif\0\0" not in result
    assert shape(result) == (40, 30)  # turned upright before the resize
    assert service.http.get(f"{path}/original").content == original


def every_kind_of_picture_is_processed(service: Deployment) -> None:
    kinds = {
        "image/jpeg": pictures.jpeg(),
        "image/png": pictures.alpha_png(),
        "image/webp": pictures.webp(),
        "image/gif": pictures.animated_gif(),
    }
    for kind, picture in [*kinds.items(), ("image/jpeg", pictures.tiff()), ("image/png", pictures.alpha_tiff())]:
        path = service.processed(picture, name="no-matter.bin")
        response = service.http.get(path)
        assert (response.status_code, response.headers["content-type"]) == (200, kind)
        shape(response.content)


def named_renditions_are_chosen_by_name(service: Deployment) -> None:
    asked = {"small": "resize:20x20", "webp": "format:webp", "turned": "rotate:90"}
    path = service.processed(pictures.jpeg(64, 48), renditions=json.dumps(asked))
    refusal = service.http.get(path)
    assert (refusal.status_code, refusal.json()["code"]) == (400, "invalid_request")
    assert all(name in refusal.json()["detail"] for name in asked)
    assert shape(service.http.get(path, params={"rendition": "small"}).content) == (20, 15)
    assert shape(service.http.get(path, params={"rendition": "turned"}).content) == (48, 64)
    assert service.http.get(path, params={"rendition": "webp"}).headers["content-type"] == "image/webp"
    assert service.http.get(path, params={"rendition": "none"}).status_code == 404


def images_are_listed_page_by_page(service: Deployment) -> None:
    paths = [service.processed(pictures.jpeg(8 + number, 8)) for number in range(3)]
    found: list[str] = []
    cursor = None
    while len(found) < 3:
        page = service.http.get(IMAGES, params={"limit": 2, **({"cursor": cursor} if cursor else {})}).json()
        found += [f"{IMAGES}/{image['id']}" for image in page["items"]]
        cursor = page["next_cursor"]
    assert found[:3] == paths[::-1]  # newest first
    processed = service.http.get(IMAGES, params={"status": "processed", "limit": 200}).json()["items"]
    assert set(paths) <= {f"{IMAGES}/{image['id']}" for image in processed}


def binaries_obey_ranges_and_conditions(service: Deployment) -> None:
    path = service.processed(pictures.photo_jpeg(600, 400))
    whole = service.http.get(path)
    part = service.http.get(path, headers={"range": "bytes=10-109"})
    assert (part.status_code, part.content) == (206, whole.content[10:110])
    assert part.headers["content-range"] == f"bytes 10-109/{len(whole.content)}"
    assert service.http.get(path, headers={"range": f"bytes={len(whole.content)}-"}).status_code == 416
    known = service.http.get(path, headers={"if-none-match": whole.headers["etag"]})
    assert (known.status_code, known.content) == (304, b"")
    head = service.http.head(path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(whole.content))
    assert head.headers["etag"] == whole.headers["etag"]
    ranged = service.http.head(path, headers={"range": "bytes=10-109"})
    assert (ranged.status_code, ranged.headers["content-length"]) == (200, str(len(whole.content)))
    for other in ({"if-match": '"other"'}, {"if-unmodified-since": "Sun, 06 Nov 1994 08:49:37 GMT"}):
        refused = service.http.get(path, headers=other)
        assert (refused.status_code, refused.json()["code"]) == (412, "precondition_failed")
    assert whole.headers["x-content-type-options"] == "nosniff"


def large_uploads_pass_in_parts(service: Deployment) -> None:
    picture = pictures.photo(2400, 1600).pngsave_buffer(compression=0)
    assert 9 * 2**20 < len(picture) < 12 * 2**20
    path = service.processed(bytes(picture), processing="resize:100x100|format:jpeg")
    assert service.http.get(f"{path}/original").content == picture
    assert shape(service.http.get(path).content) == (100, 67)


def an_idempotency_key_is_answered_once(service: Deployment) -> None:
    key = {"idempotency-key": f"journey-{uuid4()}"}

    def send(picture: bytes) -> httpx2.Response:
        return service.http.post(IMAGES, files={"image": ("a.jpg", picture)}, headers=key)

    first, again = send(pictures.jpeg()), send(pictures.jpeg())
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    other = send(pictures.jpeg(10, 10))
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_conflict")
    service.settled(first.headers["location"])


def renditions_are_added_and_retried(service: Deployment) -> None:
    path = service.processed(pictures.jpeg(), processing="resize:10x10")
    nothing = service.http.post(f"{path}/retry")
    assert (nothing.status_code, nothing.json()["code"]) == (409, "nothing_to_retry")
    wanted = {"name": "wide", "processing": "resize:30x"}
    assert service.http.post(f"{path}/renditions", json=wanted).status_code == 202
    assert service.settled(path)["status"] == "processed"
    assert shape(service.http.get(path, params={"rendition": "wide"}).content)[0] == 30
    assert service.http.post(f"{path}/renditions", json=wanted).status_code == 200
    other = service.http.post(f"{path}/renditions", json={**wanted, "processing": "resize:31x"})
    assert (other.status_code, other.json()["code"]) == (409, "rendition_exists")


def a_deleted_image_is_gone(service: Deployment) -> None:
    path = service.processed(pictures.jpeg())
    image_id = path.rpartition("/")[2]
    deleted = service.http.delete(path)
    assert (deleted.status_code, deleted.json()) == (200, {"message": "Image deleted successfully"})
    for gone in (path, f"{path}/status", f"{path}/original"):
        assert service.http.get(gone).status_code == 404
    assert service.http.delete(path).status_code == 404
    assert service.rows("SELECT 1 FROM images WHERE id = %s", image_id) == []
    listed = {key for (key,) in service.rows("SELECT key FROM unreferenced_objects WHERE key LIKE %s", f"%{image_id}%")}
    assert len(listed) == 2  # the original and the result are removed by the sweep


def a_delete_obeys_its_conditions(service: Deployment) -> None:
    """The tag is that of GET on the same path; a delete that does not fit changes nothing."""
    path = service.processed(pictures.jpeg(), renditions=json.dumps({"one": "resize:9x9", "two": "resize:8x8"}))
    tag = service.http.get(path, params={"rendition": "one"}).headers["etag"]
    for condition in ({"if-match": tag}, {"if-none-match": "*"}):  # GET on the path has no tag: there are two, and no default
        refused = service.http.delete(path, headers=condition)
        assert (refused.status_code, refused.json()["code"]) == (412, "precondition_failed")
    assert service.http.delete(path, headers={"if-match": "*"}).status_code == 200

    path = service.processed(pictures.jpeg(), processing="resize:9x9")
    tag = service.http.get(path).headers["etag"]
    for condition in ({"if-match": '"other"'}, {"if-match": f"W/{tag}"}, {"if-none-match": tag}):
        with service.leaves_nothing():
            assert service.http.delete(path, headers=condition).status_code == 412
    assert service.http.get(path).headers["etag"] == tag
    assert service.http.delete(path, headers={"if-match": f'"other", {tag}'}).status_code == 200
    assert service.http.delete(path, headers={"if-match": tag}).status_code == 404  # what is gone has no conditions


def json_is_kept_by_no_cache(service: Deployment) -> None:
    path = service.processed(pictures.jpeg())
    for asked in (f"{path}/status", IMAGES, "/api/v1/operations", "/api/v1/limits", "/health", f"{path[:-4]}beef/status"):
        assert service.http.get(asked).headers.get_list("cache-control") == ["no-store"], asked
    assert service.http.get(path).headers["cache-control"] == "private, no-cache"


def a_request_id_travels_to_the_worker(service: Deployment) -> None:
    request_id = f"journey-{uuid4()}"
    response = service.http.post(IMAGES, files={"image": ("a.jpg", pictures.jpeg())}, headers={"x-request-id": request_id})
    assert response.headers["x-request-id"] == request_id
    service.settled(response.headers["location"])
    service.until_logged(event="request", request_id=request_id, process="api")
    service.until_logged(event="rendition.processed", request_id=request_id, process="worker")


def it_describes_itself(service: Deployment) -> None:
    operations = {operation["name"]: operation for operation in service.http.get("/api/v1/operations").json()["operations"]}
    assert {"resize", "crop", "blur", "format"} <= operations.keys()
    assert all("parameters" in operation for operation in operations.values())
    limits = service.http.get("/api/v1/limits").json()
    assert limits["limits"]["max_upload_bytes"] > 0
    assert limits["sandbox"].keys() == {"memory_bytes", "cpu_seconds", "wall_seconds", "max_pictures", "landlock"}
    document = service.http.get("/openapi.json").json()
    assert document["openapi"].startswith("3.")
    assert {IMAGES, f"{IMAGES}/{{image_id}}", "/api/v1/operations"} <= document["paths"].keys()
    for page in ("/docs", "/redoc"):
        shown = service.http.get(page)
        assert (shown.status_code, shown.headers["content-type"].split(";")[0]) == (200, "text/html")
        assert "https://" not in shown.text  # nothing comes from elsewhere


def it_counts_what_it_does(service: Deployment) -> None:
    service.processed(pictures.jpeg(320, 240), processing="resize:50x50")

    said = service.api_metrics()
    assert 'http_requests_total{method="POST",route="/api/v1/images",status="201"}' in said
    own = ("upload_size_bytes_sum", "outbox_messages", "unreferenced_objects", "database_pool_connections", "circuit_open")
    _until_told(service.api_metrics, *own)
    workers = ("stage_duration_seconds_sum", "queue_lag_messages", "sandbox_decoders", "render_cpu_seconds_total")
    _until_told(service.worker_metrics, 'attempts_total{outcome="processed"}', *workers)


def _until_told(metrics: Callable[[], str], *names: str) -> None:
    """Each in some answer: what can't be asked in time is left out of one."""
    missing = set(names)

    def told() -> bool:
        said = metrics()
        missing.difference_update([name for name in names if f"\nimage_processor_{name}" in said])
        return not missing

    wait_until(told, within=60)


def nothing_in_work_is_left_over(service: Deployment) -> None:
    wait_until(lambda: not service.scratch(), within=30)
    assert service.rows("SELECT 1 FROM renditions WHERE status IN ('uploaded', 'processing')") == []
    wait_until(lambda: not service.rows("SELECT 1 FROM outbox WHERE due_at <= now()"), within=30)
