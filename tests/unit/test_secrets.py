"""`make up` makes the full stack's secrets only where nothing was started before; else it says what to do (cmd/secrets/main.sh).

Docker is a stand-in here that requires what the compose file requires; tests/e2e/test_secrets.py has the real one.
"""

import base64
import os
import re
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from internal.runtime.project import PROJECT
from tests.e2e.compose import SECRETS

DOCKER = """#!/bin/sh
case "$*" in
"compose config"*)
    given=$(env)
    [ ! -e .env ] || given="$given
$(cat .env)"
    for secret in DB_PASSWORD MINIO_ROOT_PASSWORD MINIO_SECRET_KEY LINK_KEYS; do
        printf '%s' "$given" | grep -q "^$secret=." || { echo "required variable $secret is missing" >&2; exit 1; }
    done
    printf 'name: pictures\\nservices:\\n  postgres:\\n    environment:\\n      POSTGRES_USER: alice\\n'
    printf 'volumes:\\n  postgres:\\n    name: pictures_postgres\\n  minio:\\n    name: elsewhere\\n' ;;
"volume ls --quiet --filter label=com.docker.compose.project=pictures")
    cat labelled ;;
"volume ls --quiet")
    cat labelled unlabelled ;;
*)
    exit 1 ;;
esac
"""


class Place:
    """A checkout with nothing but the script, and a Docker that knows `volumes`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.env = folder / ".env"
        (folder / "cmd/secrets").mkdir(parents=True)
        (folder / "bin").mkdir()
        shutil.copy(PROJECT / "cmd/secrets/main.sh", folder / "cmd/secrets")
        docker = folder / "bin/docker"
        docker.write_text(DOCKER, encoding="utf-8")
        docker.chmod(0o755)
        self.volumes()

    def volumes(self, *names: str, unlabelled: tuple[str, ...] = ()) -> None:
        (self.folder / "labelled").write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
        (self.folder / "unlabelled").write_text("".join(f"{name}\n" for name in unlabelled), encoding="utf-8")

    def run(self, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        environ = {"PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}", **variables}
        command = ["sh", str(self.folder / "cmd/secrets/main.sh"), *words]
        return subprocess.run(command, cwd="/", env=environ, capture_output=True, text=True, check=False)

    def written(self) -> dict[str, str]:
        lines = self.env.read_text(encoding="utf-8").splitlines()
        return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_the_first_start_writes_secrets_that_nobody_else_can_read(place: Place) -> None:
    done = place.run()

    assert (done.returncode, done.stderr) == (0, "")
    assert stat.S_IMODE(place.env.stat().st_mode) == 0o600
    written = place.written()
    assert (written.pop("MINIO_ROOT_USER"), written.pop("MINIO_ACCESS_KEY")) == ("minioadmin", "image-processor")
    assert tuple(written) == SECRETS
    kid, _, key = written["LINK_KEYS"].partition(":")
    assert re.fullmatch(r"k\d{8}", kid)
    assert len(base64.b64decode(key, validate=True)) == 32
    assert all(re.fullmatch("[0-9a-f]{40}", secret) for name, secret in written.items() if name != "LINK_KEYS")
    assert len(set(written.values())) == len(SECRETS)
    assert not any(secret in done.stdout for secret in written.values())


def test_a_later_start_changes_nothing(place: Place) -> None:
    place.run()
    before = place.env.read_bytes()
    place.volumes("pictures_postgres")

    done = place.run()

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert place.env.read_bytes() == before


def test_two_checkouts_have_secrets_of_their_own(tmp_path: Path) -> None:
    first, second = Place(tmp_path / "first"), Place(tmp_path / "second")
    first.run()
    second.run()

    assert all(first.written()[secret] != second.written()[secret] for secret in SECRETS)


def test_a_shell_can_read_the_file(place: Place) -> None:
    """A process that is started from the shell gets what the containers get."""
    place.run()

    read = subprocess.run(
        ["sh", "-c", "set -a; . ./.env; exec env"], cwd=place.folder, env={}, capture_output=True, text=True, check=True
    )

    assert {f"{name}={value}" for name, value in place.written().items()} <= set(read.stdout.splitlines())


def test_secrets_of_the_shell_need_no_file(place: Place) -> None:
    assert place.run(**dict.fromkeys(SECRETS, "given")).returncode == 0
    assert not place.env.exists()


def test_volumes_of_others_are_none_of_this_project(place: Place) -> None:
    place.volumes(unlabelled=("others_postgres", "pictures_postgres_2"))

    assert place.run().returncode == 0
    assert place.env.exists()


@pytest.mark.parametrize("name", ["pictures_postgres", "elsewhere"])
def test_volumes_that_were_restored_are_data_too(place: Place, name: str) -> None:
    """Nobody but compose gives them its label."""
    place.volumes(unlabelled=("others_postgres", name))

    assert place.run().returncode == 1
    assert not place.env.exists()


def test_data_without_their_secrets_are_left_alone(place: Place) -> None:
    place.volumes("pictures_minio", "pictures_of_before")

    done = place.run()

    assert done.returncode == 1
    assert not place.env.exists()
    commands = [line.strip() for line in done.stderr.splitlines() if line.startswith("    ")]
    assert commands[0] == "make secrets"
    assert commands[1].startswith("docker compose up --detach --wait postgres && docker compose exec -T postgres psql -U alice ")
    assert "ALTER ROLE CURRENT_USER PASSWORD" in commands[1]
    assert len(commands) == 2


def test_a_file_of_an_earlier_release_lacks_the_new_secret_only(place: Place) -> None:
    """Before there was an account in MinIO, an .env of an operator's own had the two passwords."""
    place.env.write_text("DB_PASSWORD=theirs\nMINIO_ROOT_PASSWORD=too", encoding="utf-8")
    place.volumes("pictures_postgres")

    done = place.run()

    assert done.returncode == 1
    assert "The file .env lacks: MINIO_SECRET_KEY LINK_KEYS" in done.stderr
    assert "ALTER ROLE" not in done.stderr
    assert "MinIO and the account of API and worker in it take" in done.stderr

    assert place.run("--write").returncode == 0
    assert place.written() | {"MINIO_SECRET_KEY": "", "LINK_KEYS": ""} == {
        "DB_PASSWORD": "theirs",
        "MINIO_ROOT_PASSWORD": "too",
        "MINIO_SECRET_KEY": "",
        "LINK_KEYS": "",
    }
    assert stat.S_IMODE(place.env.stat().st_mode) == 0o600
    assert place.run().returncode == 0


