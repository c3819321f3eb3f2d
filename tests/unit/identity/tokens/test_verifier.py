"""What a token must be: each wrong one is refused with a sentence that says what is wrong."""

import base64
import hmac
import json
import random
import string
from typing import Any

import pytest

from internal.domain.errors import Unauthenticated
from internal.domain.identity import Credential, Principal, Scope
from internal.identity.tokens.keys import secret_key
from internal.identity.tokens.verifier import TokenVerifier
from tests.services.issuer import ISSUER, SECRET, In, claims, jwk, key_pair, pem, token
from tests.unit.identity.tokens.verifiers import ALL, KINDS, OWN_SCOPES, public, verifier


async def refusal(text: str, takes: TokenVerifier | None = None) -> str:
    """The sentence with which a token is refused."""
    with pytest.raises(Unauthenticated) as refused:
        await (takes or verifier()).verify(text)
    assert refused.value.rejected
    return refused.value.detail


def spelled(header: str, payload: str, secret: bytes = SECRET.encode()) -> str:
    """A token of texts that need not be JSON, rightly signed as HS256."""
    first, second = (base64.urlsafe_b64encode(part.encode()).rstrip(b"=").decode() for part in (header, payload))
    signed = hmac.digest(secret, f"{first}.{second}".encode(), "sha256")
    return f"{first}.{second}.{base64.urlsafe_b64encode(signed).rstrip(b'=').decode()}"


HEADER = '{"alg":"HS256","typ":"at+jwt"}'


async def test_a_good_token_is_its_owner_with_its_scopes() -> None:
    text = token(scope="openid images:read images:write", sub="alice@example.com")

    assert await verifier().verify(text) == Principal(
        "alice@example.com", frozenset({Scope.READ, Scope.WRITE}), Credential.JWT, "t-1"
    )


@pytest.mark.parametrize("algorithm", KINDS)
async def test_each_algorithm_verifies_with_its_key(algorithm: str) -> None:
    text = token(key_pair(KINDS[algorithm]), algorithm)

    assert (await verifier(public(algorithm)).verify(text)).owner == "alice"
    assert "signature" in await refusal(text, verifier(public(algorithm, number=1)))


@pytest.mark.parametrize("algorithm", ALL)
async def test_an_algorithm_that_is_not_configured_is_refused(algorithm: str) -> None:
    """Its key is there: the configuration decides, not the key and not the token."""
    others = [name for name in ALL if name != algorithm]
    key, bound = (SECRET, secret_key(SECRET)) if algorithm == "HS256" else (key_pair(KINDS[algorithm]), public(algorithm))

    detail = await refusal(token(key, algorithm), verifier(bound, algorithms=others))

    assert detail == f"The token's alg is `{algorithm}`; this service takes {', '.join(others)}."


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "", "hs256", "Hs256", "HS384", "RS1", "ES256K", "HS256 "])
async def test_no_and_other_algorithms_are_refused(algorithm: str) -> None:
    header = json.dumps({"alg": algorithm, "typ": "at+jwt"})

    assert "alg" in await refusal(spelled(header, json.dumps(claims())))


@pytest.mark.parametrize("signature", ["", "eA"])
async def test_a_token_without_a_signature_is_refused(signature: str) -> None:
    head, body, _ = token().split(".")

    assert await refusal(f"{head}.{body}.{signature}")


@pytest.mark.parametrize("kind", KINDS)
async def test_a_public_key_is_no_secret(kind: str) -> None:
    """Key confusion (RFC 8725, 2.1): an HS256 token that is signed with the text of the public key, which everybody knows."""
    key = key_pair(KINDS[kind])
    for secret in (pem(key), pem(key).strip(), json.dumps(jwk(key)).encode()):
        forged = spelled(HEADER, json.dumps(claims()), secret)

        assert "no key" in await refusal(forged, verifier(public(kind)))
        assert "signature" in await refusal(forged, verifier(public(kind), secret_key(SECRET)))


