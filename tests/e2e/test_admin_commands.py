"""Admin commands in a terminal beside a running service: dead letters, retry and reconcile, as processes with exit codes."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests import pictures
from tests.e2e.deployment import Deployment
from tests.e2e.deployments import standalone, temporary_folder
from tests.e2e.test_imagectl import imagectl
from tests.services.waiting import wait_until


class Beside:
    """A terminal beside a service that runs on `folder`."""

    def __init__(self, folder: Path, service: Deployment) -> None:
        self.objects, self.service = folder / "data/objects", service
        self._folder = folder

    def run(self, *words: object, **variables: object) -> subprocess.CompletedProcess[bytes]:
        settings = {"APP_PROFILE": "standalone", "DATA_PATH": self._folder / "data", **variables}
        return imagectl(self._folder, self.service.place[1], *words, **settings)

    def told(self, *words: object, code: int = 0) -> list[dict[str, object]]:
        """Run a command with --json, check its exit code, and return its lines."""
        done = self.run(*words, "--json")
        assert done.returncode == code, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    def status_of(self, path: str) -> int:
        return self.service.http.get(f"{path}/status").status_code

    def until_there_is_a_dead_letter(self) -> None:
        wait_until(lambda: self.service.rows("SELECT id FROM dead_letters") != [], within=20)

    def until_all_is_taken(self) -> None:
        """Wait until no message is queued or being processed."""
        waiting = "SELECT id FROM outbox UNION ALL SELECT id FROM queue_messages"
        wait_until(lambda: self.service.rows(waiting) == [], within=20)


@pytest.fixture(scope="module")
def beside() -> Iterator[Beside]:
    with temporary_folder() as folder, standalone(folder) as (service, _):
        yield Beside(folder, service)


def broken(service: Deployment) -> str:
    """Upload an image that fails permanently, and return its id."""
    path = service.upload(pictures.cut(pictures.photo_jpeg(300, 200)))
    assert service.settled(path)["status"] == "failed"
    return path.rpartition("/")[2]


def test_dead_letters_are_listed_replayed_and_dropped(beside: Beside) -> None:
    image_id = broken(beside.service)
    [dead_letter] = beside.told("deadletters", "list", "--code", "invalid_image")
    assert (dead_letter["image_id"], dead_letter["rendition"], dead_letter["rendition_status"]) == (image_id, "default", "failed")
    shown = beside.run("deadletters", "show", dead_letter["id"]).stdout.decode()
    assert image_id in shown
    assert str(dead_letter["detail"]) in shown
    as_json = beside.run("deadletters", "show", dead_letter["id"], "--json")
    assert (as_json.returncode, json.loads(as_json.stdout)) == (0, dead_letter)

    assert beside.told("deadletters", "replay", dead_letter["id"]) == [{"id": dead_letter["id"], "outcome": "queued"}]
    beside.until_there_is_a_dead_letter()  # it failed again, and has another
    [again] = beside.told("deadletters", "list")
    assert (again["image_id"], again["id"]) == (image_id, int(str(dead_letter["id"])) + 1)

    assert beside.run("deadletters", "drop", "--all").returncode == 2
    assert beside.told("deadletters", "drop", "--all", "--yes") == [{"id": again["id"], "outcome": "dropped"}]
    for action in ("drop", "show"):
        done = beside.run("deadletters", action, again["id"])
        told = (1, b"", f"imagectl: {again['id']}: there is no such dead letter\n".encode())
        assert (done.returncode, done.stdout, done.stderr) == told


def test_many_dead_letters_are_listed_and_those_of_one_code_replayed_and_dropped(beside: Beside) -> None:
    """A hundred messages of a finished task, which can be replayed safely, and two that can't be processed."""
    image_id = beside.service.processed(pictures.jpeg()).rpartition("/")[2]
    body = json.dumps({"image_id": image_id, "lane": "fast", "version": 1})
    insert = """
        INSERT INTO dead_letters (code, detail, source, attempts, body, channel, type, key)
        SELECT %s, 'a test', 'test', 1, %s::bytea, 'fast', 'image.process', 'k' FROM generate_series(1, %s) RETURNING id
    """
    taken = [number for (number,) in beside.service.rows(insert, "first", body, 100)]
    left = [number for (number,) in beside.service.rows(insert, "second", body, 2)]
    newest_first = [*reversed(left), *reversed(taken)]

    newest = beside.run("deadletters", "list", "--limit", 101, "--json")
    assert [json.loads(line)["id"] for line in newest.stdout.splitlines()] == newest_first[:101]
    assert newest.stderr == b"imagectl: these are the newest 101; there are more: --limit N, --all\n"
    for words in (["--limit", 102], ["--limit", 1, "--all"]):
        done = beside.run("deadletters", "list", *words)
        assert [int(line.split()[0]) for line in done.stdout.splitlines()] == newest_first
        assert done.stderr == b""

    replayed = beside.run("deadletters", "replay", "--all", "--code", "first", LOG_LEVEL="warning")
    assert (replayed.returncode, replayed.stderr) == (0, b"imagectl: 100 dead letters\n")  # how far it is
    assert replayed.stdout.decode().splitlines() == [f"{number}  queued" for number in reversed(taken)]
    beside.until_all_is_taken()

    third = [number for (number,) in beside.service.rows(insert, "third", body, 2)]
    dropped = beside.told("deadletters", "drop", "--all", "--yes", "--code", "second")
    assert dropped == [{"id": number, "outcome": "dropped"} for number in reversed(left)]
    assert beside.run("deadletters", "drop", third[0], "--code", "third").returncode == 2
    assert beside.run("deadletters", "drop", *third).returncode == 0
    assert beside.told("deadletters", "list") == []


