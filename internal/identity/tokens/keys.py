"""The keys that tokens are verified with. Each is bound to one algorithm of the configuration, whatever a token's header says."""

from collections.abc import Iterable, Sequence
from typing import Any

import jwt
import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from msgspec import UNSET, Struct, UnsetType

MIN_RSA_BITS = 2048
"""RFC 7518, 3.3."""

MAX_CANDIDATES = 4
"""Keys that one token is tried against. A token without `kid` in a larger set is refused."""

MAX_JWKS_KEYS = 100

PublicKey = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey


class InvalidKey(Exception):
    """This is no key for one of the configured algorithms. The text says why."""


class VerificationKey(Struct, frozen=True):
    """A key, and the one algorithm that it verifies. `kid`: its id in tokens' headers, None if it has none."""

    algorithm: str
    key: PublicKey | bytes
    kid: str | None = None


class KeySet:
    """The keys of one moment. It never changes: a new set is another object."""

    def __init__(self, keys: Iterable[VerificationKey]) -> None:
        self.keys = tuple(keys)
        self._kids = {key.kid for key in self.keys if key.kid is not None}

    def knows(self, kid: str | UnsetType) -> bool:
        """True if a key has this id, or there is no id to look for."""
        return kid is UNSET or kid in self._kids

    def candidates(self, algorithm: str, kid: str | UnsetType) -> Sequence[VerificationKey]:
        """The keys of `algorithm` that may have signed a token with this `kid`: those that have it. If no key has it, those
        without an id; for a token without `kid`, all of them.
        """
        fitting = [key for key in self.keys if key.algorithm == algorithm]
        if kid is UNSET:
            return fitting
        return [key for key in fitting if key.kid == kid] or [key for key in fitting if key.kid is None]


def secret_key(secret: str) -> VerificationKey:
    """The key of HS256. Raises InvalidKey for a secret that is a key of another kind."""
    content = secret.encode()
    try:
        jwt.get_algorithm_by_name("HS256").prepare_key(content)
    except jwt.InvalidKeyError as error:
        raise InvalidKey("is a key of another kind, which is no secret") from error
    return VerificationKey("HS256", content)


def pem_key(content: bytes, kid: str | None, algorithms: Sequence[str]) -> VerificationKey:
    """The public key of a PEM file. Of the configured `algorithms` it verifies the first that fits."""
    if b"PRIVATE KEY" in content:
        raise InvalidKey("is a private key, which only the issuer should have: write its public key with `openssl pkey -pubout`")
    try:
        key = load_pem_public_key(content)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise InvalidKey("is no public key in PEM (`-----BEGIN PUBLIC KEY-----`)") from error
    return _bound(key, kid, algorithms)


def jwks_keys(document: bytes, algorithms: Sequence[str]) -> KeySet:
    """The keys of a JWK Set (RFC 7517) for the configured `algorithms`. Other members of the set are skipped.

    Raises InvalidKey if the document is no JWK Set.
    """
    try:
        members = msgspec.json.decode(document, type=_JwkSet).keys
    except msgspec.DecodeError as error:
        raise InvalidKey("is no JWK Set") from error
    keys = (_of_jwk(member, algorithms) for member in members[:MAX_JWKS_KEYS])
    return KeySet(key for key in keys if key is not None)


class _JwkSet(Struct):
    keys: list[Any]


class _Jwk(Struct, frozen=True):
    """The members of a JWK that say what it is for."""

    kty: str
    kid: str | None = None
    alg: str | None = None
    use: str | None = None
    key_ops: list[str] | None = None
    crv: str | None = None
    d: Any = UNSET


def _of_jwk(member: Any, algorithms: Sequence[str]) -> VerificationKey | None:
    """The key of a member of a JWK Set; None if it verifies no token: of another use, kind, curve or algorithm, or broken."""
    try:
        jwk = msgspec.convert(member, _Jwk)
        for_signatures = jwk.use in (None, "sig") and (jwk.key_ops is None or "verify" in jwk.key_ops)
        if not for_signatures or jwk.d is not UNSET or jwk.kty not in ("RSA", "EC", "OKP"):
            return None
        fitting = [name for name in algorithms if jwk.alg in (None, name)]
        family = {"RSA": "RS256", "EC": "ES256", "OKP": "EdDSA"}[jwk.kty]
        return _bound(jwt.PyJWK(member, family).key, jwk.kid, fitting)
    except (msgspec.ValidationError, jwt.PyJWTError, InvalidKey, ValueError, TypeError, OverflowError, UnsupportedAlgorithm):
        return None


def _bound(key: object, kid: str | None, algorithms: Sequence[str]) -> VerificationKey:
    """The key with the first of `algorithms` that it fits."""
    match key:
        case RSAPublicKey():
            if key.key_size < MIN_RSA_BITS:
                raise InvalidKey(f"is an RSA key of {key.key_size} bits; at least {MIN_RSA_BITS} are needed")
            fits: tuple[str, ...] = ("RS256", "PS256")
        case EllipticCurvePublicKey() if isinstance(key.curve, SECP256R1):
            fits = ("ES256",)
        case Ed25519PublicKey():
            fits = ("EdDSA",)
        case _:
            raise InvalidKey("is neither an RSA, a P-256 nor an Ed25519 key")
    algorithm = next((name for name in algorithms if name in fits), None)
    if algorithm is None:
        raise InvalidKey(f"is a key for {' or '.join(fits)}, which JWT_ALGORITHMS does not have")
    return VerificationKey(algorithm, key, kid)