@pytest.mark.parametrize(("bound", "claimed"), [(a, b) for a in KINDS for b in KINDS if a != b])
async def test_a_key_verifies_its_own_algorithm_only(bound: str, claimed: str) -> None:
    """Also where the mathematics would do: RS256 and PS256 have the same keys."""
    text = token(key_pair(KINDS[claimed]), claimed)

    assert "no key" in await refusal(text, verifier(public(bound)))
    assert "no key" in await refusal(token(key_pair(KINDS[claimed]), claimed, {"kid": "k"}), verifier(public(bound, "k")))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"exp": 1_000_000_000, "iat": 999_999_000}, "The token expired at 2001-09-09T01:46:40Z."),
        ({"exp": ...}, "`exp`"),
        ({"exp": None}, "`exp`: expected `int | float`, got `null`"),
        ({"exp": "9999999999"}, "`exp`: expected `int | float`, got `str`"),
        ({"exp": True}, "`exp`: expected `int | float`, got `bool`"),
        ({"exp": 10**30}, "payload can't be read: `exp`"),
        ({"exp": 1e300}, "payload can't be read: `exp`"),
        ({"exp": -5}, "payload can't be read: `exp`"),
        ({"nbf": In(100)}, "is valid from"),
        ({"nbf": None}, "`nbf`"),
        ({"nbf": [1]}, "`nbf`"),
        ({"iat": In(100), "exp": In(200)}, "is valid from"),
        ({"iat": "now"}, "`iat`"),
        ({"iat": 1_000_000_000}, "takes at most 604800 s (JWT_MAX_SECONDS)"),
        ({"iat": ..., "exp": In(700_000)}, "takes at most 604800 s (JWT_MAX_SECONDS)"),
        ({"aud": "other"}, "aud is another service: it has to be images."),
        ({"aud": ["other", "another"]}, "it has to be images."),
        ({"aud": "Images"}, "it has to be images."),
        ({"aud": ["images", 5]}, "`aud`"),
        ({"aud": []}, "it has to be images."),
        ({"aud": ""}, "it has to be images."),
        ({"aud": ...}, "`aud`"),
        ({"aud": {"images": 1}}, "`aud`"),
        ({"iss": "https://issuer.example/"}, "it has to be https://issuer.example."),
        ({"iss": ...}, "`iss`"),
        ({"sub": ...}, "sub, its owner"),
        ({"sub": 5}, "sub, its owner"),
        ({"sub": ""}, "sub, its owner"),
        ({"sub": "a" * 201}, "sub, its owner"),
        ({"sub": "a\x00b"}, "sub, its owner"),
        ({"sub": "a\nb"}, "sub, its owner"),
        ({"sub": "\ud800"}, "sub, its owner"),
        ({"jti": 5}, "`jti`"),
        ({"jti": "a\x00b"}, "jti"),
        ({"jti": "j" * 201}, "jti"),
        ({"scope": ["images:read"]}, "`scope`"),
        ({"scp": [5]}, "`scp`"),
    ],
)
async def test_a_wrong_claim_is_named(changes: dict[str, Any], says: str) -> None:
    assert says in await refusal(token(**changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": In(300.5), "iat": In(-0.5), "nbf": In(-0.25)},
        {"exp": In(-5), "iat": In(-100)},
        {"nbf": In(5), "iat": In(5)},
        {"iat": ...},
        {"jti": ...},
        {"aud": ["other", "images"]},
        {"address": {"street": None}, "amr": ["pwd"], "5": 5},
    ],
)
async def test_what_is_right_within_the_leeway_is_taken(changes: dict[str, Any]) -> None:
    """Times with a fraction, clocks that differ by some seconds, claims that are not ours."""
    assert (await verifier().verify(token(**changes))).owner == "alice"


