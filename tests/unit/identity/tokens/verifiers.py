"""Verifiers of tokens, with keys at hand and without a database."""

from collections.abc import Callable, Sequence
from typing import Any

from internal.domain.identity import Scope
from internal.identity.tokens.keys import KeySet, VerificationKey, pem_key, secret_key
from internal.identity.tokens.revoked import Revocations
from internal.identity.tokens.verifier import FixedKeys, TokenPolicy, TokenVerifier
from tests.services.issuer import AUDIENCE, ISSUER, SECRET, key_pair, pem

ALL = ("HS256", "RS256", "PS256", "ES256", "EdDSA")
KINDS = {"RS256": "RSA", "PS256": "RSA", "ES256": "P-256", "EdDSA": "Ed25519"}
OWN_SCOPES = {scope.value: frozenset({scope}) for scope in Scope}


class Clock:
    """A clock that a test sets."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Table:
    """The table of revoked tokens, empty unless a test says otherwise. It counts the statements."""

    def __init__(self) -> None:
        self.change: int | None = None
        self.revoked: Callable[[str | None, str, float | None], bool] = lambda *_: False
        self.statements: list[str] = []

    async def latest_change(self) -> int | None:
        self.statements.append("latest_change")
        return self.change

    async def is_revoked(self, *, jti: str | None, owner: str, issued_at: float | None) -> bool:
        self.statements.append("is_revoked")
        return self.revoked(jti, owner, issued_at)


def verifier(*keys: VerificationKey, algorithms: Sequence[str] = ALL, **changes: Any) -> TokenVerifier:
    """A verifier with fixed keys, by default the secret, for which no token is revoked."""
    known = FixedKeys(KeySet(keys or [secret_key(SECRET)]))
    return TokenVerifier(policy(algorithms=algorithms, **changes), known, Revocations(Table()))


def policy(**changes: Any) -> TokenPolicy:
    """What tokens of tests.services.issuer are."""
    usual = {"algorithms": ALL, "types": frozenset({"at+jwt"}), "scopes": OWN_SCOPES}
    return TokenPolicy(issuer=ISSUER, audiences=[AUDIENCE], **{**usual, **changes})


def public(algorithm: str, kid: str | None = None, number: int = 0) -> VerificationKey:
    """The public key of a pair, for this algorithm."""
    return pem_key(pem(key_pair(KINDS[algorithm], number)), kid, [algorithm])
