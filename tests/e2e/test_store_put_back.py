"""`make run` whose objects are gone when it starts: nothing is made, and nothing fails, until they are put back."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests import pictures
from tests.e2e.deployment import IMAGES, client
from tests.e2e.deployments import standalone, standalone_environment, temporary_folder, until_ready
from tests.e2e.processes import Running, imagectl, running
from tests.services.folders import everything_below
from tests.services.waiting import wait_until


@pytest.fixture
def folder() -> Iterator[Path]:
    with temporary_folder() as path:
        yield path


def until_it_lives(http: httpx2.Client, process: Running) -> None:
    def lives() -> bool:
        try:
            return http.get("/health/live").status_code == 200
        except httpx2.TransportError:
            assert not process.ended, process.said()[-3000:]
            return False

    wait_until(lives, within=120)


@pytest.mark.parametrize(("left", "older"), [("an empty folder", False), ("nothing", True)])
def test_the_objects_are_put_back(folder: Path, *, older: bool, left: str) -> None:
    objects, elsewhere = folder / "data/objects", folder / "elsewhere"
    with standalone(folder) as (service, _):
        path = service.processed(pictures.jpeg())
        if older:
            service.rows("WITH gone AS (DELETE FROM store_identity) SELECT")
    if older:
        (objects / "store-id").unlink()
    objects.rename(elsewhere)
    if left != "nothing":
        objects.mkdir()

    environ = standalone_environment(folder)
    with running("standalone", folder / "log", environ) as process, client(int(environ["SERVER_PORT"])) as http:
        until_it_lives(http, process)
        health = http.get("/health")
        assert (health.status_code, health.json()["dependencies"]["database"]) == (503, "ok")
        assert health.json()["dependencies"]["object_store"] != "ok"
        assert http.post(IMAGES, files={"image": ("a.jpg", pictures.jpeg())}).status_code == 503
        assert http.get(path).status_code == 503
        assert http.get(f"{path}/status").json()["status"] == "processed"
        process.until_said("store.refused")
        assert not objects.exists() if left == "nothing" else list(everything_below(objects)) == []

        shutil.rmtree(objects, ignore_errors=True)
        elsewhere.rename(objects)
        until_ready(http, process)
        wait_until(lambda: http.get(path).status_code == 200, within=30)
        assert http.get(f"{path}/original").content == pictures.jpeg()
        assert (objects / "store-id").exists()
        wait_until(lambda: http.post(IMAGES, files={"image": ("a.jpg", pictures.jpeg())}).status_code == 201, within=30)


def test_an_older_version_s_data_need_nothing_of_anybody(folder: Path) -> None:
    with standalone(folder) as (service, _):
        path = service.processed(pictures.jpeg())
        service.rows("WITH gone AS (DELETE FROM store_identity) SELECT")
    (folder / "data/objects/store-id").unlink()

    with standalone(folder) as (service, process):
        assert service.http.get(f"{path}/original").content == pictures.jpeg()
        service.processed(pictures.jpeg())
        assert "store.refused" not in process.said()
        assert "store.wrong" not in process.said()


def test_imagectl_store_shows_and_adopts(folder: Path) -> None:
    objects = folder / "data/objects"

    def store(*words: str) -> tuple[int, str, str]:
        done = imagectl(folder, "store", *words, APP_PROFILE="standalone", DATA_PATH=folder / "data")
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    with standalone(folder) as (service, process):
        path = service.processed(pictures.jpeg())
        code, out, _ = store("show")
        assert (code, "They belong together." in out) == (0, True)
        assert store("adopt")[0] == 0
        first = (objects / "store-id").read_text()
        (objects / "store-id").unlink()  # a restore that left it out
        code, out, _ = store("show")
        assert (code, "no id" in out, "1 of the database's first 1" in out) == (1, True, True)
        refused = imagectl(folder, "reconcile", APP_PROFILE="standalone", DATA_PATH=folder / "data")
        assert (refused.returncode, b"is not the database's own: `imagectl store show`" in refused.stderr) == (3, True)

        code, out, _ = store("adopt")

        assert (code, "Giving both a new id" in out) == (0, True)
        assert (objects / "store-id").read_text() not in ("", first)
        wait_until(lambda: service.http.get(path).status_code == 200, within=30)
        [original] = objects.glob("originals/*/*")
        original.rename(folder / "original")
        (objects / "store-id").unlink()
        code, _, err = store("adopt")
        assert (code, "--yes" in err) == (1, True)
        assert not (objects / "store-id").exists()
        assert store("adopt", "--yes")[0] == 0
        assert store("show")[0] == 0
        assert not process.ended