@pytest.mark.parametrize(
    ("typ", "types", "taken"),
    [
        ("at+jwt", {"at+jwt"}, True),
        ("application/at+jwt", {"at+jwt"}, True),
        ("AT+JWT", {"at+jwt"}, True),
        ("JWT", {"at+jwt"}, False),
        (None, {"at+jwt"}, False),
        ("dpop+jwt", {"at+jwt"}, False),
        ("JWT", {"at+jwt", "jwt", ""}, True),
        (None, {"at+jwt", "jwt", ""}, True),
        ("logout+jwt", {"at+jwt", "jwt", ""}, False),
        ("", {"at+jwt", "jwt", ""}, True),
    ],
)
async def test_the_type_is_one_of_those_that_are_taken(typ: str | None, types: set[str], taken: bool) -> None:
    header = {"alg": "HS256"} if typ is None else {"alg": "HS256", "typ": typ}
    text = spelled(json.dumps(header), json.dumps(claims()))
    takes = verifier(types=frozenset(types))

    if taken:
        assert (await takes.verify(text)).owner == "alice"
    else:
        assert "JWT_TYPES" in await refusal(text, takes)


@pytest.mark.parametrize(
    "header",
    [
        {"crit": ["exp"]},
        {"crit": []},
        {"crit": None},
        {"crit": ["b64"], "b64": False},
        {"b64": True},
        {"cty": "JWT"},
        {"cty": "application/at+jwt"},
        {"kid": 5},
        {"kid": None},
        {"kid": ["k"]},
        {"typ": 5},
        {"alg": None},
        {"alg": ["HS256"]},
    ],
)
async def test_a_header_that_asks_for_more_is_refused(header: dict[str, Any]) -> None:
    whole = {"alg": "HS256", "typ": "at+jwt", **header}

    assert "header" in (detail := await refusal(spelled(json.dumps(whole), json.dumps(claims())))) or "another token" in detail


@pytest.mark.parametrize(
    "kid", ["../../etc/passwd", "k'; DROP TABLE images; --", "http://127.0.0.1/", "\x00", "k" * 5000, "ключ"]
)
async def test_a_kid_is_nothing_but_a_name(kid: str) -> None:
    takes = verifier(public("RS256", "known"))

    detail = await refusal(token(key_pair("RSA"), "RS256", {"kid": kid}), takes)

    assert detail == "The token is signed with a key (kid) that this service does not know."


async def test_a_token_that_brings_its_key_is_verified_with_ours() -> None:
    """CVE-2018-0114 and its kind: `jwk`, `jku` and `x5c` of the header are not looked at."""
    stranger = key_pair("RSA", 1)
    brought = {"jwk": jwk(stranger), "jku": "http://127.0.0.1:1/"}

    assert "signature" in await refusal(token(stranger, "RS256", brought), verifier(public("RS256")))


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "..",
        "a.b",
        "a.b.c.d",
        "e30.e30.",
        "ключ.a.b",
        "Bearer a.b.c",
        '{"payload":"e30","signatures":[{"signature":"eA"}]}',
        "eyJhbGciOiJIUzI1NiJ9.e30=.eA==",
        "[[[.[[[.[[[",
        f"{'a' * 8000}.{'b' * 8000}.c",
    ],
)
async def test_what_is_no_signed_token_is_refused(text: str) -> None:
    assert await refusal(text)


async def test_an_encrypted_token_is_told_apart() -> None:
    assert "encrypted" in await refusal("a.b.c.d.e")


async def test_a_token_over_the_limit_is_refused_unread() -> None:
    assert await refusal(token(more="x" * 8192)) == "The token has more than 8192 bytes."
    assert (await verifier().verify(token(more="x" * 5000))).owner == "alice"


@pytest.mark.parametrize(
    ("header", "payload"),
    [
        ('{"alg":"none","alg":"HS256","typ":"at+jwt"}', json.dumps(claims())),
        (HEADER, json.dumps(claims(iss=5))),
        (HEADER, json.dumps(claims(iss=[ISSUER]))),
        (HEADER, json.dumps(claims())[:-1] + ', "sub": "bob"}'),
        (HEADER, json.dumps(claims())[:-1] + ', "x": {"a": 1, "a": 2}}'),
        (HEADER, json.dumps(claims())[:-1] + ', "x": NaN}'),
        (HEADER, json.dumps(claims())[:-1] + f', "x": {"9" * 5000}}}'),
        (HEADER, "[" * 3000),
        (HEADER, "[]"),
        (HEADER, '"text"'),
        (HEADER, "null"),
        ("[]", json.dumps(claims())),
        ("{}", json.dumps(claims())),
        ("\ufeff" + HEADER, json.dumps(claims())),
    ],
)
async def test_json_that_can_be_read_in_two_ways_is_refused(header: str, payload: str) -> None:
    """PyJWT 2.15.1 takes the last of two members, and NaN."""
    assert await refusal(spelled(header, payload))


