"""Which keys verify tokens: those of a known kind, long enough, each for one configured algorithm."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from msgspec import UNSET

from internal.identity.tokens.keys import InvalidKey, KeySet, VerificationKey, jwks_keys, pem_key, secret_key
from tests.services.issuer import SECRET, jwk, key_pair, pem

ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA")


def good() -> dict[str, Any]:
    return jwk(key_pair("P-256"), kid="good")


def keys_of(*members: Any, algorithms: tuple[str, ...] = ALGORITHMS) -> list[tuple[str | None, str]]:
    """Ids and algorithms of the keys that are taken from a set."""
    return [(key.kid, key.algorithm) for key in jwks_keys(json.dumps({"keys": members}).encode(), algorithms).keys]


@pytest.mark.parametrize(
    ("kind", "members", "taken"),
    [
        ("RSA", {"alg": "RS256"}, "RS256"),
        ("RSA", {"alg": "PS256"}, "PS256"),
        ("RSA", {}, "RS256"),
        ("P-256", {"alg": "ES256"}, "ES256"),
        ("P-256", {}, "ES256"),
        ("Ed25519", {"alg": "EdDSA"}, "EdDSA"),
        ("Ed25519", {"use": None}, "EdDSA"),
        ("P-256", {"use": None, "key_ops": ["verify"]}, "ES256"),
        ("P-256", {"x5c": ["AA=="], "x5t": "AA", "created": 5}, "ES256"),
    ],
)
def test_a_key_is_for_one_algorithm(kind: str, members: dict[str, Any], taken: str) -> None:
    assert keys_of(jwk(key_pair(kind), kid="k", **members)) == [("k", taken)]


def test_a_key_without_alg_is_for_the_first_configured_that_fits() -> None:
    assert keys_of(jwk(key_pair("RSA")), algorithms=("ES256", "PS256", "RS256")) == [(None, "PS256")]


@pytest.mark.parametrize(
    "member",
    [
        lambda: jwk(key_pair("RSA"), kid="enc", use="enc"),
        lambda: jwk(key_pair("RSA"), kid="ops", key_ops=["encrypt", "wrapKey"]),
        lambda: jwk(key_pair("RSA"), kid="alg", alg="RS512"),
        lambda: jwk(key_pair("RSA"), kid="alg", alg="RSA-OAEP"),
        lambda: jwk(key_pair("RSA"), kid="alg", alg="ES256"),
        lambda: jwk(key_pair("RSA"), kid="alg", alg="none"),
        lambda: jwk(key_pair("RSA"), kid="private", d="AQAB"),
        lambda: jwk(key_pair("RSA"), kid="cut", n="AQAB"),
        lambda: jwk(key_pair("RSA"), kid="cut", n=None),
        lambda: jwk(key_pair("RSA"), kid="odd", n=5),
        lambda: jwk(key_pair("RSA"), kid="odd", e="AQ"),
        lambda: jwk(key_pair("RSA"), kid="odd", e="é"),
        lambda: jwk(key_pair("RSA-1024"), kid="short"),
        lambda: jwk(key_pair("RSA"), kid=5),
        lambda: jwk(key_pair("P-384"), kid="curve"),
        lambda: jwk(key_pair("P-256"), kid="curve", crv="secp256k1"),
        lambda: jwk(key_pair("P-256"), kid="curve", crv="P-1024"),
        lambda: jwk(key_pair("P-256"), kid="point", x="AAAA"),
        lambda: jwk(key_pair("P-256"), kid="point", y=jwk(key_pair("P-256", 1))["y"]),
        lambda: jwk(key_pair("Ed448"), kid="curve"),
        lambda: jwk(key_pair("Ed25519"), kid="kind", kty="AKP"),
        lambda: jwk(key_pair("Ed25519"), kid="kind", kty=None),
        lambda: {"kty": "oct", "kid": "secret", "k": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY", "alg": "HS256"},
        dict,
        list,
        lambda: None,
        lambda: 5,
        lambda: "text",
    ],
)
def test_a_key_of_another_kind_does_not_spoil_the_set(member: Callable[[], Any]) -> None:
    assert keys_of(member(), good(), algorithms=("HS256", *ALGORITHMS)) == [("good", "ES256")]


@pytest.mark.parametrize("document", [b"", b"[]", b"{}", b'{"keys": {}}', b"<html>", b'{"keys": [', b"\xff", b'{"keys": null}'])
def test_what_is_no_set_is_an_error(document: bytes) -> None:
    with pytest.raises(InvalidKey, match="no JWK Set"):
        jwks_keys(document, ALGORITHMS)


def test_a_set_without_keys_is_one() -> None:
    assert keys_of() == []


def test_of_a_huge_set_the_first_hundred_are_read() -> None:
    assert len(keys_of(*[good()] * 150)) == 100


@pytest.mark.parametrize(
    ("kind", "algorithms", "taken"),
    [("RSA", ("PS256", "RS256"), "PS256"), ("P-256", ALGORITHMS, "ES256"), ("Ed25519", ALGORITHMS, "EdDSA")],
)
def test_a_pem_file_is_a_key(kind: str, algorithms: tuple[str, ...], taken: str) -> None:
    key = pem_key(b"# a comment\n" + pem(key_pair(kind)), "k", algorithms)

    assert (key.kid, key.algorithm) == ("k", taken)


@pytest.mark.parametrize(
    ("content", "algorithms", "says"),
    [
        (lambda: pem(key_pair("RSA-1024")), ALGORITHMS, "1024 bits; at least 2048"),
        (lambda: pem(key_pair("P-384")), ALGORITHMS, "neither an RSA, a P-256 nor an Ed25519 key"),
        (lambda: pem(key_pair("Ed448")), ALGORITHMS, "neither an RSA, a P-256 nor an Ed25519 key"),
        (lambda: pem(key_pair("RSA")), ("ES256",), "is a key for RS256 or PS256, which JWT_ALGORITHMS does not have"),
        (lambda: key_pair("RSA").private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), ALGORITHMS, "private key"),
        (lambda: b"", ALGORITHMS, "no public key in PEM"),
        (lambda: b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", ALGORITHMS, "no public key in PEM"),
        (lambda: SECRET.encode(), ALGORITHMS, "no public key in PEM"),
    ],
)
def test_a_file_that_is_no_key_says_why(content: Callable[[], bytes], algorithms: tuple[str, ...], says: str) -> None:
    with pytest.raises(InvalidKey, match=says):
        pem_key(content(), None, algorithms)


@pytest.mark.parametrize("kind", ["RSA", "P-256", "Ed25519"])
def test_a_public_key_is_no_secret(kind: str) -> None:
    for text in (pem(key_pair(kind)).decode(), json.dumps(jwk(key_pair(kind)))):
        with pytest.raises(InvalidKey, match="no secret"):
            secret_key(text)


def test_a_token_is_tried_against_the_keys_that_may_have_signed_it() -> None:
    named, other, nameless, elsewhere = (VerificationKey(a, b"", k) for a, k in [("A", "k"), ("A", "o"), ("A", None), ("B", "k")])
    keys = KeySet([named, other, nameless, elsewhere])

    assert keys.candidates("A", "k") == [named]
    assert keys.candidates("A", "unknown") == [nameless]
    assert keys.candidates("A", UNSET) == [named, other, nameless]
    assert keys.candidates("C", "k") == []
    assert (keys.knows("k"), keys.knows("unknown"), keys.knows(UNSET)) == (True, False, True)