def test_a_file_from_before_there_were_keys_lacks_what_signs_links(place: Place) -> None:
    """Its clients will need a key: it says so, and where to read on. What it has stays as it is."""
    of_before = "DB_PASSWORD=theirs\nMINIO_ROOT_PASSWORD=too\nMINIO_SECRET_KEY=three\n"
    place.env.write_text(of_before, encoding="utf-8")
    place.volumes("pictures_postgres")

    done = place.run()

    assert done.returncode == 1
    assert "The file .env lacks: LINK_KEYS" in done.stderr
    assert [line.strip() for line in done.stderr.splitlines() if line.startswith("    ")] == ["make secrets"]
    assert "the API lets in whoever has a key: docs/running/upgrade.md" in done.stderr
    assert "MinIO" not in done.stderr
    assert place.run("--write").returncode == 0
    assert place.env.read_text(encoding="utf-8").startswith(of_before + "LINK_KEYS=k")
    assert place.run().returncode == 0


@pytest.mark.parametrize("tool", ["base64", "head", "od"])
def test_a_machine_that_can_not_make_one_writes_nothing(place: Place, tool: str) -> None:
    broken = place.folder / "bin" / tool
    broken.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    broken.chmod(0o755)

    done = place.run()

    assert done.returncode != 0
    assert "does not work" in done.stderr
    assert not place.env.exists()


def test_a_file_without_any_secret_and_with_data_needs_both_commands(place: Place) -> None:
    place.env.write_text("SERVER_PORT=8090\n", encoding="utf-8")
    place.volumes("pictures_postgres")

    done = place.run()

    assert (done.returncode, place.written()) == (1, {"SERVER_PORT": "8090"})
    assert "ALTER ROLE" in done.stderr


def test_a_file_without_secrets_is_never_written_to_by_itself(place: Place) -> None:
    place.env.write_text("SERVER_PORT=8090\n", encoding="utf-8")

    done = place.run()

    assert (done.returncode, place.written()) == (1, {"SERVER_PORT": "8090"})
    assert "make secrets" in done.stderr
    assert "ALTER ROLE" not in done.stderr  # there is no role yet


def test_a_docker_that_does_not_answer_is_no_first_start(place: Place) -> None:
    (place.folder / "labelled").unlink()

    assert place.run().returncode != 0
    assert not place.env.exists()


def test_no_secret_of_the_compose_file_has_a_default() -> None:
    """Each is required, by a word that says where it comes from, and is one that the script makes."""
    text = (PROJECT / "docker-compose.yml").read_text(encoding="utf-8")
    secrets = re.findall(r"\$\{(\w*(?:PASSWORD|SECRET|KEYS)\w*)([^}]*)\}", text)

    assert set(secrets) == {(secret, ":?make up writes it to .env") for secret in SECRETS}