@pytest.mark.parametrize(
    ("changes", "scopes"),
    [
        ({"scope": "images:read  images:write"}, {Scope.READ, Scope.WRITE}),
        ({"scope": ...}, set()),
        ({"scope": ""}, set()),
        ({"scope": ..., "scp": "images:write"}, {Scope.WRITE}),
        ({"scope": ..., "scp": ["images:write", "pictures.view"]}, {Scope.READ, Scope.WRITE}),
        ({"scope": "IMAGES:READ images:* openid"}, set()),
        ({"scope": "pictures.all"}, {Scope.READ, Scope.WRITE}),
        ({"scope": "images:admin"}, set()),
    ],
)
async def test_scopes_are_mapped_and_unknown_ones_ignored(changes: dict[str, Any], scopes: set[Scope]) -> None:
    """Here the map says that the issuer's images:admin is none of ours."""
    mapped = {"pictures.view": frozenset({Scope.READ}), "pictures.all": frozenset({Scope.READ, Scope.WRITE})}
    takes = verifier(scopes={**OWN_SCOPES, **mapped, "images:admin": frozenset()})

    assert (await takes.verify(token(**changes))).scopes == scopes


async def test_the_owner_is_the_value_of_the_configured_claim() -> None:
    takes = verifier(owner_claim="https://example.com/tenant")
    tenant: dict[str, Any] = {"https://example.com/tenant": "acme"}

    assert (await takes.verify(token(**tenant))).owner == "acme"
    assert "https://example.com/tenant" in await refusal(token(), takes)


async def test_a_token_without_kid_is_tried_against_few_keys() -> None:
    text = token(key_pair("P-256", 3), "ES256")

    assert (await verifier(*(public("ES256", f"k{n}", n) for n in range(4))).verify(text)).owner == "alice"
    detail = await refusal(text, verifier(*(public("ES256", f"k{n}", n) for n in range(5))))
    assert detail == "The token names no key (kid), and there are 5 that it may have been signed with."


async def test_a_kid_chooses_its_key() -> None:
    takes = verifier(*(public("ES256", f"k{n}", n) for n in range(3)))

    assert (await takes.verify(token(key_pair("P-256", 1), "ES256", {"kid": "k1"}))).owner == "alice"
    assert "signature" in await refusal(token(key_pair("P-256", 1), "ES256", {"kid": "k2"}), takes)


@pytest.mark.parametrize("algorithm", ALL)
async def test_no_mutant_of_a_good_token_passes(algorithm: str) -> None:
    """Bytes changed, removed, added and swapped, parts of other tokens: it is refused, and never with another error."""
    key, bound = (SECRET, secret_key(SECRET)) if algorithm == "HS256" else (key_pair(KINDS[algorithm]), public(algorithm))
    takes, chance = verifier(bound), random.Random(13)
    good, other = token(key, algorithm), token(key, algorithm, sub="bob", scope="images:admin")
    letters = string.ascii_letters + string.digits + "-_.=+/ é"
    for _ in range(400):
        mutant, (left, right) = good, sorted(chance.sample(range(len(good)), 2))
        match chance.randrange(6):
            case 0:
                mutant = good[:left] + chance.choice(letters) + good[left + 1 :]
            case 1:
                mutant = good[:left] + good[right:]
            case 2:
                mutant = good[:left] + chance.choice(letters) * chance.randrange(1, 5) + good[left:]
            case 3:
                mutant = good[:left] + good[right:] + good[left:right]
            case 4:
                mutant = ".".join(chance.choice((good, other)).split(".")[n] for n in range(3))
            case 5:
                mutant = good[: len(good) - 1] + chance.choice(letters)
        if mutant not in (good, other):
            await refusal(mutant, takes)
    assert (await takes.verify(good)).owner == "alice"