def test_a_message_that_was_sent_again_is_understood(beside: Beside) -> None:
    path = beside.service.processed(pictures.jpeg())
    body = json.dumps({"image_id": path.rpartition("/")[2], "lane": "sideways", "version": 1})
    message = (
        "INSERT INTO queue_messages (channel, type, key, body) VALUES ('fast', 'image.process', 'k', %s::bytea) RETURNING id"
    )
    beside.service.rows(message, body)
    beside.until_there_is_a_dead_letter()
    [dead_letter] = beside.told("deadletters", "list")
    assert dead_letter["body"] == body
    beside.service.rows("UPDATE dead_letters SET body = %s::bytea RETURNING id", body.replace("sideways", "fast"))

    assert [found["outcome"] for found in beside.told("deadletters", "replay", "--all")] == ["queued"]

    beside.until_all_is_taken()
    assert beside.told("deadletters", "list") == []


def test_retry_queues_what_has_failed(beside: Beside) -> None:
    path = beside.service.processed(pictures.jpeg())
    image_id = path.rpartition("/")[2]
    beside.service.rows("UPDATE renditions SET status = 'failed' WHERE image_id = %s RETURNING id", image_id)
    beside.service.rows("UPDATE images SET status = 'failed' WHERE id = %s RETURNING id", image_id)

    assert [image["status"] for image in beside.told("retry", image_id, "--wait")] == ["processed"]
    refused = beside.run("retry", image_id)
    assert (refused.returncode, refused.stdout) == (1, b"")
    assert refused.stderr.startswith(b"imagectl: 409 nothing_to_retry")
    still_broken = broken(beside.service)
    assert [image["status"] for image in beside.told("retry", still_broken, "--wait", code=1)] == ["failed"]


def test_reconcile_compares_both_ways_and_mends(beside: Beside) -> None:
    path = beside.service.processed(pictures.jpeg())
    assert [found["mended"] for found in beside.told("reconcile", "--older-than", 0)] == [0]
    [result] = beside.objects.glob(f"renditions/*/{path.rpartition('/')[2]}.*")
    stranger = str(uuid4())
    orphan = beside.objects / "originals" / stranger[-3:] / stranger
    orphan.parent.mkdir(exist_ok=True)
    result.rename(orphan)
    lost = beside.service.http.get(path)
    assert (lost.status_code, lost.json()["code"]) == (500, "object_lost")
    beside.service.until_logged(event="object.missing", level="error", image_id=path.rpartition("/")[2])
    assert "\nimage_processor_missing_objects_total 1.0\n" in beside.service.http.get("/metrics").text

    assert beside.run("reconcile").returncode == 0  # all of it is younger than a day
    done = beside.run("reconcile", "--older-than", 0)
    assert (done.returncode, orphan.name in done.stdout.decode(), result.name[:36] in done.stdout.decode()) == (1, True, True)
    *found, counts = beside.told("reconcile", "--older-than", 0, "--fix")
    assert [finding["kind"] for finding in found] == ["unreferenced", "missing_rendition"]
    assert counts["mended"] == 2
    assert beside.service.settled(path)["status"] == "processed"
    assert beside.service.http.get(path).status_code == 200
    assert orphan.exists()  # listed, and the sweep's to delete


