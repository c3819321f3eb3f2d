"""Tokens and keys at a service that is started by hand, with an issuer on this machine whose keys are found by discovery."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.e2e.deployment import Deployment
from tests.e2e.deployments import standalone, temporary_folder
from tests.e2e.processes import environment, running
from tests.e2e.test_imagectl import imagectl
from tests.services.issuer import Issuer, jwk, key_pair, serving_issuer, token
from tests.services.waiting import wait_until

IMAGES = "/api/v1/images"


class Doors:
    """A service with AUTH_MODE=key+jwt, its issuer, and a terminal beside it."""

    def __init__(self, folder: Path, service: Deployment, issuer: Issuer) -> None:
        self._folder, self.service, self.issuer = folder, service, issuer

    def get(self, credential: str) -> httpx2.Response:
        return self.service.http.get(IMAGES, headers={"authorization": f"Bearer {credential}"})

    def token(self, **changes: Any) -> str:
        return token(key_pair("P-256"), "ES256", {"kid": "k0"}, iss=self.issuer.address, **changes)

    def imagectl(self, *words: object) -> str:
        settings = {"APP_PROFILE": "standalone", "DATA_PATH": self._folder / "data"}
        done: subprocess.CompletedProcess[bytes] = imagectl(self._folder, self.service.place[1], *words, **settings)
        assert done.returncode == 0, done.stderr
        return done.stdout.decode()


@pytest.fixture(scope="module")
def doors() -> Iterator[Doors]:
    """The issuer is down when the service starts."""
    with temporary_folder() as folder, serving_issuer() as issuer:
        issuer.failing = True
        issuer.publish(jwk(key_pair("P-256"), kid="k0"))
        tokens = {"JWT_ISSUER": issuer.address, "JWT_AUDIENCE": "images", "JWT_ALGORITHMS": "ES256"}
        cooldown = {"JWT_JWKS_COOLDOWN_SECONDS": "0.2"}
        with standalone(folder, AUTH_MODE="key+jwt", **tokens, **cooldown) as (service, _):
            yield Doors(folder, service, issuer)


def test_the_service_starts_without_its_issuer_and_takes_tokens_when_it_is_there(doors: Doors) -> None:
    key = doors.imagectl("keys", "create", "--owner", "alice", "--scopes", "images:read").strip()
    answer = doors.get(doors.token())
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert "retry-after" in answer.headers
    assert doors.get(key).status_code == 200
    health = doors.service.http.get("/health").json()
    assert (health["status"], "answers with 503" in health["dependencies"]["token_keys"]) == ("degraded", True)

    doors.issuer.failing = False

    wait_until(lambda: doors.get(doors.token()).status_code == 200, within=20)
    wait_until(lambda: doors.service.http.get("/health").json()["status"] == "ok", within=20)
    assert doors.get(key).status_code == 200


def test_a_refused_token_is_told_why(doors: Doors) -> None:
    doors.issuer.failing = False
    wait_until(lambda: doors.get(doors.token()).status_code == 200, within=20)

    answer = doors.get(doors.token(aud="other"))

    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
    assert answer.json()["detail"] == "The token's aud is another service: it has to be images."
    assert answer.headers["www-authenticate"] == (
        'Bearer error="invalid_token", error_description="The token\'s aud is another service: it has to be images."'
    )
    answer = doors.get(doors.token(scope="images:write"))
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


def test_revoked_tokens_stop(doors: Doors) -> None:
    doors.issuer.failing = False
    one, other = doors.token(jti="one"), doors.token(jti="other", sub="bob")
    wait_until(lambda: {doors.get(text).status_code for text in (one, other)} == {200}, within=20)

    doors.imagectl("tokens", "revoke", "--jti", "one")
    wait_until(lambda: doors.get(one).status_code == 401, within=20)
    assert doors.get(one).json()["detail"] == "The token is revoked."
    assert doors.get(other).status_code == 200

    doors.imagectl("tokens", "revoke", "--owner", "bob", "--before", "2026-01-01T00:00:00Z")
    assert doors.get(other).status_code == 200
    doors.imagectl("tokens", "revoke", "--owner", "bob")
    wait_until(lambda: doors.get(other).status_code == 401, within=20)

    listed = doors.imagectl("tokens", "list").splitlines()
    assert [line.split("  ")[-1].split(" issued")[0] for line in listed] == ["tokens of bob", "token one"]
    audit = doors.imagectl("audit")
    assert audit.count("token.revoked") == 3


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "give either --jti or --owner"),
        (("--jti", "a", "--owner", "b"), "give either --jti or --owner"),
        (("--jti", "a", "--before", "2026-01-01"), "--before goes with --owner"),
        (("--owner", "b", "--before", "2126-01-01"), "--before: this time is still to come"),
        (("--owner", "b", "--before", "yesterday"), "--before yesterday: expected a time such as"),
        (("--jti", "a", "--until", "2026-01-01"), "--until: this time is over"),
        (("--owner", "b\x01"), "--owner: expected 1 to 200 printable characters"),
        (("--jti", ""), "--jti: expected 1 to 200 printable characters"),
    ],
)
def test_a_wrong_revocation_is_refused(doors: Doors, words: tuple[str, ...], says: str) -> None:
    settings = {"APP_PROFILE": "standalone", "DATA_PATH": doors._folder / "data"}

    done = imagectl(doors._folder, doors.service.place[1], "tokens", "revoke", *words, **settings)

    assert (done.returncode, says in done.stderr.decode()) == (2, True), done.stderr


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"JWT_ISSUER": "https://a.example"}, "configuration: JWT_AUDIENCE: AUTH_MODE takes tokens, and this is empty"),
        (
            {"JWT_ISSUER": "me", "JWT_AUDIENCE": "images", "JWT_PUBLIC_KEYS": "/nowhere/key.pem"},
            "configuration: JWT_PUBLIC_KEYS: /nowhere/key.pem can't be read: No such file or directory",
        ),
    ],
)
def test_the_api_does_not_start_with_settings_that_can_not_be_used(tmp_path: Path, settings: dict[str, str], says: str) -> None:
    with running("api", tmp_path / "log", environment(APP_PROFILE="standalone", AUTH_MODE="jwt", **settings)) as api:
        assert api.wait() == 2
        assert says in api.said()
