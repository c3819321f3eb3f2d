"""imagectl as a process: its output, its files, and its exit codes."""

import json
import subprocess
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest
import pyvips

from documents.picture import PICTURE, side_by_side
from tests import pictures
from tests.e2e import processes
from tests.e2e.deployment import Deployment
from tests.e2e.deployments import standalone, temporary_folder
from tests.services.proxy import Proxy, proxy_thread
from tests.services.reachable import free_port
from tests.services.waiting import wait_until

UUID_LENGTH = 36


def refusal(status: str, code: str) -> bytes:
    """A response that asks for a retry."""
    body = f'{{"status": {status[:3]}, "code": "{code}", "detail": "Busy."}}'
    head = f"HTTP/1.1 {status}\r\nretry-after: 1\r\nconnection: close\r\ncontent-length: {len(body)}\r\n\r\n"
    return f"{head}{body}".encode()


BUSY = refusal("503 Service Unavailable", "unavailable")
IN_PROGRESS = refusal("409 Conflict", "idempotency_in_progress")
NOT_READY = refusal("409 Conflict", "not_ready")


@pytest.fixture(scope="module")
def service() -> Iterator[Deployment]:
    with temporary_folder() as folder, standalone(folder) as (deployment, _):
        yield deployment


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "scene.jpg"
    path.write_bytes(pictures.exif_jpeg())
    return path


def imagectl(folder: Path, port: int, *words: object, **variables: object) -> subprocess.CompletedProcess[bytes]:
    """Run imagectl in `folder`, with the address from SERVER_PORT."""
    return processes.imagectl(folder, *words, SERVER_PORT=port, **variables)


def until_asked_again(proxy: Proxy, asked: int, asking: Future[subprocess.CompletedProcess[bytes]]) -> None:
    """Wait for a second call, or for a command that gives up after the first."""
    wait_until(lambda: proxy.connections > asked + 1 or asking.done(), within=30)


def test_a_picture_goes_in_and_out(service: Deployment, tmp_path: Path, picture: Path) -> None:
    port = service.place[1]
    uploaded = imagectl(tmp_path, port, "upload", picture, "-p", "resize:20x20", "-r", "big=resize:40x", "--wait")
    assert (uploaded.returncode, uploaded.stderr) == (0, b"")
    image_id = uploaded.stdout.decode()[:UUID_LENGTH]
    assert b"processed" in uploaded.stdout

    status = imagectl(tmp_path, port, "status", image_id, "--json")
    assert {found["name"] for found in json.loads(status.stdout)["renditions"]} == {"default", "big"}
    told = imagectl(tmp_path, port, "status", image_id).stdout.decode()
    assert "40x30" in told

    assert imagectl(tmp_path, port, "get", image_id, "-r", "big", "-o", "out.jpg").returncode == 0
    assert (tmp_path / "out.jpg").read_bytes() == service.http.get(f"/api/v1/images/{image_id}?rendition=big").content
    assert imagectl(tmp_path, port, "get", image_id, "--original", "-o", "-").stdout == picture.read_bytes()
    assert imagectl(tmp_path, port, "get", image_id).returncode == 0
    assert (tmp_path / f"{image_id}.jpg").exists()

    assert image_id in imagectl(tmp_path, port, "list").stdout.decode()
    assert imagectl(tmp_path, port, "delete", image_id).returncode == 0
    gone = imagectl(tmp_path, port, "delete", image_id)
    assert (gone.returncode, gone.stdout) == (1, b"")
    assert gone.stderr == b"imagectl: 404 not_found: There is no such image.\n"


def test_the_list_goes_on_to_its_end(service: Deployment, tmp_path: Path) -> None:
    paths = {service.processed(pictures.jpeg(10 + number, 10)).rpartition("/")[2] for number in range(3)}
    first = imagectl(tmp_path, service.place[1], "list", "--limit", 2).stdout.decode().splitlines()
    assert len(first) == 3
    assert first[2].startswith("more: --cursor ")
    lines = imagectl(tmp_path, service.place[1], "list", "--limit", 2, "--all").stdout.decode().splitlines()
    assert paths <= {line[:UUID_LENGTH] for line in lines}


