"""Keys in a terminal beside a running service of two API processes: created, used, listed, and revoked in both."""

import time
from collections.abc import Iterator

import httpx2
import pytest

from internal.domain.api_key import is_well_formed
from tests import pictures
from tests.e2e.deployment import Deployment
from tests.e2e.deployments import standalone, temporary_folder
from tests.e2e.test_admin_commands import Beside

IMAGES = "/api/v1/images"


@pytest.fixture(scope="module")
def beside() -> Iterator[Beside]:
    with temporary_folder() as folder, standalone(folder, AUTH_MODE="key", SERVER_WORKERS=2) as (service, _):
        del service.http.headers["authorization"]  # each test has keys of its own
        yield Beside(folder, service)


def _created(beside: Beside, *words: object) -> tuple[str, str]:
    """The key that is on stdout, and what is on stderr."""
    done = beside.run("keys", "create", *words, LOG_LEVEL="error")
    assert done.returncode == 0, done.stderr
    return done.stdout.decode(), done.stderr.decode()


def _asked(service: Deployment, key: str) -> httpx2.Response:
    """Over a connection of its own, which goes to either process."""
    headers = {"authorization": f"Bearer {key}", "connection": "close"}
    return service.http.get(IMAGES, headers=headers)


def test_a_key_is_all_that_create_prints(beside: Beside) -> None:
    printed, told = _created(beside, "--owner", "shop", "--scopes", "images:read,images:write", "--expires", "90d")

    key = printed.removesuffix("\n")
    assert is_well_formed(key)
    assert key not in told
    [listed] = beside.told("keys", "list", "--owner", "shop")
    assert str(listed["id"]) in told
    assert (listed["owner"], listed["scopes"], listed["prefix"]) == ("shop", ["images:read", "images:write"], key[:13])
    picture = {"image": ("a.jpg", pictures.jpeg())}
    assert beside.service.http.post(IMAGES, files=picture, headers={"x-api-key": key}).status_code == 201
    assert len(_asked(beside.service, key).json()["items"]) == 1
    assert beside.service.http.get(IMAGES).status_code == 401
    assert key not in beside.service.log()


def test_keys_are_created_listed_and_revoked_as_json(beside: Beside) -> None:
    [first] = beside.told("keys", "create", "--owner", "json", "--scopes", "images:read", "--name", "one")
    key = str(first.pop("key"))
    [second] = beside.told("keys", "create", "--owner", "json", "--scopes", "images:admin", "--expires", "1s")

    assert [found["id"] for found in beside.told("keys", "list", "--owner", "json")] == [second["id"], first["id"]]
    assert _asked(beside.service, key).json() == {"items": [], "next_cursor": None}
    [revoked] = beside.told("keys", "revoke", first["id"])
    assert {**revoked, "revoked_at": None, "last_used_at": None} == first
    assert beside.told("keys", "revoke", first["id"]) == [revoked]
    limited = beside.run("keys", "list", "--owner", "json", "--limit", 1)
    assert str(second["id"]) in limited.stdout.decode()
    assert limited.stderr == b"imagectl: these are the newest 1; there are more: --limit N, --all\n"
    everything = beside.run("keys", "list", "--owner", "json").stdout.decode()
    assert [line.split()[2] for line in everything.splitlines()] == ["expired", "revoked"]
    actions = [(entry["action"], str(entry["actor"]).split(":")[0]) for entry in beside.told("audit", "--target", first["id"])]
    assert actions == [("key.revoked", "imagectl"), ("key.created", "imagectl")]


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["create", "--owner", "a", "--scopes", "images:all"], 2, "There is no scope 'images:all'"),
        (["create", "--owner", "a", "--scopes", "images:read", "--expires", "90"], 2, "such as 90d"),
        (["revoke", "abc"], 1, "abc: there is no such key"),
    ],
)
def test_what_makes_no_sense_is_one_line(beside: Beside, words: list[str], code: int, told: str) -> None:
    done = beside.run("keys", *words)

    assert (done.returncode, done.stdout) == (code, b"")
    assert told in done.stderr.decode().splitlines()[-1]


def test_a_revoked_key_stops_in_both_processes(beside: Beside) -> None:
    [made] = beside.told("keys", "create", "--owner", "short", "--scopes", "images:read")
    key = str(made["key"])
    for _ in range(40):  # both processes know it
        assert _asked(beside.service, key).status_code == 200

    beside.told("keys", "revoke", made["id"])

    answers: list[int] = []
    deadline = time.monotonic() + 10
    while answers[-40:] != [401] * 40:
        assert time.monotonic() < deadline, answers
        answers.append(_asked(beside.service, key).status_code)
    assert set(answers) <= {200, 401}
