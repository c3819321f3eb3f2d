"""The settings of tokens: each mistake is refused at the start, with the variable that has it."""

from pathlib import Path

import pytest

from internal.domain.identity import Scope
from internal.identity.tokens.settings import JwtSettings
from internal.runtime.section import SettingsError
from internal.settings.loader import load_settings
from internal.settings.sections import Settings
from internal.wiring.tokens import configured_keys, policy_of, refuse_unusable_keys
from tests.services.issuer import SECRET, key_pair, pem

USUAL = {
    "APP_PROFILE": "standalone",
    "AUTH_MODE": "jwt",
    "JWT_ISSUER": "https://issuer.example/realms/x",
    "JWT_AUDIENCE": "images",
}
HMAC = {"JWT_ALGORITHMS": "HS256", "JWT_SECRET": SECRET, "JWT_ISSUER": "my-backend"}


def whole(**more: str) -> Settings:
    settings = load_settings(USUAL | more)
    settings.validate()
    return settings


def loaded(**more: str) -> JwtSettings:
    return whole(**more).jwt


@pytest.mark.parametrize(
    ("more", "fetches"),
    [
        ({}, True),
        (HMAC, False),
        ({"JWT_ALGORITHMS": "RS256, HS256", "JWT_SECRET": SECRET}, True),
        ({"JWT_JWKS_URL": "https://issuer.example/keys", "JWT_ISSUER": "any text"}, True),
        ({"JWT_JWKS_URL": "http://127.0.0.1:8080/keys"}, True),
        ({"JWT_ISSUER": "http://keycloak:8080/realms/x", "JWT_ALLOW_HTTP": "true"}, True),
        ({"JWT_PUBLIC_KEYS": "/keys/a.pem", "JWT_ISSUER": "any text"}, False),
    ],
)
def test_what_fits_is_taken(more: dict[str, str], fetches: bool) -> None:
    assert loaded(**more).fetches_keys == fetches


@pytest.mark.parametrize(
    ("more", "refusal"),
    [
        ({"JWT_ISSUER": ""}, "^JWT_ISSUER: AUTH_MODE takes tokens, and this is empty"),
        ({"JWT_AUDIENCE": " "}, "^JWT_AUDIENCE: AUTH_MODE takes tokens, and this is empty"),
        ({"JWT_AUDIENCE": ","}, "^JWT_AUDIENCE: AUTH_MODE takes tokens, and this is empty"),
        ({"JWT_ALGORITHMS": "RS256,none"}, "^JWT_ALGORITHMS: none is none of HS256, RS256, PS256, ES256, EdDSA"),
        ({"JWT_ALGORITHMS": "rs256"}, "^JWT_ALGORITHMS: rs256 is none of"),
        ({"JWT_ALGORITHMS": ","}, "^JWT_ALGORITHMS"),
        ({"JWT_TYPES": ","}, "^JWT_TYPES"),
        ({"JWT_ALGORITHMS": "HS256"}, "^JWT_SECRET and HS256 in JWT_ALGORITHMS belong together"),
        ({"JWT_SECRET": SECRET}, "^JWT_SECRET and HS256 in JWT_ALGORITHMS belong together"),
        (HMAC | {"JWT_SECRET": "short"}, "^JWT_SECRET has 5 bytes; HS256 needs at least 32"),
        ({"JWT_ISSUER": "my-backend"}, "^JWT_ISSUER: 'my-backend' is no https address .*discovery"),
        ({"JWT_ISSUER": "http://issuer.example"}, "^JWT_ISSUER: .* is no https address"),
        ({"JWT_JWKS_URL": "http://issuer.example/keys"}, "^JWT_JWKS_URL: .* is no https address"),
        ({"JWT_JWKS_URL": "https://a.example/", "JWT_PUBLIC_KEYS": "a.pem"}, "both set"),
        (HMAC | {"JWT_PUBLIC_KEYS": "a.pem"}, "HS256 alone"),
        (
            {"JWT_SCOPE_MAP": '{"read": "images:see"}'},
            "^JWT_SCOPE_MAP: 'read' stands for 'images:see'; our scopes are images:read,",
        ),
        ({"JWT_SCOPE_MAP": '["images:read"]'}, "^JWT_SCOPE_MAP"),
        ({"JWT_LEEWAY_SECONDS": "301"}, "^JWT_LEEWAY_SECONDS"),
    ],
)
def test_what_does_not_fit_is_named(more: dict[str, str], refusal: str) -> None:
    with pytest.raises(SettingsError, match=refusal) as refused:
        loaded(**more)
    assert SECRET not in str(refused.value)


def test_without_tokens_the_section_may_be_empty() -> None:
    load_settings({"APP_PROFILE": "standalone"}).validate()


def test_what_tokens_must_be_is_read_off_the_settings() -> None:
    policy = policy_of(
        loaded(
            JWT_AUDIENCE="images, https://images.example",
            JWT_TYPES="at+jwt,JWT",
            JWT_SCOPE_MAP='{"pictures": "images:read images:write", "images:admin": ""}',
            JWT_OWNER_CLAIM="tenant",
            JWT_ALGORITHMS="ES256,EdDSA",
        )
    )

    assert (policy.algorithms, policy.audiences) == (["ES256", "EdDSA"], ["images", "https://images.example"])
    assert (policy.types, policy.owner_claim) == (frozenset({"at+jwt", "jwt", ""}), "tenant")
    assert policy.scopes == {
        "images:read": {Scope.READ},
        "images:write": {Scope.WRITE},
        "images:admin": set(),
        "pictures": {Scope.READ, Scope.WRITE},
    }
    assert policy_of(loaded()).types == frozenset({"at+jwt"})


def test_key_files_have_an_id_or_none(tmp_path: Path) -> None:
    for name, kind in (("a", "RSA"), ("b", "P-256")):
        (tmp_path / f"{name}.pem").write_bytes(pem(key_pair(kind)))
    files = f"first={tmp_path}/a.pem, {tmp_path}/b.pem"

    keys = configured_keys(loaded(JWT_PUBLIC_KEYS=files, JWT_ALGORITHMS="RS256,ES256,HS256", JWT_SECRET=SECRET))

    assert [(key.algorithm, key.kid) for key in keys] == [("HS256", None), ("RS256", "first"), ("ES256", None)]


def test_a_file_that_can_not_be_used_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"^JWT_PUBLIC_KEYS: .*/a.pem can't be read: No such file"):
        refuse_unusable_keys(whole(JWT_PUBLIC_KEYS=f"{tmp_path}/a.pem"))
    (tmp_path / "a.pem").write_text("text")
    with pytest.raises(SettingsError, match=r"^JWT_PUBLIC_KEYS: .*/a.pem is no public key in PEM"):
        refuse_unusable_keys(whole(JWT_PUBLIC_KEYS=f"{tmp_path}/a.pem"))
    with pytest.raises(SettingsError, match=r"^JWT_CA_FILE: .*/ca.pem can't be read"):
        refuse_unusable_keys(whole(JWT_CA_FILE=f"{tmp_path}/ca.pem"))
    with pytest.raises(SettingsError, match=r"^JWT_SECRET is a key of another kind") as refused:
        refuse_unusable_keys(whole(**HMAC | {"JWT_SECRET": pem(key_pair("P-256")).decode()}))
    assert "BEGIN" not in str(refused.value)