def test_stale_renditions_are_made_anew(service: Deployment, tmp_path: Path) -> None:
    port = service.place[1]
    asked = {"t": "preset:thumb", "j": '[{"op": "preset", "name": "thumb"}]', "w": "preset:web", "plain": "resize:9x9"}
    path = service.processed(pictures.jpeg(), renditions=json.dumps(asked))
    image_id = path.rpartition("/")[2]
    as_if_presets_had_changed = (
        "UPDATE renditions SET pipeline = 'resize:7x7' WHERE image_id = %s AND name <> 'plain' RETURNING 1"
    )
    assert len(service.rows(as_if_presets_had_changed, image_id)) == 3

    def stale() -> set[str]:
        return {rendition["name"] for rendition in service.settled(path)["renditions"] if rendition["stale"]}

    shown = imagectl(tmp_path, port, "reprocess", "--preset", "thumb", "--dry-run", "--json")
    *found, counts = [json.loads(line) for line in shown.stdout.splitlines()]
    assert {(line["id"], line["name"], line["requested"]) for line in found} == {(image_id, name, asked[name]) for name in "tj"}
    assert (counts["stale"], counts["asked"], stale()) == (2, 0, {"t", "j", "w"})
    assert imagectl(tmp_path, port, "status", image_id).stdout.count(b" (stale) ") == 3

    done = imagectl(tmp_path, port, "reprocess", "--preset", "thumb")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode().splitlines()[-1].endswith("2 stale renditions; 2 asked, 0 gone, 0 refused")
    assert stale() == {"w"}
    assert imagectl(tmp_path, port, "reprocess").returncode == 0
    assert stale() == set()
    assert b" 0 stale renditions" in imagectl(tmp_path, port, "reprocess").stdout


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["upload", "missing.jpg"], 1, "missing.jpg"),
        (["upload", "notes.jpg"], 1, "415 unsupported_media_type"),
        (["upload", "cut.jpg", "--wait"], 1, ""),
        (["upload", "scene.jpg", "-p", "explode"], 1, "422 invalid_processing"),
        (["upload", "scene.jpg", "-r", "noname"], 2, "NAME=CHAIN"),
        (["status", "nobody"], 1, "404 not_found"),
        (["get", "../../health"], 1, "404 not_found"),
        (["list", "--limit", "0"], 1, "400 invalid_request"),
        (["fly"], 2, "invalid choice"),
        (["list", "--address", "nonsense"], 1, "not an address"),
    ],
)
def test_what_goes_wrong_is_one_line(
    service: Deployment, tmp_path: Path, picture: Path, words: list[str], code: int, told: str
) -> None:
    (tmp_path / "notes.jpg").write_text("no picture")
    (tmp_path / "cut.jpg").write_bytes(pictures.cut(pictures.photo_jpeg(300, 200)))
    done = imagectl(tmp_path, service.place[1], *words)
    assert done.returncode == code
    error = done.stderr.decode()
    assert told in error
    assert "Traceback" not in error
    if code == 1 and told:
        assert len(error.splitlines()) == 1


def test_an_answer_that_was_lost_is_asked_for_again(service: Deployment, tmp_path: Path, picture: Path) -> None:
    """The service has stored the picture, but its response was lost: the retry returns the same image."""
    before = service.rows("SELECT count(*) FROM images")[0][0]
    with proxy_thread(*service.place) as proxy, ThreadPoolExecutor(1) as elsewhere:
        proxy.cut_after = 5
        sending = elsewhere.submit(imagectl, tmp_path, proxy.port, "upload", picture)
        wait_until(lambda: proxy.connections > 1, within=30)
        proxy.cut_after = None
        done = sending.result()
    assert (done.returncode, b"retrying in" in done.stderr) == (0, True), done.stderr
    assert service.rows("SELECT count(*) FROM images")[0][0] == before + 1


@pytest.mark.parametrize(
    ("words", "answer", "told"),
    [
        (["list", "--limit", "1"], BUSY, "503 unavailable"),
        (["upload", "scene.jpg"], IN_PROGRESS, "409 idempotency_in_progress"),
    ],
)
def test_who_is_told_to_come_again_does(
    service: Deployment, tmp_path: Path, picture: Path, words: list[str], answer: bytes, told: str
) -> None:
    """The response to a retry whose first request is still in progress."""
    with proxy_thread(*service.place) as proxy, ThreadPoolExecutor(1) as elsewhere:
        proxy.answer = answer
        assert imagectl(tmp_path, proxy.port, *words, "--retry", 0).returncode == 1
        asked = proxy.connections
        asking = elsewhere.submit(imagectl, tmp_path, proxy.port, *words)
        until_asked_again(proxy, asked, asking)
        proxy.answer = None
        done = asking.result()
    assert (done.returncode, f"retrying in 1.0 s: {told}: Busy." in done.stderr.decode()) == (0, True), done.stderr