def test_reconcile_reads_everything_when_it_is_asked_to(beside: Beside) -> None:
    path = beside.service.processed(pictures.jpeg())
    [result] = beside.objects.glob(f"renditions/*/{path.rpartition('/')[2]}.*")
    content = result.read_bytes()
    *_, counts = beside.told("reconcile", "--older-than", 0, "--read")
    assert counts["bytes_read"] != 0
    result.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))

    assert beside.run("reconcile", "--older-than", 0).returncode == 0
    [found, counts] = beside.told("reconcile", "--older-than", 0, "--read", code=1)
    assert (found["kind"], counts["damaged_rendition"], counts["mended"]) == ("damaged_rendition", 1, 0)
    assert beside.run("reconcile", "--older-than", 0, "--read", "--fix").returncode == 0
    assert beside.service.settled(path)["status"] == "processed"
    assert beside.run("reconcile", "--older-than", 0, "--read").returncode == 0


@pytest.mark.parametrize(
    ("settings", "code", "told"),
    [
        ({"DATA_PATH": "/nonexistent"}, 3, "No service runs on /nonexistent"),
        ({"DB_HOST": "127.0.0.1", "DB_PORT": 1}, 3, "does not answer: Connection refused"),
        ({"STORAGE_PATH": "/nonexistent"}, 3, "There is no object store in /nonexistent"),
        ({"DB_PORT": "many"}, 2, "DB_PORT"),
    ],
)
def test_what_can_not_be_reached_is_one_line(beside: Beside, settings: dict[str, object], code: int, told: str) -> None:
    done = beside.run("reconcile", **settings)
    assert done.returncode == code
    assert told in done.stderr.decode()
    assert len(done.stderr.splitlines()) == 1


def test_an_owners_data_is_exported_and_deleted(beside: Beside, tmp_path: Path) -> None:
    path = beside.service.processed(pictures.photo_jpeg(300, 200), metadata='{"shelf": 3}')
    image_id, folder, receipt = path.rpartition("/")[2], tmp_path / "data", tmp_path / "receipt.jsonl"

    [exported] = beside.told("owners", "export", "anonymous", "--to", folder)
    images = [json.loads(line) for line in (folder / "images.jsonl").read_text().splitlines()]
    assert image_id in [image["id"] for image in images]
    assert (folder / f"files/{image_id}/original.jpg").read_bytes() == pictures.photo_jpeg(300, 200)
    assert json.loads((folder / "manifest.json").read_text())["files"] == exported["files"]
    assert beside.told("owners", "export", "anonymous", "--to", folder)[0]["written"] == 0

    assert beside.run("owners", "delete", "anonymous", "--receipt", receipt).returncode == 2
    assert beside.status_of(path) == 200
    [deleted] = beside.told("owners", "delete", "anonymous", "--receipt", receipt, "--yes")
    assert deleted["images"] == len(images)
    assert beside.status_of(path) == 404
    lines = [json.loads(line) for line in receipt.read_text().splitlines()]
    assert lines[0]["owner"] == "anonymous"
    assert {line["image"] for line in lines[1:-1]} == {image["id"] for image in images}
    assert lines[-1] == deleted
    picture = folder / f"files/{image_id}/original.jpg"
    for owner, file in (("shop", receipt), ("anonymous", picture), ("anonymous", folder / "manifest.json")):
        refused = beside.run("owners", "delete", owner, "--receipt", file, "--yes")
        assert (refused.returncode, b"no receipt of this owner" in refused.stderr) == (2, True), refused.stderr
    assert len(receipt.read_text().splitlines()) == len(lines)
    left = [key for key in beside.service.objects() if any(image["id"] in key for image in images)]
    replaced = {key.split("/")[2] for (key,) in beside.service.rows("SELECT key FROM unreferenced_objects WHERE key ~ '^rend'")}
    assert [key for key in left if not any(rendition in key for rendition in replaced)] == []
    [first] = beside.told("audit", "--target", "anonymous", "--limit", 1)
    assert first["action"] == "owner.deleted"
