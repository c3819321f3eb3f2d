"""`make up` and the passwords of the full stack, with real volumes: new ones at the first start, and a way for data of before."""

import io
import os
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from minio import Minio
from minio.error import S3Error

from internal.runtime.project import PROJECT
from tests import pictures
from tests.e2e.compose import Compose, require_compose
from tests.e2e.deployment import IMAGES, client
from tests.e2e.deployments import until_ready
from tests.services.kinds import S3Service
from tests.services.waiting import wait_until

BEFORE = "91ad2de"  # the last release whose compose file had default passwords

pytestmark = pytest.mark.timeout(1800)  # two images are built


@pytest.fixture
def compose(tmp_path: Path) -> Iterator[Compose]:
    """A checkout of its own, without an .env."""
    require_compose()
    compose = Compose(_checkout("HEAD", tmp_path / "now"), with_secrets=False)
    yield compose
    if not (compose.folder / ".env").exists():
        compose.run("make", "secrets")  # down wants them, too
    compose.remove()


def _checkout(revision: str, folder: Path) -> Path:
    """The tree of a revision; HEAD: the files as they are now. Skips where the history is not there."""
    folder.mkdir()
    if revision == "HEAD":
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=PROJECT, capture_output=True, check=True).stdout
        tar = ["tar", "--create", "--null", "--ignore-failed-read", "--files-from=-"]
    else:
        listed, tar = b"", ["git", "archive", revision]
    packed = subprocess.run(tar, cwd=PROJECT, input=listed, capture_output=True, check=False)
    if packed.returncode != 0:
        pytest.skip(f"the history does not have {revision}: {packed.stderr.decode()}")
    (folder / "tree.tar").write_bytes(packed.stdout)
    with tarfile.open(folder / "tree.tar") as tree:
        tree.extractall(folder, filter="data")
    return folder


def test_compose_starts_nothing_without_secrets(compose: Compose) -> None:
    refused = compose.run("docker", "compose", "up", "--detach", "postgres")

    assert refused.returncode != 0
    assert "is missing a value: make up writes it to .env" in refused.stderr


@pytest.mark.parametrize("made_by", ["compose", "a restore"])
def test_the_first_start_makes_secrets_and_data_without_them_are_left_alone(compose: Compose, made_by: str) -> None:
    assert compose.run("sh", "cmd/secrets/main.sh").returncode == 0
    assert compose.run("docker", "compose", "config", "--quiet").returncode == 0

    (compose.folder / ".env").unlink()
    volume = f"{compose.project}_{'before' if made_by == 'compose' else 'postgres'}"
    label = ("--label", f"com.docker.compose.project={compose.project}") if made_by == "compose" else ()
    compose.run("docker", "volume", "create", *label, volume)
    try:
        for target in ("up", "infra"):
            refused = compose.run("make", target)
            assert refused.returncode != 0
            assert f"the project {compose.project} has data" in refused.stderr
            assert not (compose.folder / ".env").exists()
    finally:
        compose.run("docker", "volume", "rm", volume)


def _do_what_make_up_says(compose: Compose) -> None:
    """It refuses to start, and prints two commands; they are run as they are printed."""
    told = compose.run("make", "up")
    assert told.returncode != 0
    commands = [line.strip() for line in told.stderr.splitlines() if line.startswith("    ")]
    assert len(commands) == 2
    for command in commands:
        done = compose.run("sh", "-c", command)
        assert done.returncode == 0, done.stderr


def _default_passwords_are_refused(compose: Compose) -> None:
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(f"{_postgres(compose)} password=postgres")
    with pytest.raises(S3Error, match="SignatureDoesNotMatch"):
        _minio(compose, "minioadmin").list_buckets()


def _postgres(compose: Compose) -> str:
    return f"host=127.0.0.1 port={compose.ports['DB_PORT']} user=postgres dbname=images"


def _minio(compose: Compose, password: str) -> Minio:
    return S3Service("testcontainers", "127.0.0.1", compose.ports["MINIO_PORT"], "minioadmin", password).client()


def test_data_under_default_passwords_are_kept(compose: Compose, tmp_path: Path) -> None:
    """A row and an object in volumes that the release before made."""
    services = ("up", "--detach", "--wait", "postgres", "minio")
    now, compose.folder = compose.folder, _checkout(BEFORE, tmp_path / "before")
    compose.choose_ports()
    compose(*services)
    with psycopg.connect(f"{_postgres(compose)} password=postgres") as connection:
        connection.execute("CREATE TABLE kept AS SELECT 'a row' AS what")
    _minio(compose, "minioadmin").make_bucket("images")
    _minio(compose, "minioadmin").put_object("images", "kept", io.BytesIO(b"an object"), 9)

    compose.folder = now
    _do_what_make_up_says(compose)
    compose(*services)

    secrets = dict(line.split("=", 1) for line in (now / ".env").read_text(encoding="utf-8").splitlines() if "=" in line)
    with psycopg.connect(f"{_postgres(compose)} password={secrets['DB_PASSWORD']}") as connection:
        assert connection.execute("SELECT what FROM kept").fetchall() == [("a row",)]
    assert _minio(compose, secrets["MINIO_ROOT_PASSWORD"]).get_object("images", "kept").data == b"an object"
    _default_passwords_are_refused(compose)


@pytest.mark.skipif(os.environ.get("FAULTS") != "long", reason="builds two images and starts both: `make faults` does")
def test_pictures_under_default_passwords_are_kept(compose: Compose, tmp_path: Path) -> None:
    """The whole of the release before, and the whole of this one on its volumes."""
    picture = pictures.photo_jpeg(900, 600)
    now, compose.folder = compose.folder, _checkout(BEFORE, tmp_path / "before")
    compose.choose_ports()
    compose.make("up")
    with client(compose.ports["SERVER_PORT"]) as http:
        path = http.post(IMAGES, files={"image": ("picture.jpg", picture)}).headers["location"]
        wait_until(lambda: http.get(path).status_code == 200, within=60)

        compose.folder = now
        _do_what_make_up_says(compose)
        compose.make("up")

        until_ready(http)
        assert http.get(f"{path}/original").content == picture
        assert http.get(path).status_code == 200
        assert http.post(IMAGES, files={"image": ("picture.jpg", picture)}).status_code == 201
    _default_passwords_are_refused(compose)