def test_a_picture_is_waited_for_longer_than_the_service_waits(service: Deployment, tmp_path: Path) -> None:
    image_id = service.processed(pictures.jpeg()).rpartition("/")[2]
    with proxy_thread(*service.place) as proxy, ThreadPoolExecutor(1) as elsewhere:
        proxy.answer = NOT_READY
        assert imagectl(tmp_path, proxy.port, "get", image_id).returncode == 1
        assert proxy.connections == 1
        ended = imagectl(tmp_path, proxy.port, "get", image_id, "--wait", 5)
        assert (ended.returncode, ended.stderr) == (1, b"imagectl: 409 not_ready: Busy.\n")
        asked = proxy.connections
        assert asked > 2
        asking = elsewhere.submit(imagectl, tmp_path, proxy.port, "get", image_id, "--wait", 60)
        until_asked_again(proxy, asked, asking)
        proxy.answer = None
        done = asking.result()
    assert (done.returncode, done.stderr) == (0, b"")
    assert (tmp_path / f"{image_id}.jpg").exists()


def test_a_wait_that_breaks_off_begins_again(service: Deployment, tmp_path: Path, picture: Path) -> None:
    """The API restarts meanwhile, and the picture is ready when it is back."""
    path = service.processed(picture.read_bytes())
    image_id = path.rpartition("/")[2]
    in_work = "UPDATE renditions SET status = 'uploaded', due_at = now() + interval '1 h' WHERE image_id = %s RETURNING 1"
    done = "UPDATE renditions SET status = 'processed' WHERE image_id = %s RETURNING 1"
    with proxy_thread(*service.place) as proxy, ThreadPoolExecutor(1) as elsewhere:
        service.rows(in_work, image_id)
        asking = elsewhere.submit(imagectl, tmp_path, proxy.port, "status", image_id, "--wait", 60)
        wait_until(lambda: proxy.requests > 1, within=30)
        proxy.away = True
        wait_until(lambda: proxy.open == 0, within=30)
        service.rows(done, image_id)
        proxy.away = False
        told = asking.result()
    assert (told.returncode, b"retrying in" in told.stderr, b"processed" in told.stdout) == (0, True, True), told.stderr


def test_nobody_at_the_address_has_an_exit_code_of_its_own(tmp_path: Path) -> None:
    done = imagectl(tmp_path, free_port(), "list")
    assert done.returncode == 3
    assert done.stderr.startswith(b"imagectl: No service answers at http://127.0.0.1:")


def test_the_demo_shows_a_running_service(service: Deployment, tmp_path: Path) -> None:
    done = imagectl(tmp_path, service.place[1], "demo")
    assert done.returncode == 0, done.stderr
    assert b"starts one of its own" not in done.stdout
    assert len(list((tmp_path / "demo").glob("*.*"))) == 8
    assert difference(side_by_side(tmp_path / "demo"), PICTURE.read_bytes()) < 2, (
        "write it again: python -m documents.picture demo"
    )


def difference(content: bytes, other: bytes) -> float:
    """Mean difference of two pictures' pixels, in their values of 8 bits."""
    first, second = (pyvips.Image.new_from_buffer(each, "") for each in (content, other))
    assert (first.width, first.height) == (second.width, second.height)
    return float((first - second).abs().avg())


def test_the_demo_brings_its_own_service(tmp_path: Path) -> None:
    with temporary_folder() as scratch:
        others = {"DB_HOST": "192.0.2.1", "AUTH_MODE": "none", "IMAGECTL_KEY": "of_another_service"}
        done = imagectl(tmp_path, free_port(), "demo", "--folder", "shown", TMPDIR=scratch, **others)
        assert done.returncode == 0, done.stderr
        assert not list(scratch.glob("imagectl-demo-*"))  # its data are gone, and so is everybody who worked on them
        assert not [process for process in psutil.process_iter() if str(scratch) in _environment_of(process)]
    assert b"starts one of its own" in done.stdout
    assert b"with an API key" in done.stdout
    assert b"imgp_" not in done.stdout + done.stderr
    assert {file.name for file in (tmp_path / "shown").iterdir()} >= {"landscape-default.jpeg", "badge-default.png", "originals"}


def _environment_of(process: psutil.Process) -> str:
    try:
        return str(process.environ())
    except psutil.Error:
        return ""
